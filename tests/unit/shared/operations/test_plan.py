"""Pure: which record follows from a new file and the running configuration."""

from typing import Any

import pytest

from schemas.gateway.connectors.smpp import SmppConnector
from schemas.gateway.file import AppliedConfig, Gateway, TopicLayout
from schemas.gateway.values import SecretRef
from shared.kafka.topic_layout import FoundTopic
from shared.operations.config.plan import (
    ApplyContext,
    begin_pruning,
    config_hash,
    end_pruning,
    next_config,
    plan_of,
    with_layout,
)
from shared.operations.errors import Refused
from shared.operations.topic_changes import topic_changes

AT_MS = 1_790_000_000_000
DEADLINE_S = 60
LAYOUT = TopicLayout(partitions=4, replication_factor=1, min_insync=1)


def connector(connector_id: str, **changes: Any) -> SmppConnector:
    return SmppConnector(
        id=connector_id,
        host="127.0.0.1",
        port=2775,
        system_id="x",
        password=SecretRef(env="X"),
        receipt_deadline_s=DEADLINE_S,
        **changes,
    )


def gateway(*connectors: SmppConnector) -> Gateway:
    return Gateway(version=1, connectors=connectors)


def applied(
    new: Gateway,
    running: AppliedConfig | None = None,
    at_ms: int = AT_MS,
    *,
    drop_now: bool = False,
    unfinished: tuple[str, ...] = (),
    topics: tuple[str, ...] = (),
) -> AppliedConfig:
    around = ApplyContext(at_ms, "me@here", LAYOUT, dict.fromkeys(topics, FoundTopic(1, 1, 1)), unfinished)
    return next_config(new, running, around, drop_now=drop_now)


BOTH = gateway(connector("a"), connector("b"))
ONLY_A = gateway(connector("a"))


def draining(config: AppliedConfig) -> list[tuple[str, int, bool]]:
    return [(d.connector.id, d.removed_at_ms, d.now) for d in config.draining]


def test_the_first_configuration() -> None:
    first = applied(BOTH)
    assert (first.gateway, first.draining, first.applied_at_ms, first.topics) == (BOTH, (), AT_MS, LAYOUT)
    assert AppliedConfig.from_json(first.to_json()) == first


def test_a_removed_connector_drains_as_it_was() -> None:
    removed = applied(ONLY_A, applied(BOTH), AT_MS + 5)
    assert draining(removed) == [("b", AT_MS + 5, False)]
    assert removed.draining[0].connector == BOTH.connectors[1]


def test_it_keeps_its_time_until_its_receipts_deadline_and_is_then_forgotten() -> None:
    removed = applied(ONLY_A, applied(BOTH), AT_MS)
    later = applied(ONLY_A, removed, AT_MS + DEADLINE_S * 1000 - 1)
    assert draining(later) == [("b", AT_MS, False)]
    assert draining(applied(ONLY_A, later, AT_MS + DEADLINE_S * 1000)) == []


def test_it_is_carried_on_while_anything_of_it_is_left_whatever_its_time() -> None:
    removed = applied(ONLY_A, applied(BOTH))
    long_after = AT_MS + 99 * DEADLINE_S * 1000
    assert draining(applied(ONLY_A, removed, long_after, unfinished=("b",))) == [("b", AT_MS, False)]
    dropped = applied(ONLY_A, removed, drop_now=True)
    assert draining(applied(ONLY_A, dropped, long_after, unfinished=("b",))) == [("b", AT_MS, True)]
    assert draining(applied(ONLY_A, removed, long_after)) == []


def test_who_is_written_beside_when() -> None:
    assert (applied(BOTH).applied_by, applied(BOTH).applied_at_ms) == ("me@here", AT_MS)


def test_a_connector_whose_topics_are_being_deleted_cannot_come_back_before_they_are_gone() -> None:
    removed = applied(ONLY_A, applied(BOTH), drop_now=True)
    marked = begin_pruning(removed, "b", AT_MS + 1, "you@there")
    assert (draining(marked), marked.pruning, marked.applied_by) == ([], ("b",), "you@there")
    with pytest.raises(Refused, match="topics of connector b are being deleted; nothing applied"):
        applied(BOTH, marked, topics=("mt.dispatch.b",))
    still = applied(ONLY_A, marked, topics=("mt.dispatch.b",))
    assert still.pruning == ("b",), "another apply knows of it too"
    assert applied(BOTH, still, topics=("mt.dispatch.a",)).pruning == ()
    ended = end_pruning(marked, "b", AT_MS + 2, "you@there")
    assert (ended.pruning, ended.hash) == ((), applied(ONLY_A).hash)
    assert len({removed.hash, marked.hash, ended.hash}) == 3, "who compares hashes sees each step"


def test_it_can_be_dropped_at_once_also_afterwards() -> None:
    assert draining(applied(ONLY_A, applied(BOTH), drop_now=True)) == [("b", AT_MS, True)]
    removed = applied(ONLY_A, applied(BOTH))
    dropped = applied(ONLY_A, removed, AT_MS + 5, drop_now=True)
    assert draining(dropped) == [("b", AT_MS, True)]
    assert draining(applied(ONLY_A, dropped, AT_MS + 6)) == [("b", AT_MS, True)]


def test_one_that_comes_back_is_in_use_again() -> None:
    removed = applied(ONLY_A, applied(BOTH))
    back = applied(BOTH, removed, AT_MS + 5)
    assert (back.draining, back.hash) == ((), applied(BOTH).hash)


def test_every_removed_connector_drains_for_itself() -> None:
    removed = applied(gateway(), applied(ONLY_A, applied(BOTH)), AT_MS + 5)
    assert sorted(draining(removed)) == [("a", AT_MS + 5, False), ("b", AT_MS, False)]


def test_the_hash_is_the_same_for_the_same_and_does_not_know_the_time() -> None:
    assert applied(BOTH, None, AT_MS).hash == applied(BOTH, applied(BOTH), AT_MS + 99).hash
    reordered = connector("a", options={"status_map": {"0x2": "temporary", "0x1": "temporary"}})
    ordered = connector("a", options={"status_map": {"0x1": "temporary", "0x2": "temporary"}})
    assert config_hash(gateway(reordered), []) == config_hash(gateway(ordered), [])
    assert len(applied(BOTH).hash) == 12


@pytest.mark.parametrize(
    "other",
    [
        gateway(),
        ONLY_A,
        gateway(connector("b"), connector("a")),
        gateway(connector("a", tps=51), connector("b")),
        gateway(connector("a"), connector("b", options={"tls": "verify"})),
        Gateway.model_validate({**BOTH.model_dump(), "accounts": [{"id": "shop"}]}),
        Gateway.model_validate({**BOTH.model_dump(), "routes": [{"to": [{"connector": "a"}]}]}),
    ],
)
def test_the_hash_changes_when_anything_differs(other: Gateway) -> None:
    assert config_hash(other, []) != config_hash(BOTH, [])


def test_the_hash_covers_what_drains() -> None:
    plain = applied(ONLY_A)
    removed = applied(ONLY_A, applied(BOTH))
    dropped = applied(ONLY_A, removed, drop_now=True)
    assert len({plain.hash, removed.hash, dropped.hash}) == 3


def test_a_plan_has_the_record_and_the_topics_that_must_be_there_before() -> None:
    layout = TopicLayout(partitions=7, replication_factor=1, min_insync=1)
    found = {"mt.requests": FoundTopic(7, 1, 1)}
    plan = plan_of(ONLY_A, None, ApplyContext(AT_MS, "", layout, found), drop_now=False)
    assert plan.expected == ""
    assert (plan.config.gateway, plan.config.topics) == (ONLY_A, layout)
    assert {"config.gateway", "mt.dispatch.a"} <= set(plan.topics.names)
    made = {topic.name: topic.partitions for topic in plan.topics.missing}
    assert made["mt.statuses"] == 7, "as the installation is laid out"
    assert "mt.requests" not in made


def test_topics_are_made_and_get_larger_and_never_smaller() -> None:
    first = topic_changes([connector("a", max_binds=2)], LAYOUT, {})
    there = {topic.name: FoundTopic(topic.partitions, 1, 1) for topic in first.wanted}
    assert (first.missing, first.grown) == (first.wanted, ())
    assert topic_changes([connector("a", max_binds=2)], LAYOUT, there).names == []
    assert topic_changes([connector("a", max_binds=1)], LAYOUT, there).names == []
    more = topic_changes([connector("a", max_binds=3)], LAYOUT, there)
    assert ([t.name for t in more.grown], more.missing) == (["mt.dispatch.a", "mt.feedback.a"], ())
    assert {t.partitions for t in more.grown} == {3}


def test_a_record_of_an_earlier_version_is_read_and_gets_its_layout() -> None:
    earlier = AppliedConfig.from_json(b'{"hash":"h","applied_at_ms":1,"gateway":{"version":1},"partitions":4}')
    assert earlier.topics is None
    now = with_layout(earlier, LAYOUT, AT_MS, "me@here")
    assert (now.topics, now.gateway, now.applied_by) == (LAYOUT, earlier.gateway, "me@here")
    assert now.hash == config_hash(now.gateway, [], (), LAYOUT) != config_hash(now.gateway, [])
