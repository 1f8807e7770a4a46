"""The rules of finance proposals: pure."""
