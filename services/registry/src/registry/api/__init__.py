"""The HTTP routes of the registry."""
