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
from schemas.wire import Wire

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
    connector_id: str
    traceparent: str
    context: MessageContext

    @property
    def message_id(self) -> str:
        return self.context.message_id

    @property
    def accepted_at_ms(self) -> int:
        return self.context.accepted_at_ms


class ClosedEntry(NamedTuple):
    """A segment whose end is written; kept until one day after its deadline to recognise what comes late."""

    kind: Literal["closed"]
    deadline_at_ms: int
    message_id: str
    route_no: int
    segment_index: int
    attempt: int
    accepted_at_ms: int
    final: str


class SeenReceipt(NamedTuple):
    """A receipt, already read. `status` is empty where its word is not an end.

    `record_at_ms` is the record's LogAppendTime, which deadlines go by. `notification`: esm_class says intermediate
    notification, and only that. `smsc_message_id` is as the SMSC wrote it.
    """

    offset: int
    record_at_ms: int
    received_at_ms: int
    connector_id: str
    smsc_message_id: str
    word: str
    status: OutcomeWord | Literal[""]
    reason: str
    smsc_error: str
    notification: bool
    detail: str


class EarlyEntry(NamedTuple):
    """A receipt whose submit result is not known yet."""

    kind: Literal["early"]
    forget_at_ms: int
    receipt: SeenReceipt


class JoinEntries(Wire):
    """Key `provider|smsc_id`: the entries under it, oldest first. Key `positions`: where the inputs were read to."""

    CURRENT_VERSION: ClassVar[int] = 2
    schema_version: int = 2
    entries: list[OpenEntry | ClosedEntry | EarlyEntry] = Field(default_factory=list)
    positions: dict[str, int] = Field(default_factory=dict, description="Next offset by input topic")

    @classmethod
    def from_earlier(cls, record: dict[str, Any]) -> dict[str, Any]:
        """Version 1 spelled the context's fields, and the receipt's, in the entry itself."""
        return record | {"entries": [_UPGRADES[entry[0]](entry) for entry in record.get("entries", ())]}


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


def _open(entry: list[Any]) -> list[Any]:
    named = dict(zip(_OPEN_1, entry, strict=True))
    named["context"] = context_of_version_1(named)
    return [named[name] for name in OpenEntry._fields]


def _early(entry: list[Any]) -> list[Any]:
    return [*entry[:2], entry[2:]]


_UPGRADES: dict[str, Callable[[list[Any]], list[Any]]] = {"open": _open, "closed": list, "early": _early}
