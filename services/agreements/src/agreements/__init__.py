"""Agreements: from an accepted match to a text both parties signed."""
