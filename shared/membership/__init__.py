"""Edge: membership of a consumer group, and the stages that stand on it."""
