"""Unit tests: one file for each module, at the same place."""
