"""The rules of partner proposals: pure."""
