"""Pure: the dispatcher of one connector: what is in flight, what becomes of each answer, at what pace."""
