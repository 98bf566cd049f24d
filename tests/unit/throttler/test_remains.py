"""Edge: tests of which connectors may be taken over."""

from aiokafka import TopicPartition

from schemas.topics import connector_topics
from services.throttler.connector_topics import connector_of
from services.throttler.lanes.ledger import LEDGER_SIZE
from services.throttler.restore.remains import ledger_ranges, owned_connectors

PLACES = [
    TopicPartition(topic.name, partition)
    for topic in connector_topics("acme-1", 2)
    for partition in range(topic.partitions)
    if connector_of(topic.name)
]
COUNTS = {topic.name: topic.partitions for topic in connector_topics("acme-1", 2)}


def test_a_connector_of_which_everything_is_held_is_owned() -> None:
    (owned,) = owned_connectors(PLACES, lambda topic: COUNTS.get(topic, 0))
    assert owned.connector_id == "acme-1"
    assert sorted(owned.partitions) == sorted(PLACES)
    assert [tp.partition for tp in owned.feedback] == [0, 1]


def test_without_any_one_partition_it_is_not() -> None:
    for missing in PLACES:
        held = [tp for tp in PLACES if tp != missing]
        assert owned_connectors(held, lambda topic: COUNTS.get(topic, 0)) == []


def test_topics_of_others_do_not_matter() -> None:
    others = [TopicPartition("mt.statuses", 0), TopicPartition("mt.segments.other.otp", 0)]
    assert len(owned_connectors([*PLACES, *others], lambda topic: COUNTS.get(topic, 1))) == 1


def test_the_tails_of_the_lanes_share_the_ledger() -> None:
    (owned,) = owned_connectors(PLACES, lambda topic: COUNTS.get(topic, 0))
    otp, txn, bulk = (owned.lanes[lane][0] for lane in ("otp", "txn", "bulk"))
    size = LEDGER_SIZE
    committed = {otp: (10, ""), txn: (size * 5, ""), bulk: (size * 7, ""), owned.lanes["retry"][0]: (99, "")}
    ranges = ledger_ranges(owned, committed)
    assert set(ranges) == {otp, txn, bulk}
    assert ranges[otp] == (0, 10)
    assert sum(end - start for start, end in ranges.values()) == size
    assert ledger_ranges(owned, {}) == {}
