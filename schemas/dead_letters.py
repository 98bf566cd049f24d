"""Pure: headers of a dead letter. Key and value are the original ones; the original headers stay too.

Of a record that is too large, for us or for the dead-letter topic, key, value and headers are cut (`KEPT_OCTETS`).
"""

DLQ_TOPIC = "dlq_topic"
DLQ_PARTITION = "dlq_partition"
DLQ_OFFSET = "dlq_offset"
DLQ_TIMESTAMP_MS = "dlq_timestamp_ms"
DLQ_REASON = "dlq_reason"
DLQ_FIELD = "dlq_field"
DLQ_ERROR = "dlq_error"
DLQ_AT_MS = "dlq_at_ms"
DLQ_SERVICE = "dlq_service"
DLQ_KEY_LENGTH = "dlq_key_length"
DLQ_VALUE_LENGTH = "dlq_value_length"
DLQ_VALUE_SHA256 = "dlq_value_sha256"
DLQ_CUT_HEADERS = (DLQ_KEY_LENGTH, DLQ_VALUE_LENGTH, DLQ_VALUE_SHA256)
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
    *DLQ_CUT_HEADERS,
)
"""`dlq_error` is a sentence for people; `dlq_reason` a word; numbers are decimal text.
`dlq_timestamp_ms` is Kafka's time of the original record. `DLQ_CUT_HEADERS` stand on a cut dead letter only:
octets of the original key and value, and the value's SHA-256, hexadecimal; of `unreadable_batch`, of the batch."""

TOO_LARGE = "too_large"
UNREADABLE_BATCH = "unreadable_batch"
"""The `dlq_reason` of a record that has more than `record_maxima`, and of records that cannot be read out of the
batch that they were written in: one dead letter for all of them, at the offset of the first."""

REPLAYED_FROM = "replayed_from"
"""On a replayed record: `<dead-letter topic>/<partition>/<offset>`."""

ORIGIN_PARTITION = "origin_partition"
ORIGIN_OFFSET = "origin_offset"
"""On a request that ingress moved: its first place."""

ORIGIN_TIMESTAMP_MS = "origin_timestamp_ms"
"""On a request that was moved or replayed: when Kafka first had it, its `accepted_at_ms`."""
