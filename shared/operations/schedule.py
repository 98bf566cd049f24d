"""Edge: what waits for its time, from ClickHouse."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from schemas.requests import rfc3339_ms
from shared.operations.clickhouse_access import clickhouse, clickhouse_errors
from shared.operations.errors import Invalid
from shared.process.settings import ClickHouseSettings

_WAITING: Final = """
SELECT toString(message_id), account_id, toUnixTimestamp64Milli(assumeNotNull(send_at)) AS at_ms, why, campaign_id
FROM sms.scheduled_messages
WHERE ({account:String} = '' OR account_id = {account:String})
  AND ({until_ms:Int64} = 0 OR toUnixTimestamp64Milli(assumeNotNull(send_at)) <= {until_ms:Int64})
ORDER BY at_ms, message_id
"""


async def read_schedule(settings: ClickHouseSettings, account: str = "", until: str = "") -> list[dict[str, Any]]:
    """Everything that waits, the next to go first; of `account`, and to go at `until` (RFC 3339) or before, if given.

    Raises `Invalid`, `Unreachable`.
    """
    until_ms = rfc3339_ms(until) if until else 0
    if until_ms is None:
        raise Invalid(f"{until!r} is no RFC 3339 time with a zone, as 2026-07-01T12:00:00Z is one")
    return await asyncio.to_thread(lambda: list(_read(settings, account, until_ms or 0)))


def _read(settings: ClickHouseSettings, account: str, until_ms: int) -> Iterator[dict[str, Any]]:
    client = clickhouse(settings)
    try:
        with clickhouse_errors(settings):
            found = client.query(_WAITING, {"account": account, "until_ms": until_ms}).result_rows
    finally:
        client.close()
    for message_id, account_id, at_ms, why, campaign_id in found:
        send_at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        yield {
            "message_id": message_id,
            "account_id": account_id,
            "send_at": send_at.replace("+00:00", "Z"),
            "why": why,
            "campaign_id": campaign_id,
        }
