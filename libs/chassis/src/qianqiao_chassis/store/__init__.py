"""The document store: aggregates with their outbox, projections, parked records."""
