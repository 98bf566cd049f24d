"""Pure: what of a cluster's topics is not as they were laid out."""

from schemas.gateway.connectors.smpp import SmppConnector
from schemas.gateway.file import TopicLayout
from schemas.gateway.values import SecretRef
from schemas.topics import connector_topics, shared_topics
from shared.kafka.topic_layout import FoundTopic, differences, forbidding, found_topics, in_one_sentence

LAYOUT = TopicLayout(partitions=4, replication_factor=3, min_insync=2)
ACME = SmppConnector(id="acme", host="127.0.0.1", port=2775, system_id="x", password=SecretRef(env="X"), max_binds=2)


def as_laid_out() -> dict[str, FoundTopic]:
    wanted = [*shared_topics(4), *connector_topics("acme", 2)]
    return {topic.name: FoundTopic(topic.partitions, 3, 3) for topic in wanted}


def told(**changes: FoundTopic) -> tuple[list[str], list[str]]:
    """All differences, and those that forbid a start; topics with _ for dots."""
    found = differences(LAYOUT, [ACME], as_laid_out() | {n.replace("_", "."): t for n, t in changes.items()})
    return [one.sentence() for one in found], [one.sentence() for one in forbidding(found)]


def test_nothing_differs() -> None:
    assert told() == ([], [])
    assert told(somebody_elses=FoundTopic(99, 1, 1)) == ([], [])


def test_partitions_of_shared_topics_may_be_neither_more_nor_fewer() -> None:
    more = ["mt.requests has 5 partitions, not 4"]
    assert told(mt_requests=FoundTopic(5, 3, 3)) == (more, more)
    fewer = ["lifecycle.events has 3 partitions, not 4"]
    assert told(lifecycle_events=FoundTopic(3, 3, 3)) == (fewer, fewer)
    single = ["config.gateway has 4 partitions, not 1"]
    assert told(config_gateway=FoundTopic(4, 3, 3)) == (single, single)


def test_a_connector_may_have_had_more_binds_but_never_more_lanes() -> None:
    assert told(mt_dispatch_acme=FoundTopic(8, 3, 3)) == ([], [])
    assert told(mt_dispatch_acme=FoundTopic(1, 3, 3))[1] == ["mt.dispatch.acme has 1 partitions, not 2"]
    assert told(mt_segments_acme_otp=FoundTopic(2, 3, 3))[1] == ["mt.segments.acme.otp has 2 partitions, not 1"]


def test_replicas_that_are_too_few_forbid_a_start_and_too_many_are_told() -> None:
    few = ["mt.requests has 2 replicas of a partition, not 3"]
    assert told(mt_requests=FoundTopic(4, 2, 3)) == (few, few)
    assert told(mt_requests=FoundTopic(4, 3, 4)) == (["mt.requests has 4 replicas of a partition, not 3"], [])


def test_what_is_missing_is_told() -> None:
    found = as_laid_out()
    del found["mt.requests"]
    assert [one.sentence() for one in differences(LAYOUT, [ACME], found)] == ["mt.requests is missing"]


def test_many_differences_are_one_short_sentence() -> None:
    found = {name: FoundTopic(topic.partitions, 1, 1) for name, topic in as_laid_out().items()}
    every = differences(LAYOUT, [ACME], found)
    assert len(every) == len(found)
    assert in_one_sentence(every).count("has 1 replicas") == 5
    assert in_one_sentence(every).endswith(f"; and {len(found) - 5} more")


def test_what_kafka_tells() -> None:
    def topic(name: str, *replicas: list[int], internal: bool = False) -> dict[str, object]:
        return {"topic": name, "is_internal": internal, "partitions": [{"replicas": one} for one in replicas]}

    described = [topic("a", [1, 2, 3], [1]), topic("__x", [1], internal=True), topic("gone")]
    assert found_topics(described) == {"a": FoundTopic(2, 1, 3)}
