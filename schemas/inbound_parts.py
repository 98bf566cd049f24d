"""Pure: `correlator.inbound`, changelog of messages from handsets; co-partitioned with smsc.inbound; compacted.

A JSON array is the key. `[provider, from, to, reference, total]`: the messages whose parts came under that reference,
oldest first. `["redelivery", digest]`: a message that the SMSC itself names. `["replies", number]`: automatic replies
to a handset. Entries are arrays, as they are held in memory.
"""

from typing import Literal, NamedTuple, TypeAlias

from pydantic import Field

from schemas.wire import Wire

POSITIONS_KEY = b"positions"
"""Record key of a partition's input position; every other key is an array."""


class HeldPart(NamedTuple):
    """One part as it was read: its `number` counts from 1, `octets` is base64 of the user data in `alphabet`."""

    number: int
    data_coding: int
    alphabet: str
    locking_shift: int
    single_shift: int
    octets: str
    oddities: str


class HeldMessage(NamedTuple):
    """A message of which parts are missing. `told` counts the parts that the public knows already.

    At `due_at_ms` what is there is told; if it was told before, the message is forgotten. Connector, time and mo_id are
    those of the part that came first.
    """

    kind: Literal["held"]
    due_at_ms: int
    mo_id: str
    received_at_ms: int
    connector_id: str
    told: int
    traceparent: str
    parts: list[HeldPart]


class WholeMark(NamedTuple):
    """A message that was told whole: 12 hexadecimal digits for each part, to recognise what is delivered again."""

    kind: Literal["whole"]
    due_at_ms: int
    digests: str


class RedeliveryMark(NamedTuple):
    """The `mo_id` that a message got when it was delivered first."""

    kind: Literal["redelivery"]
    due_at_ms: int
    mo_id: str


class RepliesMark(NamedTuple):
    """Automatic replies to a handset: when the last one went, and how many since it was silent for an hour."""

    kind: Literal["replies"]
    due_at_ms: int
    last_at_ms: int
    in_a_row: int


InboundEntry: TypeAlias = HeldMessage | WholeMark | RedeliveryMark | RepliesMark


class InboundEntries(Wire):
    """Key: see above. Key `positions`: where the input was read to."""

    entries: list[InboundEntry] = Field(default_factory=list)
    positions: dict[str, int] = Field(default_factory=dict, description="Next offset by input topic")
