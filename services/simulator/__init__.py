"""Edge: an SMSC to try against: receipts, delays, throttling, errors, disconnects and MO, all by scenario file."""
