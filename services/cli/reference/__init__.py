"""Edge: the tables of README.md and docs/ that are generated from the models and the registry."""
