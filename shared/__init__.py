"""Edge: what two deployables need today: SMPP core, what a short message is, and the plumbing of every service."""
