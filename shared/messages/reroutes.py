"""Pure: a submission whose route ended unsent, back to ingress; for encoder and throttler alike."""

from typing import Any

import orjson

from schemas.statuses import FinalStatus
from schemas.submissions import Submission
from schemas.topics import MT_REROUTES
from shared.kafka.records import Headers, Out


def reroute_out(
    submission: Submission,
    *,
    queued: bool,
    status: FinalStatus,
    reason: str,
    occurred_at_ms: int,
    field: str | None = None,
    headers: Headers = (),
) -> Out:
    """The record of `mt.reroutes` (schemas/reroutes.py): `status` and `reason` end the message where no other connector
    is left. `queued`: a throttler has had it, on this route or an earlier one."""
    record: dict[str, Any] = {
        "schema_version": submission.CURRENT_VERSION,
        "route_no": submission.route_no,
        "context": submission.context.members(),
        "content": submission.content,
        "expires_at_ms": submission.expires_at_ms,
        "connector_id": submission.connector_id,
        "status": status,
        "reason": reason,
        "occurred_at_ms": occurred_at_ms,
    }
    optional = {"pinned": submission.pinned, "tried": submission.tried, "queued": queued, "field": field}
    record |= {name: value for name, value in optional.items() if value}
    return Out(MT_REROUTES, submission.context.message_id.encode(), orjson.dumps(record), headers)
