"""Whole stories across the services, on a real Kafka and a real store."""
