"""Fault tests: something is killed, doubled or broken while needs flow, and afterwards nothing may be missing."""
