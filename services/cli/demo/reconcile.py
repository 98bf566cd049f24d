"""Pure: the four-source reconciliation: what was published, what the SMSC accepted, what was told, what is stored.

A message may end in one way only, each of its segments may have been accepted once only, and all four must agree. That
an outcome is not known (a binder, a link or the SMSC died with the submit on its way) is counted by reason, never
hidden: how many there may be is for the caller to say.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP, dlq_of

COMPLETE: Final = frozenset({"delivered", "submitted"})
"""Ends that cannot be reached without every segment having been accepted."""

STEPS: Final = frozenset({"accepted", "queued", "submitted"})
"""What is told on the way to `delivered` where `receipt` is `all`; nothing is where it is anything else."""

REQUEST_DLQS: Final = frozenset({dlq_of(MT_REQUESTS), dlq_of(MT_REQUESTS_OTP)})
"""A dead letter anywhere else is a record of our own that could not be read: never right."""


@dataclass(frozen=True, slots=True)
class Published:
    """One request as it was acknowledged by Kafka. `to` is None where no submit_sm may follow from it.

    `copies`: ids of further records with the same idempotency key. At most one of all these is taken and sent; each of
    the others is a repeat without a status, or was `rejected` before the key was taken.
    """

    message_id: str
    to: str | None
    receipt: str = "final"
    copies: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        return (self.message_id, *self.copies)


@dataclass(frozen=True, slots=True)
class Submit:
    """One submit_sm that the SMSC accepted, from its own log."""

    to: str
    part: int
    parts: int
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """A record of `mt.statuses`. `content` stands for all of it: repeats must not differ."""

    message_id: str
    status_id: str
    status: str
    final: bool
    reason: str | None
    segments: int
    segments_delivered: int
    content: int
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The result; `ok` when nothing was lost, doubled or contradicted. `unknown` counts `outcome_unknown` by reason."""

    published: int
    dead_letters: int
    finals: Mapping[str, int]
    submits: int
    stored: int
    unknown: Mapping[str, int]
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
    dead_letters: tuple[int, Mapping[str, int]],
    submits: Iterable[Submit],
    statuses: Iterable[Told],
    stored: Mapping[str, tuple[str, bool]],
) -> Reconciliation:
    """`dead_letters`: how many requests were to end there, and what lies in which dead-letter topic. `stored`: status
    and final by message_id.

    Sentences in `lost`, `duplicates` and `contradictions` each name one message, or one topic.
    """
    sent = list(published)
    told, contradictions = _by_message(statuses)
    finals = {message_id: [one for one in found if one.final] for message_id, found in told.items()}
    accepted: dict[str, Counter[int]] = defaultdict(Counter)
    for submit in submits:
        accepted[submit.to][submit.part] += 1
    lost: list[str] = []
    duplicates: list[str] = []
    for message in sent:
        parts = accepted.get(message.to or "", Counter())
        duplicates += _accepted_again(message, parts)
        ends = {one: found for one in message.ids if (found := finals.get(one))}
        for one, found in ends.items():
            duplicates += _ended_again(one, found)
        if not ends:
            lost.append(f"{message.message_id} has no final status")
            continue
        taken = [found[0] for found in ends.values() if found[0].status != "rejected"]
        if len(taken) > 1:
            names = " and ".join(f"{end.message_id} ({end.status})" for end in taken)
            duplicates.append(f"{names} have one idempotency key")
        end = taken[0] if taken else next(iter(ends.values()))[0]
        contradictions += _contradictions(end, parts)
        for found in ends.values():
            contradictions += _stored_otherwise(found[0], stored.get(found[0].message_id))
        steps = {one.status for message_id in message.ids for one in told.get(message_id, []) if not one.final}
        contradictions += _wrong_steps(message, end, steps)
    contradictions += _strangers(sent, told, accepted)
    expected, dead = dead_letters
    contradictions += _dead_letters(expected, dead)
    ended = [end for ends in finals.values() for end in ends]
    return Reconciliation(
        published=len(sent),
        dead_letters=sum(count for topic, count in dead.items() if topic in REQUEST_DLQS),
        finals=Counter(end.status for end in ended),
        submits=sum(sum(parts.values()) for parts in accepted.values()),
        stored=len(stored),
        unknown=Counter(end.reason or "" for end in ended if end.status == "outcome_unknown"),
        lost=lost,
        duplicates=duplicates,
        contradictions=contradictions,
    )


def _by_message(statuses: Iterable[Told]) -> tuple[dict[str, list[Told]], list[str]]:
    """What was told about each message, repeats collapsed on `status_id`; and the repeats that differ."""
    known: dict[str, dict[str, Told]] = defaultdict(dict)
    differ: list[str] = []
    for one in statuses:
        first = known[one.message_id].setdefault(one.status_id, one)
        if first.content != one.content:
            differ.append(f"{one.message_id} was told {one.status} twice, and not the same each time")
    return {message_id: list(found.values()) for message_id, found in known.items()}, differ


def _ended_again(message_id: str, ends: list[Told]) -> Iterable[str]:
    if len(ends) > 1:
        words = ", ".join(sorted(end.status for end in ends))
        yield f"{message_id} has {len(ends)} final statuses: {words}"


def _accepted_again(message: Published, parts: Counter[int]) -> Iterable[str]:
    for part, times in parts.items():
        if times > 1:
            yield f"{message.message_id} segment {part} was accepted {times} times"


def _contradictions(end: Told, parts: Counter[int]) -> Iterable[str]:
    needed = end.segments if end.status in COMPLETE else end.segments_delivered
    if len(parts) < needed:
        yield f"{end.message_id} is {end.status}, needs {needed} segments, and the SMSC accepted {len(parts)}"
    if end.status == "rejected" and parts:
        yield f"{end.message_id} is rejected and yet was submitted"


def _stored_otherwise(end: Told, stored: tuple[str, bool] | None) -> Iterable[str]:
    if stored is None:
        yield f"{end.message_id} is not in ClickHouse"
    elif stored != (end.status, True):
        yield f"{end.message_id} is {end.status}, but {stored[0]}{'' if stored[1] else ' (open)'} in ClickHouse"


def _wrong_steps(message: Published, end: Told, steps: set[str]) -> Iterable[str]:
    """What `receipt` asked for, and what was told."""
    if end.status in COMPLETE and (end.status == "submitted") != (message.receipt == "none"):
        yield f"{message.message_id} asked for receipt {message.receipt} and ended as {end.status}"
    if message.receipt != "all":
        yield from (f"{message.message_id} did not ask for steps and was told {word}" for word in sorted(steps))
    elif end.status == "delivered":
        yield from (f"{message.message_id} was never told {word}" for word in sorted(STEPS - steps))


def _strangers(sent: list[Published], told: Collection[str], accepted: Collection[str]) -> Iterable[str]:
    """Whatever was told or submitted without having been published."""
    known = {message_id for message in sent for message_id in message.ids}
    numbers = {message.to for message in sent}
    yield from (f"{message_id} was never published" for message_id in told if message_id not in known)
    yield from (f"a submit_sm to {to} belongs to no published message" for to in accepted if to not in numbers)


def _dead_letters(expected: int, found: Mapping[str, int]) -> Iterable[str]:
    there = sum(count for topic, count in found.items() if topic in REQUEST_DLQS)
    if expected != there:
        yield f"{expected} dead letters were expected, there are {there}"
    for topic, count in sorted(found.items()):
        if topic not in REQUEST_DLQS and count:
            yield f"{topic} has {count} dead letters, and should have none"
