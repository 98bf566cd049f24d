"""Pure: the four-source reconciliation: what was published, what the SMSC accepted, what was told, what is stored.

A message may end in one way only, each of its segments may have been accepted once only, and all four must agree. In
doubt (a binder died with the submit on its way) is allowed to be counted, never to be hidden.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

COMPLETE = frozenset({"delivered", "submitted"})
"""Ends that cannot be reached without every segment having been accepted."""


@dataclass(frozen=True, slots=True)
class Published:
    """One request as it was acknowledged by Kafka. `to` is None where no submit_sm may follow from it."""

    message_id: str
    to: str | None


@dataclass(frozen=True, slots=True)
class Submit:
    """One submit_sm that the SMSC accepted, from its own log."""

    to: str
    part: int
    parts: int


@dataclass(frozen=True, slots=True)
class Final:
    """A final status record."""

    message_id: str
    status_id: str
    status: str
    reason: str | None
    segments: int
    segments_delivered: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The result; `ok` when nothing was lost, doubled or contradicted."""

    published: int
    dead_letters: int
    finals: Mapping[str, int]
    submits: int
    stored: int
    in_doubt: int
    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.lost or self.duplicates or self.contradictions)

    def as_dict(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


def reconcile(
    published: Iterable[Published],
    dead_letters: tuple[int, int],
    submits: Iterable[Submit],
    finals: Iterable[Final],
    stored: Mapping[str, tuple[str, bool]],
) -> Reconciliation:
    """`dead_letters`: how many were expected, and how many there are. `stored`: status and final by message_id.

    Sentences in `lost`, `duplicates` and `contradictions` each name one message.
    """
    sent = list(published)
    by_message: dict[str, dict[str, Final]] = {}
    for final in finals:
        by_message.setdefault(final.message_id, {})[final.status_id] = final
    accepted: dict[str, Counter[int]] = {}
    for submit in submits:
        accepted.setdefault(submit.to, Counter())[submit.part] += 1
    lost: list[str] = []
    duplicates: list[str] = []
    contradictions: list[str] = []
    for message in sent:
        ends = list(by_message.get(message.message_id, {}).values())
        parts = accepted.get(message.to or "", Counter())
        if not ends:
            lost.append(f"{message.message_id} has no final status")
            continue
        if len(ends) > 1:
            words = ", ".join(sorted(end.status for end in ends))
            duplicates.append(f"{message.message_id} has {len(ends)} final statuses: {words}")
        duplicates += [
            f"{message.message_id} segment {part} was accepted {times} times"
            for part, times in parts.items()
            if times > 1
        ]
        contradictions += _contradictions(message, ends[0], parts, stored.get(message.message_id))
    contradictions += _strangers(sent, by_message, accepted)
    if dead_letters[0] != dead_letters[1]:
        contradictions.append(f"{dead_letters[0]} dead letters were expected, there are {dead_letters[1]}")
    return Reconciliation(
        published=len(sent),
        dead_letters=dead_letters[1],
        finals=Counter(end.status for ends in by_message.values() for end in ends.values()),
        submits=sum(sum(parts.values()) for parts in accepted.values()),
        stored=len(stored),
        in_doubt=sum(end.reason == "in_doubt" for ends in by_message.values() for end in ends.values()),
        lost=lost,
        duplicates=duplicates,
        contradictions=contradictions,
    )


def _contradictions(
    message: Published, end: Final, parts: Counter[int], stored: tuple[str, bool] | None
) -> Iterable[str]:
    needed = end.segments if end.status in COMPLETE else end.segments_delivered
    if len(parts) < needed:
        yield f"{message.message_id} is {end.status}, needs {needed} segments, and the SMSC accepted {len(parts)}"
    if end.status == "rejected" and parts:
        yield f"{message.message_id} is rejected and yet was submitted"
    if stored is None:
        yield f"{message.message_id} is not in ClickHouse"
    elif stored != (end.status, True):
        yield f"{message.message_id} is {end.status}, but {stored[0]}{'' if stored[1] else ' (open)'} in ClickHouse"


def _strangers(
    sent: list[Published], by_message: Mapping[str, Any], accepted: Mapping[str, Counter[int]]
) -> Iterable[str]:
    """Whatever ended or was submitted without having been published."""
    known = {message.message_id for message in sent}
    numbers = {message.to for message in sent}
    yield from (f"{message_id} was never published" for message_id in by_message if message_id not in known)
    yield from (f"a submit_sm to {to} belongs to no published message" for to in accepted if to not in numbers)
