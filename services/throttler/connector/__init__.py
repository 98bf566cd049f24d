"""Pure: the brain of one connector: what is in flight, what becomes of each answer, at what pace."""
