"""Pure: the line that tells what happened lately."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Totals:
    """Counted since the start, over all accounts; `binds` and `queued` are as of now."""

    accepted: int = 0
    refused: int = 0
    receipts: int = 0
    mo: int = 0
    queued: int = 0
    binds: Mapping[str, int] | None = None


def is_quiet(before: Totals, after: Totals) -> bool:
    """Whether nothing happened in between."""
    return (before.accepted, before.refused, before.receipts, before.mo) == (
        after.accepted,
        after.refused,
        after.receipts,
        after.mo,
    )


def rate_line(before: Totals, after: Totals, elapsed_s: float) -> str:
    """`submits 240/s, refused 2/s, receipts 238/s, mo 0/s, 12 queued, binds: alpha 2, beta 1`."""
    return ", ".join((*_rates(before, after, elapsed_s), f"{after.queued} queued", f"binds: {_binds(after.binds)}"))


def _rates(before: Totals, after: Totals, elapsed_s: float) -> Iterable[str]:
    for name, earlier, later in (
        ("submits", before.accepted, after.accepted),
        ("refused", before.refused, after.refused),
        ("receipts", before.receipts, after.receipts),
        ("mo", before.mo, after.mo),
    ):
        yield f"{name} {(later - earlier) / max(elapsed_s, 0.001):.0f}/s"


def _binds(binds: Mapping[str, int] | None) -> str:
    return ", ".join(f"{system_id} {count}" for system_id, count in (binds or {}).items() if count) or "none"
