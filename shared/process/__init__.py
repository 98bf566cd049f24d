"""Edge: what every process of ours has: settings, the running configuration, beats, health, telemetry."""
