"""Edge: tests of what a successor makes of the logs."""

import pytest
from aiokafka import TopicPartition

from schemas.commit_marks import ThrottlerMark
from schemas.topics import dispatch_topic, feedback_topic
from services.throttler.restore.rebuild import rebuild
from services.throttler.restore.remains import Owned, Remains
from tests.unit.throttler.world import CONNECTOR, Rec, World, message, policy


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"L":1}', "noise", '{"L":"x","f":0,"e":0}'])
def test_metadata_of_others_is_refused(text: str) -> None:
    tp = TopicPartition(feedback_topic(CONNECTOR), 0)
    with pytest.raises(ValueError):
        Remains([Owned(CONNECTOR, feedback=[tp])], {tp: (1, text)})


def test_a_mark_is_small_and_comes_back() -> None:
    mark = ThrottlerMark(2**53, 2**53, 2**31)
    assert ThrottlerMark.from_text(mark.to_text()) == mark
    assert len(mark.to_text()) < 200


def test_the_mark_moves_with_the_oldest_open_message() -> None:
    world = World(policy(tps=1000, window=100))
    world.bind(0)
    world.run(100)
    world.publish(*(message(n) for n in range(6)))
    world.cycle()
    place = (feedback_topic(CONNECTOR), 0)

    def marked() -> tuple[int, int]:
        mark = ThrottlerMark.from_text(world.committed[place][1])
        assert mark is not None
        return mark.dispatch_from, mark.feedback_from

    assert marked() == (0, 0)
    world.answer([1, 2])
    world.cycle()
    assert marked() == (0, 0)
    world.answer([0])
    world.cycle()
    assert marked() == (3, 0)
    world.answer([3, 4, 5])
    world.cycle()
    assert marked() == (6, 3)


def test_records_that_nobody_can_read_are_passed_over() -> None:
    world = World()
    world.bind(0)
    world.run(200)
    world.publish(message(1))
    world.cycle()
    topic = dispatch_topic(CONNECTOR)
    noise = [Rec(topic, 0, 5, 0, None, value) for value in (None, b"", b"{", b"[]", b"{}")]
    bad_feedback = [Rec(feedback_topic(CONNECTOR), 0, n, 0, None, b"{") for n in range(2)]
    rebuilt = rebuild(ThrottlerMark(), [*world.logs[topic, 0], *noise], 6, bad_feedback, 2)
    assert [stay.message.context.message_id for stay in rebuilt.stays] == [message(1).context.message_id]
    assert (rebuilt.position, rebuilt.next_offset) == (2, 6)


def test_an_answer_by_place_alone_counts_in_the_log_too() -> None:
    world = World()
    world.bind(0)
    world.run(200)
    world.publish(message(1))
    world.cycle()
    world.answer([0], "permanent", with_id=False)
    feedback = world.logs[feedback_topic(CONNECTOR), 0]
    assert rebuild(ThrottlerMark(), world.logs[dispatch_topic(CONNECTOR), 0], 1, feedback, 1).stays == ()
    assert len(rebuild(ThrottlerMark(), world.logs[dispatch_topic(CONNECTOR), 0], 1, feedback, 0).stays) == 1


def test_after_a_crash_the_rest_of_the_rate_is_kept() -> None:
    """What lies at the binds keeps its share in force: the successor gives no other bind more than is left."""
    world = World(policy(tps=100, max_binds=2, window=100))
    world.bind(0)
    world.run(200)
    world.publish(*(message(n) for n in range(10)))
    world.cycle()
    world.crash()
    world.bind(0, 1)
    world.run(1_000)
    assert world.dispatches(1) == []
