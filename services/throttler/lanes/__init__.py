"""Edge: the lanes of a connector: what has come, who is next, what was read before."""
