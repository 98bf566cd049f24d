"""Pure: how large a record may be, unpacked, and what is kept of one that is larger."""

from typing import Final

from schemas.kafka_prefix import KAFKA_PREFIX

RECORD_OCTETS_MAX: Final = 1 << 20
"""Octets of a record's key, value and headers together, in any topic that carries messages."""

RECORD_HEADERS_MAX: Final = 1_000
"""Headers of a record: an empty one is two octets in a batch and many times that in memory."""

OWN_RECORD_HEADERS_MAX: Final = 2_000
"""The same of what we write: a dead letter has those of its record and our own."""

OWN_RECORD_OCTETS_MAX: Final = 16 << 20
"""Octets where operators or our own state need more: a configuration, a join; a dead letter is a record and more."""

KEPT_OCTETS: Final = 4_096
"""What is kept of the value, of the key and of the headers of a record that is too large: so many octets of each."""

KEPT_HEADERS: Final = 100

WIRE_OCTETS_MAX: Final = 1_048_588
"""`max.message.bytes` of public topics, for a batch as it lies in the log: Kafka's default, if not the cluster's."""

_OWN: Final = (f"{KAFKA_PREFIX}config.", f"{KAFKA_PREFIX}correlator.")


def record_maxima(topic: str) -> tuple[int, int]:
    """The octets and the headers that a record of a (concrete) topic may have."""
    if topic.startswith(_OWN) or topic.endswith(".dlq"):
        return OWN_RECORD_OCTETS_MAX, OWN_RECORD_HEADERS_MAX
    return RECORD_OCTETS_MAX, RECORD_HEADERS_MAX
