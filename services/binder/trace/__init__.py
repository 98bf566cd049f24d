"""Edge: the PDUs of a bind as people look at them."""
