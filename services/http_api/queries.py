"""Pure: what reads ask of ClickHouse, and how a row is told to a client. Every query is held to one account."""

# ruff: noqa: S608 - only names of ours are put into queries

from typing import Any, Final
from uuid import UUID

from services.http_api.access import rfc3339
from services.http_api.intake import shown

_COLUMNS: Final = """
    toString(message_id) AS id, account_id, campaign_id, `to`, sender, lane, status, final, reason, segments,
    segments_delivered, toUnixTimestamp64Milli(accepted_at) AS accepted_ms,
    toUnixTimestamp64Milli(submitted_at) AS submitted_ms, toUnixTimestamp64Milli(finished_at) AS finished_ms
"""
ONE_MESSAGE: Final = f"""
SELECT {_COLUMNS} FROM sms.message_state WHERE message_id = {{id:UUID}} AND account_id = {{account:String}}
"""
WHOSE: Final = """
SELECT account_id = {account:String} AS own FROM sms.message_log WHERE message_id = {id:UUID} AND account_id != ''
"""
EVENTS: Final = """
SELECT event, toUnixTimestamp64Milli(occurred_at) AS at_ms, segment_index, connector_id, reason, detail
FROM sms.events WHERE message_id = {id:UUID}
ORDER BY occurred_at, event = 'status', segment_index, attempt
LIMIT 10000
"""
DROPPED_REPEAT: Final = """
SELECT toString(message_id) AS first_id FROM sms.events
WHERE event = 'duplicate' AND account_id = {account:String} AND detail = {detail:String}
  AND accepted_at >= fromUnixTimestamp64Milli({at_ms:Int64} - 90000000)
  AND accepted_at <= fromUnixTimestamp64Milli({at_ms:Int64} + 3600000)
LIMIT 1
"""
"""A repeat has no row of its own: it is an event of the first message, which came within 25 h before it."""
CAMPAIGN: Final = """
SELECT status, count() AS messages FROM sms.message_state
WHERE account_id = {account:String} AND campaign_id = {campaign:String} GROUP BY status
"""

FILTERS: Final = {
    "to": "`to` = {to:String}",
    "from": "sender = {from:String}",
    "lane": "lane = {lane:String}",
    "campaign_id": "campaign_id = {campaign_id:String}",
    "status": "has({status:Array(String)}, status)",
    "since": "accepted_at >= fromUnixTimestamp64Milli({since:Int64})",
    "until": "accepted_at < fromUnixTimestamp64Milli({until:Int64})",
    "cursor": "toUInt128(message_id) < {cursor:UInt128} AND accepted_at <= fromUnixTimestamp64Milli({cursor_ms:Int64})",
}


def messages_query(names: frozenset[str]) -> str:
    """The query of a list with these filters. An id begins with the time of acceptance, so their order is both."""
    conditions = ["account_id = {account:String}", *(FILTERS[name] for name in FILTERS if name in names)]
    where = " AND ".join(conditions)
    return (
        f"SELECT {_COLUMNS} FROM sms.message_state WHERE {where} "
        "ORDER BY toUInt128(message_id) DESC LIMIT {limit:UInt32}"
    )


def told_message(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a message as clients see it; what is not there is absent."""
    told: dict[str, Any] = {"message_id": row["id"], "status": row["status"], "final": bool(row["final"])}
    if row["reason"]:
        told["reason"] = row["reason"]
    told |= {
        "to": shown(row["to"]),
        "from": shown(row["sender"]),
        "lane": row["lane"],
        "segments": row["segments"],
        "segments_delivered": row["segments_delivered"],
    }
    if row["campaign_id"]:
        told["campaign_id"] = row["campaign_id"]
    told["accepted_at"] = rfc3339(row["accepted_ms"])
    for name in ("submitted", "finished"):
        if row[f"{name}_ms"] is not None:
            told[f"{name}_at"] = rfc3339(row[f"{name}_ms"])
    return told


def told_event(row: dict[str, Any]) -> dict[str, Any]:
    """One step of a message."""
    told: dict[str, Any] = {"event": row["event"], "at": rfc3339(row["at_ms"])}
    return told | {name: row[name] for name in ("segment_index", "connector_id", "reason", "detail") if row[name]}


def duplicate_detail(message_id: str) -> str:
    """What the event of a dropped repeat says (`services.ingress.outputs.duplicate_event`)."""
    return f"a repeat was dropped: {message_id}"


def message_uuid(text: str) -> UUID | None:
    """An id, with or without dashes; None for what is none."""
    plain = text.replace("-", "") if len(text) == 36 else text
    if len(plain) != 32 or not all(digit in "0123456789abcdefABCDEF" for digit in plain):
        return None
    return UUID(plain)
