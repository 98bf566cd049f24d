"""Edge: the configuration: gateway.yaml checked, what an apply would change, and the apply itself."""
