"""Pure: records on their way out, where they go, and dead letters."""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple, Protocol
from zlib import crc32

import orjson
from aiokafka.partitioner import murmur2

from schemas.dead_letters import (
    DLQ_AT_MS,
    DLQ_ERROR,
    DLQ_FIELD,
    DLQ_HEADERS,
    DLQ_KEY_LENGTH,
    DLQ_OFFSET,
    DLQ_PARTITION,
    DLQ_REASON,
    DLQ_SERVICE,
    DLQ_TIMESTAMP_MS,
    DLQ_TOPIC,
    DLQ_VALUE_LENGTH,
    DLQ_VALUE_SHA256,
)
from schemas.record_limits import KEPT_OCTETS
from schemas.topics import dlq_of
from shared.kafka.withheld import Withheld, headers_octets, kept_headers

Headers = tuple[tuple[str, bytes | None], ...]
"""Kafka allows null as a header's value, so a client's record may have it."""

TRACEPARENT = "traceparent"
TRACEPARENT_MAX: Final = 256
"""Octets. A trace context goes on with every record of its message; version 00 has 55."""

_TRACE_CONTEXT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]*)?"
)
"""W3C Trace Context, section 3.2: version, trace-id, parent-id, flags; what later versions append is passed on."""


class Out(NamedTuple):
    """A record to produce. `partition` None: placed by `partition_of(key)`, or in turn where there is no key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


class In(Protocol):
    """What the services read of a consumed record (aiokafka's ConsumerRecord has it)."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


def partition_of(key: bytes, count: int) -> int:
    """The partition of `key` in every topic that only our services write: CRC-32 (one C call per record).

    Topics that clients write are placed by their own client; see `murmur2_partition`.
    """
    return crc32(key) % count


def murmur2_partition(key: bytes, count: int) -> int:
    """The partition that Java's and most other clients choose by default."""
    return int((murmur2(key) & 0x7FFFFFFF) % count)


def traceparent_of(record: In) -> bytes | None:
    """The W3C trace context of a record; None for most.

    The header is the client's, so it may be anything, null or a megabyte: what is no trace context is left behind.
    """
    for name, value in record.headers:
        if name == TRACEPARENT:
            fits = value is not None and len(value) <= TRACEPARENT_MAX and _TRACE_CONTEXT.fullmatch(value)
            return value if fits else None
    return None


def trace_headers(record: In) -> Headers:
    """The trace context of a record as the headers of all that follows from it."""
    value = traceparent_of(record)
    return () if value is None else ((TRACEPARENT, value),)


def object_of(value: bytes | None) -> dict[str, Any]:
    """The JSON object in a record's value; an empty one for any other value: the record may be another program's."""
    try:
        record = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return {}
    return record if isinstance(record, dict) else {}


def dead_letter(record: In, *, reason: str, error: str, at_ms: int, service: str, field: str | None = None) -> Out:
    """`record` as it came, with the headers that say where it was, and why it could not be processed.

    `error` is a sentence for people. Of a record whose value was withheld, what there is of it; that is the reason.
    """
    value = record.value
    if isinstance(value, Withheld):
        reason, error, field = value.reason, value.error, None
    headers: Headers = (
        *((name, octets) for name, octets in record.headers if name not in DLQ_HEADERS),
        (DLQ_TOPIC, record.topic.encode()),
        (DLQ_PARTITION, str(record.partition).encode()),
        (DLQ_OFFSET, str(record.offset).encode()),
        (DLQ_TIMESTAMP_MS, str(record.timestamp).encode()),
        (DLQ_REASON, reason.encode()),
        (DLQ_FIELD, (field or "").encode()),
        (DLQ_ERROR, error[:1000].encode("utf-8", "replace")),
        (DLQ_AT_MS, str(at_ms).encode()),
        (DLQ_SERVICE, service.encode()),
    )
    if isinstance(value, Withheld):
        headers += _cut_headers(value.key_length, value.length, value.sha256)
        value = value.start
    return Out(dlq_of(record.topic), record.key, value, headers)


def _cut_headers(key_length: int, value_length: int, value_sha256: str) -> Headers:
    return (
        (DLQ_KEY_LENGTH, str(key_length).encode()),
        (DLQ_VALUE_LENGTH, str(value_length).encode()),
        (DLQ_VALUE_SHA256, value_sha256.encode()),
    )


def cut_to_fit(letter: Out, octets_max: int) -> Out:
    """A dead letter as it is, or cut where it has more than `octets_max` octets: its topic would refuse it for ever."""
    key, value, headers = letter.key or b"", letter.value or b"", letter.headers
    if len(key) + len(value) + headers_octets(headers) <= octets_max:
        return letter
    told = {name for name, _ in headers}
    own = tuple(header for header in headers if header[0] in DLQ_HEADERS)
    if DLQ_VALUE_LENGTH not in told:
        own += _cut_headers(len(key), len(value), sha256(value).hexdigest())
    others = kept_headers(header for header in headers if header[0] not in DLQ_HEADERS)
    return letter._replace(key=letter.key and key[:KEPT_OCTETS], value=value[:KEPT_OCTETS], headers=(*others, *own))


def dead_letter_of_mistake(record: In, error: Exception, *, at_ms: int, service: str) -> Out:
    """The dead letter of a record that a mistake of ours stumbled over: it must not stop those behind it.

    Log it too, with where it happened. It can be replayed to a version that knows better.
    """
    return dead_letter(record, reason="internal_error", error=repr(error), at_ms=at_ms, service=service)


def dead_letter_of_error(record: In, error: Exception, *, at_ms: int, service: str) -> Out:
    """The dead letter of a record that does not fit its schema: the first wrong field is named."""
    errors = getattr(error, "errors", None)
    field = None
    if callable(errors):
        first = errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
    return dead_letter(
        record,
        reason="invalid_record",
        error=str(error).replace("\n", " "),
        at_ms=at_ms,
        service=service,
        field=field,
    )
