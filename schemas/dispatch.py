"""Pure: `mt.dispatch.<connector>`: one record per segment, for the bind that owns the partition."""

from pydantic import Field

from schemas.wire import Lane, Wire


class Dispatch(Wire):
    """A segment to submit now. `id` = message_id/route_no/index/attempt names this dispatch and its answer.

    `message` (a `SegmentedMessage`, JSON, as it was when this run of it began) is on the first record of a run. All
    records of a run lie in one partition (a message that must move to another bind begins another run), so that a
    throttler that takes over rebuilds what is in flight partition by partition, from these records and their answers.
    """

    id: str
    message_id: str
    route_no: int
    run: int
    index: int
    attempt: int
    lane: Lane
    accepted_at_ms: int
    expires_at_ms: int
    spacing_us: int = Field(description="Least time between two submit_sm of this bind, microseconds")
    source_addr: str
    source_addr_ton: int
    source_addr_npi: int
    destination_addr: str
    dest_addr_ton: int
    dest_addr_npi: int
    esm_class: int
    data_coding: int
    registered_delivery: int
    send_validity: bool = True
    octets: str = Field(description="base64")
    tlvs: list[tuple[int, str]] = Field(default_factory=list)
    message: str | None = None
