"""Pure: what `make test-image` and `make test-k8s` share: an engine, images and programs, from packages alone."""
