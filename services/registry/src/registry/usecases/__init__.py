"""What a caller can ask the registry for: load, decide, save."""
