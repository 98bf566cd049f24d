"""Edge: tests."""
