"""Pure: what a message is to all services: identity, statuses, events, the routes it was given."""
