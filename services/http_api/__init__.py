"""Edge: the HTTP door: takes requests, applies ingress's own rules at once, publishes, answers when Kafka has it."""
