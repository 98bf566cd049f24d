"""Pure: the throttler: who is next, at what pace, and what becomes of each answer (architecture sections 2, 4, 5)."""
