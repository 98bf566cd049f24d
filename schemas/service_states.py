"""Pure: `service.states`: the beat of every process, every 2 s; compacted; key `service|instance|pid`."""

from typing import Final

from pydantic import Field

from schemas.wire import Wire

CLOCK_KEY: Final = b"clock"
"""Of tombstones that say nothing: a process that starts writes one to learn when Kafka appended it."""
CLICKHOUSE_SAYS: Final = "ClickHouse: "
"""How the recorder's `last_error` begins while events wait for ClickHouse."""
KAFKA_SAYS: Final = "Kafka: "
"""How the `last_error` of a service begins while it waits for partitions that cannot be written to."""


class ServiceState(Wire):
    """A tombstone under the same key is a clean stop."""

    service: str
    instance: str
    pid: int
    host: str = ""
    start_id: str = Field(default="", description="Of this start of the process; in containers every pid is 1")
    beat_at_ms: int = Field(description="When it was made, by Kafka's clock as the process has learned it; so are all")
    started_at_ms: int
    ready: bool = Field(description="Has read the configuration and holds its partitions, or is a spare")
    assignment: list[str] = Field(default_factory=list, description="topic:partition")
    lag: int = 0
    config_hash: str = ""
    progress_at_ms: int = Field(description="When its loop last advanced")
    http_port: int = 0
    last_error: str = ""
    awaited: dict[str, int] = Field(default_factory=dict, description="Answers that SMSCs owe, by connector")
