"""Pure: `make test-image`: the image, the compose file and testcontainers on a real engine."""
