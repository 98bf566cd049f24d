"""Edge: everything the throttler writes fits the schema of its topic."""

from typing import Any

import orjson
import pytest

from schemas.dispatch import Dispatch
from schemas.feedback import Feedback
from schemas.lifecycle_events import LifecycleEvent
from schemas.outcomes import Outcome
from schemas.reroutes import Reroute
from schemas.segments import SegmentedMessage
from schemas.statuses import Status
from schemas.submit_results import SubmitResult
from schemas.topics import (
    LIFECYCLE_EVENTS,
    MT_OUTCOMES,
    MT_REROUTES,
    MT_STATUSES,
    SUBMIT_RESULTS,
    dispatch_topic,
    feedback_topic,
    segments_topic,
)
from schemas.wire import Wire
from tests.unit.throttler.world import CONNECTOR, World, message, policy

MODELS: dict[str, type[Wire]] = {
    SUBMIT_RESULTS: SubmitResult,
    MT_OUTCOMES: Outcome,
    MT_STATUSES: Status,
    MT_REROUTES: Reroute,
    LIFECYCLE_EVENTS: LifecycleEvent,
    dispatch_topic(CONNECTOR): Dispatch,
    feedback_topic(CONNECTOR): Feedback,
    segments_topic(CONNECTOR, "retry"): SegmentedMessage,
}


@pytest.fixture(scope="module")
def world() -> World:
    """One that has written everything there is to write."""
    world = World(policy(tps=500, window=50, max_binds=2))
    world.bind(0, 1)
    world.run(200)
    lanes: Any = ("otp", "txn", "bulk")
    wishes: Any = ("all", "final", "none")
    world.publish(*(message(n, lane=lanes[n % 3], receipt=wishes[n % 3], segments=1 + n % 4) for n in range(30)))
    outcomes: Any = ("accepted", "not_sent", "temporary", "permanent", "outcome_unknown", "throttled")
    for step in range(12):
        world.cycle()
        open_now = [offset for offset, _ in world.open_dispatches(0)][:3]
        if open_now:
            world.answer(open_now, outcomes[step % 6], error_code=0x58 if step % 6 == 5 else 0x14)
        world.now_ms += 500
    world.lease(0, "unbound")
    world.answer_all("not_sent")
    world.publish(message(90, validity_ms=10), message(91), message(92, pinned=True))
    world.run(2_000)
    world.configure(policy(draining=True))
    world.answer_all("not_sent")
    world.run(3_000)
    return world


@pytest.mark.parametrize("topic", sorted(MODELS))
def test_records_fit_their_schema(world: World, topic: str) -> None:
    records = [record for (name, _), log in world.logs.items() if name == topic for record in log]
    assert records
    known = {field.alias or name for name, field in MODELS[topic].model_fields.items()}
    for record in records:
        parsed = MODELS[topic].from_json(record.value or b"")
        assert set(orjson.loads(record.value or b"")) <= known
        assert MODELS[topic].from_json(parsed.to_json()) == parsed


def test_no_event_id_names_two_events(world: World) -> None:
    ids = [
        event["event_id"]
        for (name, p) in list(world.logs)
        if name == LIFECYCLE_EVENTS
        for event in world.values(name, p)
    ]
    assert ids
    assert len(ids) == len(set(ids))
