"""What notify does: plan deliveries, hand them over, take in receipts, forget people."""
