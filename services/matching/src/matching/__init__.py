"""Matching: which result answers which need, why, and what both sides say."""
