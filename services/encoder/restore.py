"""Edge: what the encoder reads before it acts: its own output since the last commits."""

from collections.abc import Collection

from aiokafka import ConsumerRecord

from schemas.topics import MT_REROUTES, MT_STATUSES, is_segments_topic
from schemas.wire import Lane
from services.encoder.own_output import DecidedByEncoder
from shared.kafka.client import consuming
from shared.membership.replay_guard import Progress, read_since
from shared.process.settings import Settings


async def read_own_output(
    settings: Settings, lanes: Collection[Lane], since_ms: int, own: DecidedByEncoder, progress: Progress
) -> None:
    """Add to `own` what was written to `lanes` of any connector, mt.reroutes and mt.statuses at `since_ms` or later."""
    takers = {MT_REROUTES: own.add_reroute, MT_STATUSES: own.add_status}

    def take(record: ConsumerRecord) -> None:
        takers.get(record.topic, own.add_segmented)(record.value)

    await read_since(
        settings, [MT_REROUTES, MT_STATUSES, *await _lane_topics(settings, lanes)], since_ms, take, progress
    )


async def _lane_topics(settings: Settings, lanes: Collection[Lane]) -> list[str]:
    """Those that exist: also of connectors that are configured no more."""
    async with consuming(settings) as consumer:
        names = await consumer.topics()
    return sorted(n for n in names if is_segments_topic(n) and n.rsplit(".", 1)[1] in lanes)
