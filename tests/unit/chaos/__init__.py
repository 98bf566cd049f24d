"""Tests of `tests.chaos`."""
