"""Pure: `correlator.joins`, changelog of the join; co-partitioned with submit_results and receipts; compacted.

One record holds everything known under one join key, so that a receipt that came first and the result it waits for are
one overwrite, and a restore is a plain read. Entries are arrays: millions of open ones are held in memory as they are
here, closed marks in fewer octets still.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from schemas.message_context import MessageContext, context_of_version_1
from schemas.outcomes import OutcomeWord
from schemas.wire import KnownFormat, ReceiptScope, Wire

POSITIONS_KEY = b"positions"
"""Record key of a partition's input positions; a join key always has a `|`."""


class OpenEntry(NamedTuple):
    """An accepted segment that waits for its receipt, with all that its status will need."""

    kind: Literal["open"]
    deadline_at_ms: int
    route_no: int
    segment_index: int
    attempt: int
    segments: int
    receipt_scope: ReceiptScope
    connector_id: str
    traceparent: str
    context: MessageContext

    @property
    def message_id(self) -> str:
        return self.context.message_id

    @property
    def accepted_at_ms(self) -> int:
        return self.context.accepted_at_ms

    @property
    def to(self) -> str:
        return self.context.to


class ClosedEntry(NamedTuple):
    """A segment whose end is written; kept until one day after its deadline to recognise what comes late.

    `receipt_partition` and `receipt_offset` say which receipt ended it, in `smsc.receipts`; -1 where none did.
    """

    kind: Literal["closed"]
    deadline_at_ms: int
    message_id: str
    route_no: int
    segment_index: int
    attempt: int
    accepted_at_ms: int
    final: str
    to: str
    receipt_partition: int
    receipt_offset: int


class SeenReceipt(NamedTuple):
    """A receipt, already read. `status` is empty where its word is not an end.

    `partition` and `offset` are those of its record in `smsc.receipts`, `record_at_ms` the record's LogAppendTime, by
    which deadlines go. `notification`: esm_class says intermediate notification, and only that. Ids are as the SMSC
    wrote them; `smsc_message_id` is the one that it was filed under. `raw` is the record itself, as JSON text.
    """

    partition: int
    offset: int
    record_at_ms: int
    received_at_ms: int
    connector_id: str
    smsc_message_id: str
    id_in_tlv: str
    id_in_text: str
    source_addr: str
    word: str
    status: OutcomeWord | Literal[""]
    reason: str
    smsc_error: str
    notification: bool
    detail: str
    raw: str


class EarlyEntry(NamedTuple):
    """A receipt whose submit result is not known yet.

    It may lie under several keys, where it is not known how its id is written in responses: only the `first` of them is
    told of, after minutes (`told`) and when it is given up.
    """

    kind: Literal["early"]
    forget_at_ms: int
    first: bool
    told: bool
    receipt: SeenReceipt


class FormatEntry(NamedTuple):
    """What was learned of a provider's ids, under a key that no receipt has. Counts of matches fade as they grow.

    `format` is "" until enough of them agree.
    """

    kind: Literal["format"]
    format: KnownFormat | Literal[""]
    counts: dict[str, int]


class JoinEntries(Wire):
    """Key `provider|smsc_id`: the entries under it, oldest first. Key `positions`: where the inputs were read to."""

    CURRENT_VERSION: ClassVar[int] = 3
    schema_version: int = 3
    entries: list[OpenEntry | ClosedEntry | EarlyEntry | FormatEntry] = Field(default_factory=list)
    positions: dict[str, int] = Field(default_factory=dict, description="Next offset by input topic")

    @classmethod
    def from_earlier(cls, record: dict[str, Any]) -> dict[str, Any]:
        """Version 1 spelled the context's fields, and the receipt's, in the entry itself. Version 2 had no scope, no
        number in closed entries, and of a receipt less than is known today."""
        entries = record.get("entries", ())
        if record.get("schema_version", 1) < 2:
            entries = [_UPGRADES_1[entry[0]](entry) for entry in entries]
        return record | {"entries": [_UPGRADES_2[entry[0]](entry) for entry in entries]}


_OPEN_1 = (
    "kind",
    "deadline_at_ms",
    "message_id",
    "route_no",
    "segment_index",
    "attempt",
    "accepted_at_ms",
    "segments",
    "receipt",
    "account_id",
    "idempotency_key",
    "to",
    "sender",
    "country",
    "lane",
    "encoding",
    "connector_id",
    "metadata",
    "traceparent",
)
_OPEN_2 = (
    "kind",
    "deadline_at_ms",
    "route_no",
    "segment_index",
    "attempt",
    "segments",
    "connector_id",
    "traceparent",
    "context",
)
_SEEN_2 = (
    "offset",
    "record_at_ms",
    "received_at_ms",
    "connector_id",
    "smsc_message_id",
    "word",
    "status",
    "reason",
    "smsc_error",
    "notification",
    "detail",
)


def _open_1(entry: list[Any]) -> list[Any]:
    named = dict(zip(_OPEN_1, entry, strict=True))
    named["context"] = context_of_version_1(named)
    return [named[name] for name in _OPEN_2]


def _early_1(entry: list[Any]) -> list[Any]:
    return [*entry[:2], entry[2:]]


_UPGRADES_1: dict[str, Callable[[list[Any]], list[Any]]] = {"open": _open_1, "closed": list, "early": _early_1}


def _open_2(entry: list[Any]) -> list[Any]:
    named = dict(zip(_OPEN_2, entry, strict=True)) | {"receipt_scope": "segment"}
    return [named[name] for name in OpenEntry._fields]


def _closed_2(entry: list[Any]) -> list[Any]:
    return [*entry, "", -1, -1]


def _early_2(entry: list[Any]) -> list[Any]:
    kind, forget_at_ms, seen = entry
    named = dict.fromkeys(SeenReceipt._fields, "") | dict(zip(_SEEN_2, seen, strict=True))
    named |= {"partition": -1, "id_in_text": named["smsc_message_id"]}
    return [kind, forget_at_ms, True, False, [named[name] for name in SeenReceipt._fields]]


_UPGRADES_2: dict[str, Callable[[list[Any]], list[Any]]] = {"open": _open_2, "closed": _closed_2, "early": _early_2}
