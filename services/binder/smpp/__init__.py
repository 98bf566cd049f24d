"""Edge: everything of a bind that is SMPP."""
