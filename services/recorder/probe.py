"""Pure: the probe: a row that every well server takes, for the question whether rows or the server are at fault.

It goes the way of the rows in question: the same table, the same views behind it, the same settings, the partition of
the first of them, and more octets than any one of them. Every column has a value of its type, so a table of another
shape refuses it too. All probes of a partition are one row after a merge, under an id that no message has, and the
views that analysts read leave it out (schemas/clickhouse/0008_probe.sql).
"""

from base64 import b64encode
from hashlib import shake_256
from typing import Final
from uuid import UUID

import orjson

from services.recorder.rows import is_near

PROBE_ID: Final = "00000000-0000-0000-0000-000000000001"
"""Message and event id: of the year 1970, so it is the first of every partition."""
PADDING: Final = 1.5
"""Letters of padding for an octet of the rows': base64, which a codec packs by a quarter; rows may be packed worse."""


def probe_row(at_ms: int, octets: int = 0) -> bytes:
    """The probe for the partition of the time `at_ms`, longer than rows of `octets`, also when both are packed."""
    letters = int(octets * PADDING)
    padding = b64encode(shake_256(b"probe").digest(letters))[:letters].decode()
    return orjson.dumps(_COLUMNS | {"occurred_at_ms": at_ms, "accepted_at_ms": at_ms, "detail": padding})


_COLUMNS: Final[dict[str, object]] = {
    "event_id": PROBE_ID,
    "message_id": PROBE_ID,
    "segment_index": 0,  # the views of segments begin with 1
    "attempt": 0,
    "event": "probe",
    "service": "recorder",
    "instance": "probe",
    "connector_id": "probe",
    "reason": "probe",
    "field": "probe",
    "account_id": "probe",
    "idempotency_key": "probe",
    "campaign_id": "probe",
    "to": "probe",
    "sender": "probe",
    "country": "probe",
    "lane": "probe",
    "encoding": "probe",
    "segments": 1,
    "segments_delivered": 1,
    "route_no": 1,
    "status": "probe",
    "final": False,
    "smsc_message_id": "probe",
    "smsc_error": "probe",
    "command_status": 1,
    "latency_ms": 1,
    "deadline_at_ms": 1,
}


def partition_time_ms(value: bytes, recorded_at_ms: int) -> int:
    """The time by which the tables choose the partition of an event; that of its record where it has no sane one."""
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError:
        return recorded_at_ms
    if not isinstance(event, dict):
        return recorded_at_ms
    accepted_at_ms = event.get("accepted_at_ms")
    if accepted_at_ms is None:
        accepted_at_ms = _time_in(event.get("message_id"))
    at_ms = accepted_at_ms or event.get("occurred_at_ms")
    return at_ms if isinstance(at_ms, int) and is_near(at_ms, recorded_at_ms) else recorded_at_ms


def _time_in(message_id: object) -> int:
    """The default of the column `accepted_at_ms`: the first 48 bits of the message's id."""
    try:
        return UUID(str(message_id)).int >> 80
    except ValueError:
        return 0
