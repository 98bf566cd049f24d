"""Edge: reads what a predecessor left behind in the logs of one connector, and makes its brain again."""

from collections.abc import Iterable, Mapping

from aiokafka import ConsumerRecord, TopicPartition

from schemas.connector_states import ConnectorState
from schemas.topics import dispatch_topic, feedback_topic, segments_topic
from schemas.wire import LANES
from services.throttler.connector_state import Brain
from services.throttler.ledger import LEDGER_SIZE, Ledger
from services.throttler.places import route_of
from services.throttler.policy import Policy
from services.throttler.rebuild import rebuild
from services.throttler.under_way import Mark
from shared.clock import now_ms
from shared.events import EventMaker
from shared.kafka import make_consumer, read_range
from shared.settings import Settings

Committed = Mapping[TopicPartition, tuple[int, str]]


async def restore(
    settings: Settings,
    policy: Policy,
    held: frozenset[TopicPartition],
    committed: Committed,
    leases: Iterable[ConnectorState],
    events: EventMaker,
    owner: str,
) -> Brain:
    """The brain of one connector whose lanes and feedback are all `held`. Raises ValueError for strangers' metadata."""
    connector_id = policy.connector_id
    ledger = await _ledger(settings, connector_id, held, committed)
    brain = Brain(policy, events, owner, now_ms(), ledger)
    for lease in leases:
        if lease.connector_id == connector_id:
            brain.lease(lease.partition, lease.state)
    feedback = feedback_topic(connector_id)
    for tp in sorted(tp for tp in held if tp.topic == feedback):
        await _restore_partition(settings, brain, tp, committed.get(tp))
    return brain


async def _restore_partition(
    settings: Settings, brain: Brain, tp: TopicPartition, commit: tuple[int, str] | None
) -> None:
    if commit is None:
        return  # nothing was ever dispatched to it: the first dispatch commits a mark
    position, text = commit
    mark = Mark.from_text(text)
    topic = dispatch_topic(brain.connector_id)
    end = await _end(settings, TopicPartition(topic, tp.partition))
    dispatches = await _records(settings, topic, tp.partition, mark.dispatch_from, end)
    feedback = await _records(settings, tp.topic, tp.partition, mark.feedback_from, None)
    brain.restore(tp.partition, rebuild(mark, dispatches, end, feedback, position))


async def _records(settings: Settings, topic: str, partition: int, start: int, end: int | None) -> list[ConsumerRecord]:
    return [record async for batch in read_range(settings, topic, partition, start, end) for record in batch]


async def _end(settings: Settings, tp: TopicPartition) -> int:
    consumer = make_consumer(settings)
    await consumer.start()
    try:
        return int((await consumer.end_offsets([tp]))[tp])
    finally:
        await consumer.stop()


async def _ledger(
    settings: Settings, connector_id: str, held: frozenset[TopicPartition], committed: Committed
) -> Ledger:
    """The routes last read from the lanes: their records before the committed offsets."""
    ledger = Ledger()
    lanes = {segments_topic(connector_id, lane) for lane in LANES}
    places = sorted(tp for tp in held if tp.topic in lanes and tp in committed)
    for tp in places:
        position = committed[tp][0]
        start = max(0, position - LEDGER_SIZE // len(places))
        async for batch in read_range(settings, tp.topic, tp.partition, start, position):
            ledger.restore(route for record in batch if (route := route_of(record.value or b"")))
    return ledger
