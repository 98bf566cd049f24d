"""Pure: what a round has shown, beyond the reconciliation: doubt and its causes, order of segments, binds at once."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.cli.demo.reconcile import Published, Reconciliation, Submit
from tests.chaos.plan import KAFKA, SMSC, Fault, Round
from tests.chaos.smpp_binds import Excess


@dataclass(frozen=True, slots=True)
class Stopped:
    """A stretch of time (monotonic seconds) in which a process was held still."""

    process: str
    from_s: float
    to_s: float


CLAIMED_MAX: Final = 2 * (2 * 20 + 10 + 20)
"""Two windows a bind: of the two binds of quick-1, of picky-1, and of the connector that comes and goes."""

REASONS: Final = frozenset({"in_doubt", "no_submit_response"})
ROUSED_S: Final = 5.0
"""How long a holder that is let go may need until it has noticed that it slept, and has closed its connections."""


def may_leave_doubt(fault: Fault) -> bool:
    """Only what happens to a binder, to the SMSC, to the way between them, or to Kafka, leaves an outcome unknown."""
    if fault.kind in ("clock ahead", "clock behind", "config"):
        return False
    return fault.process in ("binder", SMSC, KAFKA)


def doubt_max(one: Round) -> int:
    """How many messages may be in doubt after the round."""
    return CLAIMED_MAX * sum(may_leave_doubt(fault) for fault in one.faults)


def out_of_order(submits: Iterable[Submit], again: Collection[str]) -> list[str]:
    """Numbers whose segments came in another order than theirs, but those that were dispatched more than once."""
    highest: dict[str, int] = defaultdict(int)
    found: dict[str, None] = {}
    for submit in submits:
        if submit.part < highest[submit.to] and submit.to not in again:
            found[submit.to] = None
        highest[submit.to] = max(highest[submit.to], submit.part)
    return list(found)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wrong`: every sentence that makes a run fail. `bound_twice`: how often there were more binds than max_binds,
    each time while the old holder was stopped, which nobody can prevent.
    """

    round: Round
    reconciliation: Reconciliation
    doubted: int
    bound_twice: int
    wrong: Sequence[str]
    seconds: float

    @property
    def ok(self) -> bool:
        return not self.wrong

    def as_dict(self, seed: int) -> dict[str, Any]:
        found = self.reconciliation
        return {
            "seed": seed,
            "round": self.round.number,
            "faults": [fault.as_dict() for fault in self.round.faults],
            "published": found.published,
            "finals": dict(found.finals),
            "submits": found.submits,
            "lost": len(found.lost),
            "doubled": len(found.duplicates),
            "contradictions": len(found.contradictions),
            "in_doubt": self.doubted,
            "unknown": dict(found.unknown),
            "bound_twice": self.bound_twice,
            "wrong": list(self.wrong),
            "seconds": round(self.seconds, 1),
            "ok": self.ok,
        }


def judge(
    planned: Round,
    found: Reconciliation,
    *,
    disordered: Sequence[str],
    early: Sequence[str],
    vanished: Sequence[str],
    missed: Sequence[str],
    binds: Sequence[Excess],
    stopped: Sequence[Stopped],
    seconds: float,
) -> Verdict:
    """`vanished`: ids that Kafka had acknowledged and that are not in its log. `missed`: sentences about
    receipts that a binder had received in time; when they were in Kafka, which is what counts, follows from that only
    where neither was disturbed.
    """
    asleep = [stretch for stretch in stopped if stretch.process == "binder"]
    excused = [excess for excess in binds if any(_covers(stretch, excess) for stretch in asleep)]
    doubted = sum(found.unknown.values())
    wrong = [*found.lost, *found.duplicates, *found.contradictions]
    if not found.published:
        wrong.append("nothing was published: too many messages of earlier rounds had no end")
    if not any(may_leave_doubt(fault) for fault in planned.faults):
        wrong += missed
    wrong += [f"{message_id} was acknowledged by Kafka and is not in its log" for message_id in vanished]
    wrong += [f"the segments to {to} were submitted out of order" for to in disordered]
    wrong += [f"something was submitted to {to} before its send_at" for to in early]
    wrong += [
        f"{one.system_id} had {one.binds} binds for {one.to_s - one.from_s:.1f} s while no holder was stopped"
        for one in binds
        if one not in excused
    ]
    wrong += [f"{count} are unknown for the reason {reason!r}" for reason, count in _strange(found.unknown).items()]
    if doubted > doubt_max(planned):
        wrong.append(f"{doubted} messages are in doubt, and at most {doubt_max(planned)} may be after such faults")
    return Verdict(planned, found, doubted, len(excused), wrong, seconds)


def _strange(unknown: Mapping[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in unknown.items() if reason not in REASONS}


def _covers(stretch: Stopped, excess: Excess) -> bool:
    """Whether the excess began while the process was stopped, and ended soon after it was let go."""
    return stretch.from_s <= excess.from_s <= stretch.to_s + ROUSED_S and excess.to_s <= stretch.to_s + ROUSED_S


def without_end(published: Iterable[Published], ended: Collection[str]) -> list[Published]:
    """Messages of which no record has a final status yet."""
    return [one for one in published if not any(message_id in ended for message_id in one.ids)]
