"""Edge: tests of which topics are a connector's, and of what its records are about."""

import re

import pytest

from schemas.topics import SEGMENT_LANES, connector_topics
from schemas.wire import LANES, Lane
from services.throttler.connector_topics import TOPIC_PATTERN, connector_of, lane_of
from shared.messages.routes import route_of
from tests.unit.throttler.world import message


@pytest.mark.parametrize("connector_id", ["acme-1", "a", "0", "bulk", "x" * 40])
def test_every_topic_of_a_connector_is_known_by_its_name(connector_id: str) -> None:
    names = {topic.name for topic in connector_topics(connector_id, 2)}
    read = {name for name in names if re.match(TOPIC_PATTERN, name)}
    assert read == names - {f"mt.dispatch.{connector_id}"}
    assert {connector_of(name) for name in read} == {connector_id}
    assert {lane_of(name) for name in read} == {None, *SEGMENT_LANES}


@pytest.mark.parametrize("topic", ["mt.segments.dlq", "mt.dispatch.acme-1", "mt.statuses", "mt.segments.acme-1.other"])
def test_other_topics_are_nobodys(topic: str) -> None:
    assert connector_of(topic) is None


def test_dead_letters_are_not_subscribed_to() -> None:
    assert not re.match(TOPIC_PATTERN, "mt.segments.dlq")


@pytest.mark.parametrize("lane", LANES)
def test_the_route_of_a_lane_record_is_found_without_decoding(lane: Lane) -> None:
    made = message(7, route_no=2, lane=lane)
    assert route_of(made.to_json()) == (made.context.message_id, 2)
    assert route_of(b"{}") is None
