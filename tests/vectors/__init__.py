"""Golden data."""
