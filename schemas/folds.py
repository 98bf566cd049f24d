"""Pure: `correlator.folds`, changelog of the fold; key `message_id`; co-partitioned with mt.outcomes; compacted."""

from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from schemas.message_context import MessageContext, context_of_version_1
from schemas.outcomes import OutcomeWord
from schemas.wire import Wire

POSITIONS_KEY = b"positions"
"""Record key of a partition's input position; a message_id is a UUID."""


class SegmentOutcome(NamedTuple):
    """What one segment has come to; `outcome` `submitted` ends it only where the receipt wish is `none`."""

    segment_index: int
    outcome: OutcomeWord
    reason: str
    smsc_error: str
    occurred_at_ms: int


class OpenFold(NamedTuple):
    """A message of which some segments have an outcome; `submitted` lists the indexes known to be accepted."""

    kind: Literal["open"]
    route_no: int
    segments: int
    connector_id: str
    submitted: list[int]
    context: MessageContext
    outcomes: list[SegmentOutcome]


class ClosedFold(NamedTuple):
    """A message whose final is written: nothing else may end it. Forgotten at `forget_at_ms`."""

    kind: Literal["closed"]
    forget_at_ms: int
    route_no: int
    final: str


class FoldEntry(Wire):
    """Key `message_id`: the message's `entry`. Key `positions`: where the input was read to."""

    CURRENT_VERSION: ClassVar[int] = 2
    schema_version: int = 2
    entry: OpenFold | ClosedFold | None = None
    positions: dict[str, int] = Field(default_factory=dict, description="Next offset by input topic")

    @classmethod
    def from_earlier(cls, record: dict[str, Any]) -> dict[str, Any]:
        """Version 1 spelled the context's fields in the entry itself."""
        entry = record.get("entry")
        return record | {"entry": _open(entry) if entry and entry[0] == "open" else entry}


_OPEN_1 = (
    "kind",
    "message_id",
    "route_no",
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
    "submitted",
    "outcomes",
)


def _open(entry: list[Any]) -> list[Any]:
    named = dict(zip(_OPEN_1, entry, strict=True))
    named["context"] = context_of_version_1(named)
    return [named[name] for name in OpenFold._fields]
