"""Pure: the entries under one join key: read from a submit result, and as bytes in memory.

The bytes are the JSON array of `schemas.joins.JoinEntries.entries`: they cost a third of tuples, and the garbage
collector does not walk them.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeAlias, get_args

import orjson

from schemas.joins import ClosedEntry, EarlyEntry, OpenEntry
from schemas.submit_results import SubmitResult
from schemas.wire import ReceiptWish
from services.correlator.state.reading import FieldReader
from shared.kafka.records import In, traceparent_of

Entry: TypeAlias = OpenEntry | ClosedEntry | EarlyEntry
Entries: TypeAlias = list[Entry]

_OPEN_MARK: Final = b'["open",'
_MAKERS: Final[dict[str, Callable[[Iterable[Any]], Entry]]] = {
    "open": OpenEntry._make,
    "closed": ClosedEntry._make,
    "early": EarlyEntry._make,
}


def pack(entries: Entries) -> bytes:
    """The bytes to hold in memory."""
    return orjson.dumps([tuple(entry) for entry in entries])


def unpack(packed: bytes) -> Entries:
    """What `pack` packed; raises for anything else (the changelog is ours alone)."""
    return [_MAKERS[fields[0]](fields) for fields in orjson.loads(packed)]


def may_be_open(packed: bytes) -> bool:
    """Whether an open entry is among the packed ones; a text in them that spells the mark may make it true too."""
    return _OPEN_MARK in packed


class Accepted(NamedTuple):
    """A submit result: the entry that it opens, and when the SMSC answered."""

    entry: OpenEntry
    answered_at_ms: int


def read_result(record: In) -> Accepted:
    """The segment in a record of `smsc.submit_results`; raises ValueError when the record does not fit its schema."""
    values = _RESULT.read(record.value)
    traceparent = (traceparent_of(record) or b"").decode("ascii")
    return Accepted(OpenEntry._make(("open", *values[:-1], traceparent)), values[-1])


def _known_wish(values: tuple[Any, ...]) -> bool:
    return values[_WISH] in _WISHES


_FIELDS: Final[dict[str, type]] = {
    "deadline_at_ms": int,
    "message_id": str,
    "route_no": int,
    "index": int,
    "attempt": int,
    "accepted_at_ms": int,
    "segments": int,
    "receipt": str,
    "account_id": str,
    "idempotency_key": str,
    "to": str,
    "sender": str,
    "country": str,
    "lane": str,
    "encoding": str,
    "connector_id": str,
    "metadata": dict,
    "answered_at_ms": int,
}
"""In the order of `OpenEntry`, from its second field on."""

_WISH: Final = list(_FIELDS).index("receipt")
_WISHES: Final = frozenset(get_args(ReceiptWish))
_RESULT: Final = FieldReader(SubmitResult, _FIELDS, _known_wish)


def closed_entry(entry: OpenEntry, final: str) -> ClosedEntry:
    """What is kept of an entry whose end is written."""
    return ClosedEntry(
        "closed",
        entry.deadline_at_ms,
        entry.message_id,
        entry.route_no,
        entry.segment_index,
        entry.attempt,
        entry.accepted_at_ms,
        final,
    )
