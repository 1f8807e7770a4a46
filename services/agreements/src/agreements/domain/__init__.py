"""The rules of agreements: pure, without input or output; times are passed in."""
