"""Pure: identities. Every id is a function of what it names, so a replay yields the same one and repeats collapse."""

import uuid
from hashlib import blake2b


def derived_id(at_ms: int, *parts: str | int) -> str:
    """A UUIDv7-shaped id (RFC 9562): the time `at_ms` (milliseconds, 48 bits) and a 72-bit hash of `parts`.

    The same arguments give the same id, on every machine and version. Parts are joined by a unit separator, so
    ("ab", "c") and ("a", "bc") differ; 1 and "1" do not.
    """
    text = "\x1f".join([part if part.__class__ is str else str(part) for part in parts])
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=9).hexdigest()
    time = "%012x" % (at_ms & 0xFFFF_FFFF_FFFF)  # quicker than a format specification
    return f"{time[:8]}-{time[8:]}-7{digest[:3]}-8{digest[3:6]}-{digest[6:]}"


def accepted_at_ms_of(message_id: str) -> int:
    """The time in a message id. Raises ValueError for what is none."""
    return uuid.UUID(message_id).int >> 80


def message_id_of(timestamp_ms: int, topic: str, partition: int, offset: int) -> str:
    """The identity of a request: a function of its record's place and LogAppendTime."""
    return derived_id(timestamp_ms, topic, partition, offset)


def status_id_of(accepted_at_ms: int, message_id: str, change: str) -> str:
    """The identity of a status record: one per message and change, which is the status' word; `scheduled` may come
    again."""
    return derived_id(accepted_at_ms, "status", message_id, change)
