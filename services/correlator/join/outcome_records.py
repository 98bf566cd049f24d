"""Pure: what one segment of a longer message came to, as a record of `mt.outcomes`."""

from typing import Any

import orjson

from schemas.joins import OpenEntry
from schemas.outcomes import Outcome, OutcomeWord
from schemas.topics import MT_OUTCOMES
from shared.kafka.records import Headers, Out


def outcome_out(
    entry: OpenEntry,
    outcome: OutcomeWord,
    *,
    occurred_at_ms: int,
    reason: str = "",
    smsc_error: str = "",
    headers: Headers = (),
) -> Out:
    """The outcome of the segment `entry`, for the fold (schemas/outcomes.py)."""
    record: dict[str, Any] = {
        "schema_version": Outcome.CURRENT_VERSION,
        "context": entry.context.members(),
        "route_no": entry.route_no,
        "connector_id": entry.connector_id,
        "segments": entry.segments,
        "index": entry.segment_index,
        "attempt": entry.attempt,
        "outcome": outcome,
        "occurred_at_ms": occurred_at_ms,
    }
    optional = {
        "reason": reason,
        "smsc_error": smsc_error,
        "receipt_scope": entry.receipt_scope if entry.receipt_scope != "segment" else "",
    }
    record.update((name, value) for name, value in optional.items() if value)
    return Out(MT_OUTCOMES, entry.message_id.encode(), orjson.dumps(record), headers)
