"""The scheduler's decisions, its store and its restore."""
