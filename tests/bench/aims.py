"""Pure: what the end-to-end benchmark's figures are measured against, and how they read beside it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

BUDGET_US: Final = {
    "ingress": 35, "encoder": 30, "throttler": 55, "binder": 45, "correlator": 45, "recorder": 15, "kafka": 135,
    "clickhouse": 50,
}  # fmt: skip
"""A first budget for one single-segment message with receipt, everything counted but the simulator and the load."""

ALL_PARTS_US: Final = 690
MESSAGES_PER_S: Final = 2_500
IDLE_PERCENT: Final = 10.0
P99_MS: Final = {"half_rate": {"otp": 75, "others": 250}, "tenth_rate": {"otp": 50, "others": 150}}
"""accept → socket, by lane, at half and a tenth of `MESSAGES_PER_S` (of what the machine can do, if that is less)."""

PHASES: Final = ("saturated", "half_rate", "tenth_rate")


@dataclass(frozen=True, slots=True)
class Aim:
    """One figure beside what it should be: at most `limit`, or at least where `least`."""

    what: str
    figure: float
    limit: float
    unit: str
    least: bool = False

    @property
    def met(self) -> bool:
        return self.figure >= self.limit if self.least else self.figure <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.least else "<="
        word = "met" if self.met else "MISSED"
        return f"{word:<7}{self.what}: {self.figure:g} {self.unit} (aim {sign} {self.limit:g})"


def all_parts_us(phase: dict[str, Any]) -> float:
    """CPU per message of everything that has a budget."""
    spent: dict[str, float] = phase["us_per_message"]
    return round(sum(us for process, us in spent.items() if process in BUDGET_US), 1)


def aims(figures: dict[str, Any]) -> list[Aim]:
    """Every aim that there is a figure for: phases that were left out have none."""
    return [*_of_saturation(figures), *_of_latency(figures), *_of_idleness(figures)]


def _of_saturation(figures: dict[str, Any]) -> Iterable[Aim]:
    if phase := figures.get("saturated"):
        yield Aim("messages end to end", phase["messages_per_s"], MESSAGES_PER_S, "/s", least=True)
        yield Aim("CPU of all parts", all_parts_us(phase), ALL_PARTS_US, "µs/message")


def _of_latency(figures: dict[str, Any]) -> Iterable[Aim]:
    for name, limits in P99_MS.items():
        for lane, spread in figures.get(name, {}).get("accept_to_socket_ms", {}).items():
            limit = limits.get(lane, limits["others"])
            yield Aim(f"{name}: {lane}, accept to socket, p99", spread["p99"], limit, "ms")


def _of_idleness(figures: dict[str, Any]) -> Iterable[Aim]:
    if idle := figures.get("idle"):
        yield Aim("all of it, idle", idle["sum"], IDLE_PERCENT, "% of a core")


def render(figures: dict[str, Any]) -> str:
    """The figures beside the budget, and the aims."""
    lines = [f"\nPython {figures['python']}"]
    lines += [line for name in PHASES if name in figures for line in _phase_lines(name, figures[name])]
    if idle := figures.get("idle"):
        lines.append(f"\nidle: {idle['sum']} % of one core: {idle['percent_of_a_core']}")
        lines.append(f"resident memory, MB: idle {idle['memory_mb']}; after {figures['memory_mb']}")
    return "\n".join([*lines, "", *map(str, aims(figures))])


def _phase_lines(name: str, phase: dict[str, Any]) -> Iterable[str]:
    yield f"\n{name}: {phase['messages_per_s']} messages/s end to end, receipts on"
    for process, us in phase["us_per_message"].items():
        yield f"  {process:<11} {us:8.1f} µs/message   budget {BUDGET_US.get(process, '-')}"
    budget = sum(BUDGET_US.values())
    yield f"  {'all parts':<11} {all_parts_us(phase):8.1f} µs/message   budget {budget}   (without the simulator)"
    for lane, p in phase["accept_to_socket_ms"].items():
        yield f"  {lane:<5} accept -> socket p50 {p['p50']} p95 {p['p95']} p99 {p['p99']} ms (n={p['n']})"
