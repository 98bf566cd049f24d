"""Edge: receipts without a message: which there are, and how they are joined once more."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiokafka import ConsumerRecord

from schemas.receipt_searches import ReceiptSearch
from schemas.topics import RECEIPTS, SEARCHES
from shared.kafka.produce import BatchProducer
from shared.kafka.records import In, Out
from shared.kafka.replay import LogReader
from shared.operations.beats import kafka_time_ms
from shared.operations.clickhouse_access import clickhouse, clickhouse_errors
from shared.operations.errors import Invalid
from shared.operations.kafka_access import kafka_errors
from shared.process.settings import ClickHouseSettings, Settings

_NO_ID: Final = b"|?"
_BATCH: Final = 500

_ORPHANS: Final = """
SELECT connector_id, smsc_message_id, toUnixTimestamp64Milli(occurred_at) AS received_at_ms, max(status) AS said,
       max(smsc_error) AS error, if(countIf(reason = 'no_submission') > 0, 'no_submission', any(reason)) AS why,
       any(detail) AS told
FROM sms.events
WHERE event = 'orphan_receipt' AND occurred_at >= now64(3) - toIntervalSecond({seconds:UInt32})
  AND ({connector:String} = '' OR connector_id = {connector:String})
  AND (connector_id, smsc_message_id, occurred_at) NOT IN (
      SELECT connector_id, smsc_message_id, occurred_at FROM sms.events
      WHERE event IN ('receipt', 'late_receipt', 'intermediate_receipt') AND smsc_message_id != ''
        AND occurred_at >= now64(3) - toIntervalSecond({seconds:UInt32}))
GROUP BY connector_id, smsc_message_id, occurred_at,
         JSONExtractInt(detail, 'partition'), JSONExtractInt(detail, 'offset')
ORDER BY received_at_ms
LIMIT {limit:UInt32}
"""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A receipt that was told as one and was not joined since. `raw` is its record (docs/receipts.md)."""

    connector_id: str
    smsc_message_id: str
    received_at_ms: int
    status: str
    smsc_error: str
    reason: str
    raw: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReceiptReplay:
    """How many receipts are to be joined once more, and how many name no id and cannot be."""

    replayed: int
    without_id: int


def read_orphans(settings: ClickHouseSettings, seconds: int, connector_id: str, limit: int) -> list[Orphan]:
    """The orphans that came in the last `seconds`, oldest first. Blocks; raises `Unreachable`."""
    chosen = {"seconds": seconds, "connector": connector_id, "limit": limit}
    with closing(clickhouse(settings)) as client, clickhouse_errors(settings):
        rows = client.query(_ORPHANS, parameters=chosen).result_rows
    return [Orphan(a, b, c, d, e, why, _raw(told)) for a, b, c, d, e, why, told in rows]


def _raw(detail: str) -> dict[str, Any]:
    try:
        found = orjson.loads(detail)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


async def replay_receipts(settings: Settings, since_s: int, connector_id: str) -> ReceiptReplay:
    """Have the correlator join every receipt of the connector that came in the last `since_s` once more, by the options
    and formats of today. What has ended keeps its end; a receipt that had ended something changes nothing.

    Raises `Unreachable`, `NotFound` (no topics), `Invalid` (nothing of this connector).
    """
    async with kafka_errors(settings):
        found: list[ConsumerRecord] = []
        since_ms = await kafka_time_ms(settings) - since_s * 1000
        async with LogReader(settings, lambda: None) as reader:
            await reader.read(await reader.since([RECEIPTS], since_ms), found.append)
        mine = [record for record in found if _connector_of(record) == connector_id]
        if not mine:
            raise Invalid(f"no receipt of connector {connector_id!r} came in that time")
        outs = list(replays(mine))
        producer = BatchProducer(settings, client_id="smsgw-cli")
        await producer.start()
        try:
            for start in range(0, len(outs), _BATCH):
                await producer.send_all(outs[start : start + _BATCH])
        finally:
            await producer.stop()
    return ReceiptReplay(len(outs), len(mine) - len(outs))


def _connector_of(record: ConsumerRecord) -> str | None:
    try:
        value = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    return value.get("connector_id") if isinstance(value, dict) else None


def replays(records: Iterable[In]) -> Iterator[Out]:
    """What asks the correlator to join these records of `smsc.receipts` once more; those without an id are left out."""
    for record in records:
        if record.key and not record.key.endswith(_NO_ID):
            asked = ReceiptSearch(
                kind="replay",
                origin=(record.partition, record.offset),
                record_at_ms=record.timestamp,
                raw=(record.value or b"").decode(),
            )
            yield Out(SEARCHES, record.key, asked.to_json())
