"""From Kafka records to handlers: typed subscriptions, order per key, parking, one commit per batch."""
