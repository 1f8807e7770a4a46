"""Registry: parties, contacts, needs, results, and the intake of outside systems."""
