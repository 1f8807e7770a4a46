"""Policies: which firm meets which conditions, what is missing, and what is worth asking."""
