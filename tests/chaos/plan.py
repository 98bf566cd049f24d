"""Pure: what is done to whom, when and for how long, as a function of the seed.

Every combination of kind and process stands in a deck; rounds draw from it, and it is shuffled anew when it is used up.
So no combination comes twice before each came once, and a round of a seed is always the same, however many follow it.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final, Literal

Kind = Literal[
    "kill",
    "stop",
    "stop with supervisor",
    "late write",
    "stall",
    "cut",
    "delay",
    "clock ahead",
    "clock behind",
    "disk full",
    "config",
]

Moment = Literal["", "produce", "commit"]
"""What the process is just doing: whatever it is; a request to write records, or to commit, is on its way to Kafka."""

SERVICES: Final = ("ingress", "encoder", "throttler", "binder", "correlator", "recorder", "scheduler")
KAFKA: Final = "kafka"
CLICKHOUSE: Final = "clickhouse"
SMSC: Final = "simulator"
PUBLISHER: Final = "publisher"
INSTANCES: Final = ("0", "1")
CHANGES: Final = ("account", "route", "opt-out", "connector")
"""What is changed by `config`: removed or turned, and put back after `seconds`."""

LINKS: Final = (
    *((service, KAFKA) for service in SERVICES),
    (PUBLISHER, KAFKA),
    ("recorder", CLICKHOUSE),
    ("binder", SMSC),
)
"""Two parts that talk over TCP, in the order of who connects."""

SESSION_S: Final = 10.0
"""The session timeout of our consumer groups: who sleeps longer is replaced."""

TAKE_OVER_S: Final = 1.0
CLOCK_OFF_S: Final = 3600
AFTER_MIN, AFTER_MAX = 30, 200
CHANGED_AFTER: Final = 20
"""Messages: who writes late has decided by then, who takes over has not."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`after`: it begins when so many messages of its round have been published. `seconds`: how long it lasts.

    `moment`: it waits, some seconds at most, until the process does just that. `peer` is the other end of a link;
    `instance` whose process it is, where there are two.
    """

    kind: Kind
    process: str
    peer: str = ""
    instance: str = ""
    after: int = 0
    seconds: float = 0.0
    moment: Moment = ""

    @property
    def row(self) -> tuple[str, str]:
        """Kind and process as the table of results names them."""
        return self.kind, f"{self.process} to {self.peer}" if self.peer else self.process

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Round:
    number: int
    faults: tuple[Fault, ...]


def choices() -> tuple[Fault, ...]:
    """Every combination of kind and process, without its time."""
    everything = (*SERVICES, KAFKA, CLICKHOUSE, SMSC)
    return (
        *(Fault("kill", process) for process in everything),
        *(Fault("stop", process) for process in everything),
        *(Fault("stop with supervisor", service) for service in SERVICES),
        *(Fault("late write", service) for service in SERVICES),
        *(Fault("stall", one, other) for one, other in LINKS),
        *(Fault("cut", one, other) for one, other in LINKS),
        *(Fault("delay", one, other) for one, other in LINKS),
        *(Fault("clock ahead", service) for service in SERVICES),
        *(Fault("clock behind", service) for service in SERVICES),
        *(Fault("disk full", process) for process in (KAFKA, CLICKHOUSE)),
        *(Fault("config", change) for change in CHANGES),
    )


def plan(seed: int, rounds: int, faults: int = 2, longest_s: float = 30.0, only: str = "") -> list[Round]:
    """The first `rounds` rounds of a seed, each of `faults` faults at least.

    A write that arrives late shows something only where its successor decides otherwise, so a change of the
    configuration goes with it, and lasts until it has arrived; to other rounds one is added half of the time.
    `longest_s` bounds how long a process sleeps, 1.5 times that where its supervisor sleeps too, which is then longer
    than the supervisor's patience.
    `only`: combinations whose name (`late write: ingress`) contains this. Raises ValueError where there is none.
    """
    cards = [fault for fault in choices() if only in ": ".join(fault.row)]
    if not cards:
        raise ValueError(f"no fault is named {only!r}")
    return list(islice(_rounds(random.Random(f"chaos {seed}"), cards, faults, longest_s), rounds))


def _rounds(chance: random.Random, cards: Sequence[Fault], faults: int, longest_s: float) -> Iterator[Round]:
    deck = _deck(chance, cards)
    number = 0
    while True:
        drawn = [_timed(next(deck), chance, longest_s) for _ in range(faults)]
        late = next((fault for fault in drawn if fault.kind == "late write"), None)
        if late is not None:
            change = chance.choice(("account", "opt-out"))
            drawn.append(Fault("config", change, "", "", late.after + CHANGED_AFTER, late.seconds + TAKE_OVER_S))
        elif all(fault.kind != "config" for fault in drawn) and chance.random() < 0.5:
            drawn.append(_timed(Fault("config", chance.choice(CHANGES)), chance, longest_s))
        yield Round(number, tuple(drawn))
        number += 1


def _deck(chance: random.Random, cards: Sequence[Fault]) -> Iterator[Fault]:
    while True:
        shuffled = list(cards)
        chance.shuffle(shuffled)
        yield from shuffled


def _timed(fault: Fault, chance: random.Random, longest_s: float) -> Fault:
    instance = chance.choice(INSTANCES) if fault.process in SERVICES else ""
    after = chance.randrange(AFTER_MIN, AFTER_MAX)
    seconds = round(_seconds(fault, chance, longest_s), 1)
    return Fault(fault.kind, fault.process, fault.peer, instance, after, seconds, _moment(fault, chance))


def _moment(fault: Fault, chance: random.Random) -> Moment:
    """Most crashes between two steps are found where the steps are, not by waiting for chance."""
    if fault.process not in SERVICES or fault.kind not in ("kill", "stop", "stop with supervisor", "late write"):
        return ""
    if fault.process == "recorder":  # it writes to ClickHouse
        return "commit"
    if fault.kind == "late write":
        return "produce"
    return chance.choice(("produce", "commit"))


def _seconds(fault: Fault, chance: random.Random, longest_s: float) -> float:
    """Short enough to be overslept by the group, or long enough for a successor to have begun."""
    over = chance.uniform(SESSION_S + TAKE_OVER_S, max(longest_s, SESSION_S + 2 * TAKE_OVER_S))
    match fault.kind:
        case "kill":
            return 0.0
        case "stop":
            return over if chance.random() < 0.6 else chance.uniform(1.0, 5.0)
        case "stop with supervisor":
            return over * 1.5
        case "late write":
            return over + 2 * TAKE_OVER_S
        case "stall":
            return over if chance.random() < 0.5 else chance.uniform(1.0, 5.0)
        case "cut":
            return 0.0
        case "disk full":
            return chance.uniform(4.0, 12.0)
        case "config":
            return chance.uniform(3.0, 14.0)
        case _:
            return chance.uniform(5.0, 12.0)
