"""Edge: what comes in over a bind, on its way to Kafka."""
