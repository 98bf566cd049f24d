"""Edge: which messages have ended, from both who know: `mt.statuses` (7 days) and ClickHouse (longer)."""

import asyncio
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from aiokafka import ConsumerRecord

from schemas.statuses import Status
from schemas.topics import DAY_MS, MT_STATUSES
from shared.kafka.replay import LogReader
from shared.messages.ids import accepted_at_ms_of
from shared.operations.clickhouse_access import clickhouse, clickhouse_errors
from shared.operations.errors import Unreachable
from shared.operations.kafka_access import kafka_errors
from shared.process.settings import Settings

STATUSES_KEPT_MS: Final = 7 * DAY_MS
MARGIN_MS: Final = 10 * 60_000
"""By how much the clocks of two machines may differ."""

_IDS_AT_A_TIME: Final = 200
_FINAL: Final = """
SELECT toString(message_id), status FROM sms.message_state WHERE final AND message_id IN {ids:Array(UUID)}
"""


@dataclass(slots=True)
class Finals:
    """`status` by message_id of those that have ended. `unknown`: nobody who was asked can know of these."""

    status: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)


async def finals_of(settings: Settings, ids: Collection[str], now_ms: int, *, ask_clickhouse: bool) -> Finals:
    """The final statuses of `ids`.

    ClickHouse is asked first, and answers at once; of what has not ended there, or where it does not answer, everything
    in `mt.statuses` since the oldest of them was accepted is read: ClickHouse may be behind. What is older than that
    topic is unknown where ClickHouse does not answer. Raises `Unreachable` where Kafka does not.
    """
    found = Finals()
    if not ids:
        return found
    answered = ask_clickhouse and await asyncio.to_thread(_ask_clickhouse, settings, ids, found.status)
    open_ids = {one: accepted_at_ms_of(one) for one in ids if one not in found.status}
    if open_ids:
        await _read_statuses(settings, min(open_ids.values()), open_ids.keys(), found.status)
    if not answered:
        kept_since_ms = now_ms - STATUSES_KEPT_MS + MARGIN_MS
        found.unknown = {one for one, at_ms in open_ids.items() if at_ms < kept_since_ms and one not in found.status}
    return found


async def ended_since(settings: Settings, ids: Collection[str], since_ms: int) -> dict[str, str]:
    """Those of `ids` that have ended since then, by `mt.statuses`. Raises `Unreachable`."""
    found: dict[str, str] = {}
    if ids:
        await _read_statuses(settings, since_ms, ids, found)
    return found


def _ask_clickhouse(settings: Settings, ids: Collection[str], found: dict[str, str]) -> bool:
    try:
        with closing(clickhouse(settings)) as client, clickhouse_errors(settings):
            asked = sorted(ids)
            for first in range(0, len(asked), _IDS_AT_A_TIME):
                some = asked[first : first + _IDS_AT_A_TIME]
                found.update((one, word) for one, word in client.query(_FINAL, parameters={"ids": some}).result_rows)
    except Unreachable:
        return False
    return True


async def _read_statuses(settings: Settings, since_ms: int, ids: Collection[str], found: dict[str, str]) -> None:
    wanted = {one.encode() for one in ids}

    def take(record: ConsumerRecord) -> None:
        if record.key in wanted and record.value is not None:
            try:
                status = Status.from_json(record.value)
            except ValueError:  # of a later version, or a stranger's: nobody can say that the message goes on
                found[record.key.decode()] = "in a status that cannot be read"
                return
            if status.final:
                found[status.message_id] = status.status

    async with kafka_errors(settings), LogReader(settings, lambda: None) as reader:
        await reader.read(await reader.since([MT_STATUSES], since_ms - MARGIN_MS), take)
