"""Matching measured: quality on a pack, speed and size at 10 000, 100 000 and 1 000 000 results, policies by firms."""
