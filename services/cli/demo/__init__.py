"""Edge: `smsgw demo`: real traffic through a whole gateway, and the comparison of what four sources say about it."""
