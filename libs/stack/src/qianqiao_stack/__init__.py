"""The qianqiao command: brokers, stores and services on one machine, for people and for tests."""
