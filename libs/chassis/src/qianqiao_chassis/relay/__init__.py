"""From the outbox in the store to Kafka."""
