"""Pure: what a run of `make scale` comes to, and how it reads."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

CPU_PERCENT_MORE: Final = 10.0
PAUSE_MAX_MS: Final = 2_000
JITTER: Final = 1.05
"""The SMSC's clock sees what the network and a busy machine make of the spacing at our sockets."""


@dataclass(frozen=True, slots=True)
class Step:
    """One number of instances of each service. `pause_ms`: the longest time without a submit around the change to it;
    None: there was none. `us_per_message`: CPU by service, all its instances together."""

    instances: int
    messages_per_s: float
    us_per_message: Mapping[str, float]
    pause_ms: int | None
    binds_max: int
    tps_max: int

    @property
    def all_us(self) -> float:
        return sum(self.us_per_message.values())


@dataclass(frozen=True, slots=True)
class Outcome:
    """The whole run: `lost`, `doubled` and `unknown` by the reconciliation of all four sources."""

    steps: Sequence[Step]
    binds_allowed: int
    tps_allowed: int
    published: int
    lost: int
    doubled: int
    unknown: int
    others: Sequence[str] = ()
    """What the reconciliation found wrong beside that."""


def longest_gap_ms(at_ms: Iterable[int], since_ms: int, until_ms: int) -> int:
    """The longest time without any of the moments `at_ms` between two moments, which count as such."""
    within = sorted(at for at in at_ms if since_ms < at < until_ms)
    return max(b - a for a, b in pairwise([since_ms, *within, until_ms]))


def most_in_a_second(at_ms: Iterable[int]) -> int:
    """The largest number of the moments in any second."""
    moments = sorted(at_ms)
    return max((bisect_right(moments, at + 999) - number for number, at in enumerate(moments)), default=0)


def misses(outcome: Outcome) -> list[str]:
    """What is not as it should be, a sentence each."""
    found = []
    first = outcome.steps[0].all_us
    for step in outcome.steps[1:]:
        more = 100 * (step.all_us / first - 1) if first else 0.0
        if more > CPU_PERCENT_MORE:
            found.append(f"{step.instances} instances: {more:.0f} % more CPU a message than one")
    for step in outcome.steps:
        if step.pause_ms is not None and step.pause_ms > PAUSE_MAX_MS:
            found.append(f"{step.instances} instances: a pause of {step.pause_ms} ms at the change")
        if step.binds_max > outcome.binds_allowed:
            found.append(f"{step.instances} instances: {step.binds_max} binds, max_binds are {outcome.binds_allowed}")
        if step.tps_max > outcome.tps_allowed * JITTER:
            found.append(
                f"{step.instances} instances: {step.tps_max} submits in a second, tps is {outcome.tps_allowed}"
            )
    counts = {"lost": outcome.lost, "doubled": outcome.doubled, "in doubt": outcome.unknown}
    found += [f"{count} {what}" for what, count in counts.items() if count]
    return [*found, *outcome.others]


def as_json(outcome: Outcome) -> dict[str, Any]:
    return asdict(outcome) | {"misses": misses(outcome)}


def render(outcome: Outcome) -> str:
    """A table, and what missed its aim."""
    names = list(outcome.steps[0].us_per_message)
    head = ["instances", "messages/s", *names, "all µs/msg", "pause ms", "binds", "tps"]
    rows = [
        [
            str(step.instances),
            f"{step.messages_per_s:.0f}",
            *(f"{step.us_per_message[name]:.0f}" for name in names),
            f"{step.all_us:.0f}",
            "" if step.pause_ms is None else str(step.pause_ms),
            f"{step.binds_max}/{outcome.binds_allowed}",
            f"{step.tps_max}/{outcome.tps_allowed}",
        ]
        for step in outcome.steps
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    told = f"{outcome.published} messages: {outcome.lost} lost, {outcome.doubled} doubled, {outcome.unknown} in doubt"
    return "\n".join([*lines, "", told, *(f"MISSED {miss}" for miss in misses(outcome))])
