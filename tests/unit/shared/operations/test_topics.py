"""Pure: concrete topics and the registry."""

import pytest

from schemas.topics import connector_topics, shared_topics
from shared.operations.topics import registered


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("mt.requests", "mt.requests"),
        ("mt.requests.otp", "mt.requests.otp"),
        ("mt.segments.acme-1.otp", "mt.segments.<connector>.otp"),
        ("mt.segments.otp.bulk", "mt.segments.<connector>.bulk"),
        ("mt.dispatch.acme", "mt.dispatch.<connector>"),
        ("mt.segments.dlq", None),
        ("mt.dispatch.dlq", None),
        ("mt.requests.dlq", None),
        ("__consumer_offsets", None),
        ("somebody.elses", None),
    ],
)
def test_the_entry_of_a_topic(name: str, entry: str | None) -> None:
    found = registered(name)
    assert (found.name if found else None) == entry


def test_all_that_is_created_is_known_except_dead_letters() -> None:
    made = [topic.name for topic in (*shared_topics(), *connector_topics("acme", 2))]
    assert [name for name in made if registered(name) is None] == [name for name in made if name.endswith(".dlq")]
