"""Challenges: hard problems as public challenges with sealed bids."""
