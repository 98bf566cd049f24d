"""Pure: a segment of a kind that exists only here, from its lane to the join: nothing on the way asks what it is."""

import orjson
import pytest

from schemas.commit_marks import BinderMark
from schemas.payloads.kinds import PAYLOAD_MAKERS
from schemas.topics import SUBMIT_RESULTS, dispatch_topic
from services.binder.payload_readers import PAYLOAD_READERS
from services.binder.submit.feedback_record import Origin, Said, answers_record
from services.binder.submit.journal import Journal
from services.binder.submit.partition_segments import PartitionSegments
from tests.unit.throttler.world import CONNECTOR, World, events_of, message, policy


@pytest.fixture(autouse=True)
def _pigeons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAYLOAD_MAKERS, "pigeon", lambda m, _, octets, __: {"to": m.destination_addr, "note": octets})
    monkeypatch.setitem(PAYLOAD_READERS, "pigeon", lambda payload: payload["note"])


def test_another_kind_is_dispatched_submitted_answered_and_joined() -> None:
    world = World(policy(kind="pigeon"))
    world.bind(0)
    world.run(200)
    world.publish(message(1))
    world.cycle()
    (written,) = world.values(dispatch_topic(CONNECTOR))
    assert (written["kind"], written["payload"]["to"]) == ("pigeon", "447700900001")

    segments = PartitionSegments(Journal(BinderMark(0, 1, 0, 1), 0, waiting=False))
    segments.take(world.logs[dispatch_topic(CONNECTOR), 0])
    segments.claim(10, world.now_ms)
    segments.committed(segments.journal.to_commit())
    segment = segments.next_ready(world.now_ms)
    assert segment is not None
    assert segment.payload == written["payload"]["note"]
    segments.began(world.now_ms)
    said = Said("accepted", smsc_message_ids=("ring 7", "ring 8"), join_ids=("north-7", "north-8"))
    segments.answered(segment.offset, said, world.now_ms)
    world.append(answers_record(Origin(CONNECTOR, 0, 1, "b0|1"), segments.take_answers()))

    outs = world.cycle()
    assert events_of(outs) == ["submitted"]
    (result,) = [out for out in outs if out.topic == SUBMIT_RESULTS]
    assert result.key == b"acme|north-7"
    assert orjson.loads(result.value or b"")["smsc_message_id"] == "ring 7"
