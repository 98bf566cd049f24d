"""Edge: the lease of one bind: who may hold it, how it is taken over and let go."""
