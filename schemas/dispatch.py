"""Pure: `mt.dispatch.<connector>`: one record per segment, for the bind that owns the partition."""

from typing import Final

from pydantic import Field

from schemas.wire import Int64, Lane, Wire

SPACING_MAX_US: Final = 1_000_000
"""One a second: a bind that has work has at least one of its connector's `tps`."""


class Dispatch(Wire):
    """A segment to submit now. `id` = message_id/route_no/index/attempt names this dispatch and its answer.

    `message` (a `SegmentedMessage`, JSON, as it was when this run of it began) is on the first record of a run. All
    records of a run lie in one partition (a message that must move to another bind begins another run), so that a
    throttler that takes over rebuilds what is in flight partition by partition, from these records and their answers.
    """

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
        ge=1, le=SPACING_MAX_US, description="Least time between two submit_sm of this bind, microseconds"
    )
    source_addr: str
    source_addr_ton: Int64
    source_addr_npi: Int64
    destination_addr: str
    dest_addr_ton: Int64
    dest_addr_npi: Int64
    esm_class: Int64
    data_coding: Int64
    registered_delivery: Int64
    send_validity: bool = True
    octets: str = Field(description="base64")
    tlvs: list[tuple[Int64, str]] = Field(default_factory=list)
    message: str | None = None
