"""Benchmarks: ratios taken in one run, beside a bare loop and beside a peer. Start with ``python -m bench``."""
