"""Meaning as vectors: a port for embedding models, its adapters, and a queue that makes nothing wait for them."""
