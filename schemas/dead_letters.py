"""Pure: headers of a dead letter. Key and value are the original ones; the original headers stay too."""

DLQ_TOPIC = "dlq_topic"
DLQ_PARTITION = "dlq_partition"
DLQ_OFFSET = "dlq_offset"
DLQ_TIMESTAMP_MS = "dlq_timestamp_ms"
DLQ_REASON = "dlq_reason"
DLQ_FIELD = "dlq_field"
DLQ_ERROR = "dlq_error"
DLQ_AT_MS = "dlq_at_ms"
DLQ_SERVICE = "dlq_service"
DLQ_HEADERS = (
    DLQ_TOPIC,
    DLQ_PARTITION,
    DLQ_OFFSET,
    DLQ_TIMESTAMP_MS,
    DLQ_REASON,
    DLQ_FIELD,
    DLQ_ERROR,
    DLQ_AT_MS,
    DLQ_SERVICE,
)
"""`dlq_error` is a sentence for people; `dlq_reason` a word; numbers are decimal text.
`dlq_timestamp_ms` is Kafka's time of the original record."""

REPLAYED_FROM = "replayed_from"
"""On a replayed record: `<dead-letter topic>/<partition>/<offset>`."""

ORIGIN_PARTITION = "origin_partition"
ORIGIN_OFFSET = "origin_offset"
"""On a request that ingress moved: its first place."""

ORIGIN_TIMESTAMP_MS = "origin_timestamp_ms"
"""On a request that was moved or replayed: when Kafka first had it, its `accepted_at_ms`."""
