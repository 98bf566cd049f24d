"""Pure: the images that compose.yaml and the manifests name."""

from typing import Final

OURS: Final = "smsgw:local"
PYTHON: Final = "python:3.13-slim"
KAFKA: Final = "apache/kafka:4.3.1"
CLICKHOUSE: Final = "clickhouse/clickhouse-server:26.9"
