"""The candidate index: the port, and the engines behind it."""
