"""The rules of parties, contacts, needs, results and sources; no input or output."""
