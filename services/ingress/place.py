"""Pure: where a request was first written, which is what its identity is made of.

A record that ingress moved to the partition of its idempotency key carries its first place and time in headers. They
are headers like any client's, so they are believed only on a record that can be such a copy (`can_be_copy`).

A replayed dead letter is a new record with an identity of its own; it says when the first one was accepted. A client
that claims so makes its own message older by some days, and nothing else.
"""

from typing import Final, NamedTuple

from schemas.dead_letters import ORIGIN_OFFSET, ORIGIN_PARTITION, ORIGIN_TIMESTAMP_MS, REPLAYED_FROM
from shared.kafka.records import Headers, In, murmur2_partition, trace_headers
from shared.messages.admission import Admission, Admitted
from shared.messages.ids import message_id_of
from shared.messages.request_key import home_key

_ORIGIN: Final = frozenset({ORIGIN_PARTITION, ORIGIN_OFFSET, ORIGIN_TIMESTAMP_MS})
_TELLING: Final = _ORIGIN | {REPLAYED_FROM}

MOVED_AGE_MAX_MS: Final = 4 * 24 * 3_600_000
"""No true origin is older: requests are kept for three days."""


class RequestPlace(NamedTuple):
    """First place of a request. `moved` = its record says that it is the copy that ingress wrote."""

    partition: int
    offset: int
    timestamp_ms: int
    moved: bool = False

    def message_id(self, topic: str) -> str:
        return message_id_of(self.timestamp_ms, topic, self.partition, self.offset)


def own_place(record: In) -> RequestPlace:
    """Where `record` lies, whatever its headers say."""
    return RequestPlace(record.partition, record.offset, record.timestamp)


def place_of(record: In) -> RequestPlace:
    """The first place of `record` as its headers tell it. Headers that cannot be an origin count as absent."""
    if record.headers:
        origin = {name: value for name, value in record.headers if name in _TELLING}
        if len(origin.keys() & _ORIGIN) == len(_ORIGIN):
            partition, offset, timestamp_ms = (
                _whole(origin[name]) for name in (ORIGIN_PARTITION, ORIGIN_OFFSET, ORIGIN_TIMESTAMP_MS)
            )
            if partition >= 0 and offset >= 0 and _can_be_older(record, timestamp_ms):
                return RequestPlace(partition, offset, timestamp_ms, True)
        elif REPLAYED_FROM in origin and ORIGIN_TIMESTAMP_MS in origin:
            timestamp_ms = _whole(origin[ORIGIN_TIMESTAMP_MS])
            if _can_be_older(record, timestamp_ms):
                return RequestPlace(record.partition, record.offset, timestamp_ms)
    return own_place(record)


def _can_be_older(record: In, timestamp_ms: int) -> bool:
    return 0 <= record.timestamp - timestamp_ms <= MOVED_AGE_MAX_MS


def can_be_copy(record: In, place: RequestPlace, request: Admission, partitions: int) -> bool:
    """Whether ingress may have written `record`: a good request with a key, from another partition, under the record
    key and in the partition that belong to its idempotency key."""
    if not isinstance(request, Admitted) or request.idempotency_key is None or place.partition == record.partition:
        return False
    key = home_key(request.account_id, request.idempotency_key)
    return record.key == key and place.partition < partitions and murmur2_partition(key, partitions) == record.partition


def home_partition(account_id: str, idempotency_key: str, partitions: int) -> int:
    """Where the records of a key belong: what a client's default partitioner makes of the record key `account:key`."""
    return murmur2_partition(home_key(account_id, idempotency_key), partitions)


def headers_of_copy(record: In, place: RequestPlace) -> Headers:
    """The headers of a moved record: its trace context, and its first place and time.

    Others mean nothing to us, and together they may be as large as a record.
    """
    return (
        *trace_headers(record),
        (ORIGIN_PARTITION, str(place.partition).encode()),
        (ORIGIN_OFFSET, str(place.offset).encode()),
        (ORIGIN_TIMESTAMP_MS, str(place.timestamp_ms).encode()),
    )


def _whole(value: bytes | None) -> int:
    """A decimal number of at most 18 digits; -1 for anything else."""
    return int(value) if value and len(value) <= 18 and value.isdigit() else -1
