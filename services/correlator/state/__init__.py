"""Edge: state in compacted changelogs."""
