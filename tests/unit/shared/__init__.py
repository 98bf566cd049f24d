"""Unit tests, in folders like those of `shared`."""
