"""Edge: transactions that Kafka counts as over and has not ended: found, and ended as its log says."""
