"""Unit tests of the binder; quirk tests are named after their number in docs/quirks.md."""
