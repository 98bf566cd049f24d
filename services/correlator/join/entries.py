"""Pure: the entries under one join key: read from a submit result, and as bytes in memory.

The bytes are the JSON array of `schemas.joins.JoinEntries.entries`: they cost a third of tuples, and the garbage
collector does not walk them.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from schemas.joins import ClosedEntry, EarlyEntry, FormatEntry, OpenEntry, SeenReceipt
from schemas.message_context import context_of, read_context
from schemas.submit_results import SubmitResult
from services.correlator.state.reading import FieldReader
from services.correlator.state.table import StateTable
from shared.kafka.records import In, traceparent_of

Entry: TypeAlias = OpenEntry | ClosedEntry | EarlyEntry | FormatEntry
Entries: TypeAlias = list[Entry]

_OPEN_MARK: Final = b'["open",'


def pack(entries: Entries) -> bytes:
    """The bytes to hold in memory."""
    return orjson.dumps([_packed(entry) for entry in entries])


def _packed(entry: Entry) -> tuple[Any, ...]:
    if isinstance(entry, OpenEntry):
        return (*entry[:-1], entry.context.members())
    return (*entry[:-1], tuple(entry.receipt)) if isinstance(entry, EarlyEntry) else tuple(entry)


def unpack(packed: bytes) -> Entries:
    """What `pack` packed; raises for anything else (the changelog is ours alone)."""
    return [_MAKERS[fields[0]](fields) for fields in orjson.loads(packed)]


def _open(fields: list[Any]) -> OpenEntry:
    fields[-1] = context_of(fields[-1])
    return OpenEntry._make(fields)


def _early(fields: list[Any]) -> EarlyEntry:
    fields[-1] = SeenReceipt._make(fields[-1])
    return EarlyEntry._make(fields)


_MAKERS: Final[dict[str, Callable[[list[Any]], Entry]]] = {
    "open": _open,
    "closed": ClosedEntry._make,
    "early": _early,
    "format": FormatEntry._make,
}


def entries_under(table: StateTable[Entries], key: bytes) -> Entries:
    """The entries under a join key, oldest first; where there is none, an empty list."""
    return table.get(key) or []


def may_be_open(packed: bytes) -> bool:
    """Whether an open entry is among the packed ones; a text in them that spells the mark may make it true too."""
    return _OPEN_MARK in packed


class Accepted(NamedTuple):
    """A submit result: the entry that it opens, and when the SMSC answered."""

    entry: OpenEntry
    answered_at_ms: int


def read_result(record: In) -> Accepted:
    """The segment in a record of `smsc.submit_results`; raises ValueError when the record does not fit its schema."""
    *own, answered_at_ms, members = _RESULT.read(record.value)
    traceparent = (traceparent_of(record) or b"").decode("ascii")
    return Accepted(OpenEntry._make(("open", *own, traceparent, read_context(members))), answered_at_ms)


_RESULT: Final = FieldReader(
    SubmitResult,
    {
        "deadline_at_ms": int,
        "route_no": int,
        "index": int,
        "attempt": int,
        "segments": int,
        "receipt_scope": str,
        "connector_id": str,
        "answered_at_ms": int,
        "context": list,
    },
)
"""First the fields of `OpenEntry`, in its order."""


NO_RECEIPT: Final = (-1, -1)


def closed_entry(entry: OpenEntry, final: str, receipt: tuple[int, int] = NO_RECEIPT) -> ClosedEntry:
    """What is kept of an entry whose end is written, by the receipt at that partition and offset."""
    return ClosedEntry(
        "closed",
        entry.deadline_at_ms,
        entry.message_id,
        entry.route_no,
        entry.segment_index,
        entry.attempt,
        entry.accepted_at_ms,
        final,
        entry.to,
        *receipt,
    )


ENTRIES_MAX: Final = 16
"""Under one join key. Beyond it (an SMSC that gives everything the same id) the oldest closed mark goes, which receipts
could not reach any more; when all are open the new entry lies apart, where no receipt finds it, until its deadline."""


def make_room(key: bytes, entries: Entries, name: tuple[str, int]) -> tuple[bytes, Entries]:
    """Where another entry goes when there are `ENTRIES_MAX`, and what lies there already."""
    closed = next((at for at, entry in enumerate(entries) if isinstance(entry, ClosedEntry)), None)
    if closed is None:
        return apart(key, name), []
    return key, entries[:closed] + entries[closed + 1 :]


def apart(key: bytes, name: tuple[str, int]) -> bytes:
    """A key that no receipt has."""
    return b"%b|%b/%d" % (key, name[0].encode(), name[1])


def has_name(entries: Entries, name: tuple[str, int]) -> bool:
    """Whether the segment (message_id, index) is among the entries."""
    return any(_name(entry) == name for entry in entries)


def _name(entry: Entry) -> tuple[str, int] | None:
    return None if isinstance(entry, EarlyEntry | FormatEntry) else (entry.message_id, entry.segment_index)
