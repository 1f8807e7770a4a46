"""The channels: each hands one message over and says exactly what it then knows."""
