"""Suites that every engine must pass unchanged. Inherit a class, give it the engine's fixtures, run pytest.

`store_url` names a document store, `database` a database of the test's own; Kafka suites ask for `kafka_bootstrap`
and `fresh_topic`. pytest must run coroutines by itself (asyncio_mode = auto).
"""
