"""The rules of notification: who is told what, by which channel, and what became of it. No input or output."""
