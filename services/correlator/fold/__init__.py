"""Pure: step two: the segments of a message and its one status."""
