"""Pure: `mt.dispatch.<connector>`: one record per segment, for the bind that owns the partition.

The record is an envelope that is the same for every kind of connector, and the payload of the kind inside. Version 1
knew one kind and had its fields in the envelope; `Dispatch.from_earlier` makes it version 2.
"""

from typing import Any, ClassVar, Final

from pydantic import Field

from schemas.payloads.smpp import SmppPayload
from schemas.wire import Int64, Lane, Wire

SPACING_MAX_US: Final = 1_000_000
"""One a second: a bind that has work has at least one of its connector's `tps`."""


class _Envelope(Wire):
    id: str
    message_id: str
    route_no: Int64
    run: Int64
    index: Int64
    attempt: Int64
    lane: Lane
    accepted_at_ms: Int64
    expires_at_ms: Int64
    spacing_us: int = Field(
        ge=1, le=SPACING_MAX_US, description="Least time between two submits of this bind, microseconds"
    )
    message: str | None = None


class Dispatch(_Envelope):
    """A segment to submit now. `id` = message_id/route_no/index/attempt names this dispatch and its answer.

    `message` (a `SegmentedMessage`, JSON, as it was when this stay began) is on the first record of a stay. All records
    of a stay lie in one partition (a message that must move to another bind begins another stay), so that a throttler
    that takes over rebuilds what is in flight partition by partition, from these records and their answers. `payload`
    is for the binder alone: a record of `schemas.payloads`, by `kind`.
    """

    CURRENT_VERSION: ClassVar[int] = 2
    schema_version: int = 2
    kind: str
    payload: dict[str, Any]

    @classmethod
    def from_earlier(cls, record: dict[str, Any]) -> dict[str, Any]:
        """Version 1 had the fields of the payload among its own."""
        fields = _DispatchV1.model_validate(record).model_dump(exclude={"schema_version"}, exclude_unset=True)
        payload = {name: fields.pop(name) for name in SmppPayload.model_fields if name in fields}
        return fields | {"kind": "smpp", "payload": payload}


class _DispatchV1(_Envelope, SmppPayload):
    """The payload was part of the record, and every connector of kind `smpp`."""
