"""Edge: with SMSGW_KAFKA_PREFIX every name in Kafka begins with it, and whatever reads names knows it."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import re
from schemas import groups, topics
from schemas.record_limits import record_maxima
from services.binder.lease.leases import DISPATCH_PREFIX
from services.binder.lease.owners import SERVICE
from services.binder.loop import DISPATCH_PATTERN
from services.throttler.connector_topics import TOPIC_PATTERN, connector_of, lane_of
from shared.operations.acls import ROLES, rights_of
from shared.process.settings import Settings

P = "eu1."
names = [topic.name for topic in (*topics.shared_topics(), *topics.connector_topics("acme-1", 2))]
assert len(names) > 30 and all(name.startswith(P) and not name.startswith(P * 2) for name in names), names
assert all(topics.dlq_of(name).startswith(P) for name in names)
known = {topic.name for topic in topics.shared_topics()}
assert {topics.dlq_of(topic.name) for topic in topics.TOPICS if topic.dead_letters} <= known
ids = (*groups.CONSUMER_GROUPS, groups.CONFIG_WRITER, groups.DLQ_REPLAY_TRANSACTIONS)
assert all(name.startswith(P) for name in ids), ids
assert groups.static_member(groups.INGRESS_GROUP, "0").startswith(P)
rights = [right for role in ROLES for right in rights_of(role, "User:x")]
assert {right.name for right in rights if not right.name.startswith(P)} == {"__consumer_offsets"}
lane, dispatch, feedback = (
    topics.segments_topic("acme-1", "otp"), topics.dispatch_topic("acme-1"), topics.feedback_topic("acme-1")
)
assert (connector_of(lane), lane_of(lane)) == ("acme-1", "otp")
assert (connector_of(feedback), lane_of(feedback)) == ("acme-1", None)
assert re.match(TOPIC_PATTERN, lane) and re.match(TOPIC_PATTERN, feedback) and not re.match(TOPIC_PATTERN, lane[4:])
assert re.match(DISPATCH_PATTERN, dispatch) and not re.match(DISPATCH_PATTERN, topics.DISPATCH_DLQ)
assert not re.match(TOPIC_PATTERN, topics.SEGMENTS_DLQ)
assert dispatch.removeprefix(DISPATCH_PREFIX) == "acme-1"
assert record_maxima(topics.CONFIG_GATEWAY) != record_maxima(topics.MT_REQUESTS)
assert topics.written_by("encoder", names).count(lane) == 1
assert SERVICE == "binder", "beats name the service, not its group"
assert Settings(kafka_bootstrap_servers="x:1").kafka_prefix == P
"""


def test_every_name_begins_with_the_prefix() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=os.environ | {"SMSGW_KAFKA_PREFIX": "eu1."}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("prefix", ["a b", "x" * 61, "eu/", "é."])
def test_a_prefix_that_kafka_would_not_take_is_refused(prefix: str) -> None:
    environment = os.environ | {"SMSGW_KAFKA_PREFIX": prefix, "SMSGW_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-m", "services", "encoder"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "SMSGW_KAFKA_PREFIX: " in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr
