"""Pure: the entries under one join key, as bytes in memory.

They are the JSON array of `schemas.joins.JoinEntries.entries`: bytes cost a third of tuples, and the garbage collector
does not walk them.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import orjson

from schemas.joins import ClosedEntry, EarlyEntry, OpenEntry
from schemas.submit_results import SubmitResult

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


def open_entry(result: SubmitResult, traceparent: str) -> OpenEntry:
    """The entry of an accepted segment."""
    return OpenEntry(
        "open",
        result.deadline_at_ms,
        result.message_id,
        result.route_no,
        result.index,
        result.attempt,
        result.accepted_at_ms,
        result.segments,
        result.receipt,
        result.account_id,
        result.idempotency_key or "",
        result.to,
        result.sender,
        result.country,
        result.lane,
        result.encoding,
        result.connector_id,
        result.metadata,
        traceparent,
    )


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
