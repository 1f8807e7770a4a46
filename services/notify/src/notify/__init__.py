"""Notify: who is told what, by which channel, once."""
