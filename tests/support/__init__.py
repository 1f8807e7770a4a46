"""What the cross-service tests share: reading the bus, and the sentences the guarantees are checked by."""
