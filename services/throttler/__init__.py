"""Pure: the throttler: who is next, at what pace, and what becomes of each answer (docs/guarantees.md)."""
