"""Pure: the least rights of each service in Kafka, from the registry; as `kafka-acls` adds them."""

import shlex
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas.groups import BARRIER_GROUPS, CONFIG_WRITER, CONSUMER_GROUPS, DLQ_REPLAY_TRANSACTIONS, GROUPS_OF
from schemas.topics import (
    EVERY_PROCESS,
    SERVICE_STATES,
    TOPICS,
    Topic,
    dispatch_topic,
    feedback_topic,
    segments_topic,
    shared_topics,
)
from shared.kafka.coordinator_barrier import OFFSETS_TOPIC

TOPIC: Final = "topic"
GROUP: Final = "group"
TRANSACTIONAL_ID: Final = "transactional-id"

OPERATOR: Final = "operator"
"""Whoever uses `smsgw`: topics are made, changed and deleted, dead letters replayed, configurations applied."""

OUTSIDERS: Final = ("producers", "applications")
"""Who sends messages, and who reads those of handsets."""

ROLES: Final = (*EVERY_PROCESS, OPERATOR, *OUTSIDERS)
DEFAULT_PRINCIPAL: Final = "User:smsgw-{service}"

_FAMILIES: Final = (segments_topic("", "").removesuffix("."), dispatch_topic(""), feedback_topic(""))
_READ_BACK: Final = frozenset({"ingress", "encoder", "recorder"})
"""They write outside transactions: after a crash they read what they wrote, and ask Kafka who writes there."""

_OF_OPERATORS: Final = (
    "Alter", "AlterConfigs", "Create", "Delete", "Describe", "DescribeConfigs", "Read", "Write",
)  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One operation on one resource; `prefixed`: on all whose names begin so."""

    principal: str
    resource: str
    name: str
    prefixed: bool
    operation: str


class _Rights:
    """What one principal may do, as it grows."""

    def __init__(self, principal: str) -> None:
        self._principal = principal
        self.found: set[Right] = set()

    def allow(self, resource: str, place: tuple[str, bool], *operations: str) -> None:
        self.found.update(Right(self._principal, resource, *place, operation) for operation in operations)


def rights_of(role: str, principal: str) -> list[Right]:
    """All rights of a service, of operators or of an outsider, in order, without repeats."""
    rights = _Rights(principal)
    if role == OPERATOR:
        _of_operators(rights)
    else:
        _of_topics(role, rights)
    if role in EVERY_PROCESS:
        _of_services(role, rights)
    return sorted(rights.found)


def _of_operators(rights: _Rights) -> None:
    for place in _all_topics():
        rights.allow(TOPIC, place, *_OF_OPERATORS)
    for group in CONSUMER_GROUPS:
        rights.allow(GROUP, (group, False), "Read", "Describe", "Delete")
    for transactions in (CONFIG_WRITER, DLQ_REPLAY_TRANSACTIONS):
        rights.allow(TRANSACTIONAL_ID, (transactions, False), "Write", "Describe")
    _of_barriers(rights)


def _of_topics(role: str, rights: _Rights) -> None:
    """What the registry says that it writes and reads."""
    for topic in TOPICS:
        place = _place(topic)
        if role in topic.producers:
            rights.allow(TOPIC, place, "Write", "Describe", *(["Read"] if role in _READ_BACK else []))
        if role in topic.consumers:
            rights.allow(TOPIC, place, "Read", "Describe")
            if topic.dead_letters and role in GROUPS_OF:
                rights.allow(TOPIC, (topic.dead_letters, False), "Write", "Describe", "DescribeConfigs")


def _of_services(role: str, rights: _Rights) -> None:
    """What every process of ours does besides: its groups, its beat, and a look at all topics: at its start, and where
    a produce takes long, when it asks how many replicas in sync each of them needs."""
    for place in _all_topics():
        rights.allow(TOPIC, place, "Describe", "DescribeConfigs")
    rights.allow(TOPIC, (SERVICE_STATES, False), "Read", "Write")
    _of_barriers(rights)
    for group in GROUPS_OF.get(role, ()):
        rights.allow(GROUP, (group, False), "Read", "Describe")
        rights.allow(TRANSACTIONAL_ID, (f"{group}-", True), "Write", "Describe")


def _of_barriers(rights: _Rights) -> None:
    """What is asked of a coordinator before its answers are believed."""
    rights.allow(TOPIC, (OFFSETS_TOPIC, False), "Describe")
    rights.allow(GROUP, (BARRIER_GROUPS, True), "Read", "Describe")


def _place(topic: Topic) -> tuple[str, bool]:
    """The name of a topic, or what the names of a family begin with."""
    begin, family, _ = topic.name.partition("<connector>")
    return begin, bool(family)


def _all_topics() -> list[tuple[str, bool]]:
    return [(topic.name, False) for topic in shared_topics()] + [(name, True) for name in _FAMILIES]


def commands(rights: Iterable[Right]) -> list[str]:
    """`kafka-acls` commands that add them, one for each set of operations; `$KAFKA` is left to the shell."""
    operations: dict[tuple[str, str, str, bool], list[str]] = defaultdict(list)
    for right in sorted(rights):
        operations[right.principal, right.resource, right.name, right.prefixed].append(right.operation)
    together: dict[tuple[str, str, bool, tuple[str, ...]], list[str]] = defaultdict(list)
    for (principal, resource, name, prefixed), allowed in operations.items():
        together[principal, resource, prefixed, tuple(allowed)].append(name)
    return [
        " ".join((
            'kafka-acls.sh --bootstrap-server "$KAFKA" --command-config "$ADMIN" --add --allow-principal',
            shlex.quote(principal),
            *(f"--operation {operation}" for operation in allowed),
            *(["--resource-pattern-type prefixed"] if prefixed else []),
            *(f"--{resource} {shlex.quote(name)}" for name in names),
        ))
        for (principal, resource, prefixed, allowed), names in together.items()
    ]  # fmt: skip
