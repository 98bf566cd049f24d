"""Edge: what a predecessor left, read back from the logs."""
