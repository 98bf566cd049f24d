"""Pure: which format a provider's ids have, learned from receipts that can have been matched in one way only.

    nothing known ──at least 20 matches, 99 % of one format──▶ known
    known ──20 for others, and less than 99 % for it──▶ nothing known

Once known it is watched: a receipt that waits in vain is looked for under the other formats too, and what is found so
speaks against it. Counts are halved as they grow, so that what happens now weighs more than what was.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from schemas.joins import FormatEntry
from schemas.wire import KnownFormat
from shared.sms.smsc_message_id import FORMATS

MATCHES_MIN: Final = 20
AGREEING_MIN_PERCENT: Final = 99
FADE_AT: Final = 2_000
"""Counts are halved beyond this: what came long ago may delay a change by so many matches at most."""

NOTHING_LEARNED: Final = FormatEntry("format", "", {})


class Lesson(NamedTuple):
    """The entry after some matches, and whether the format has become known or unknown by them."""

    entry: FormatEntry
    changed: bool


def learn(entry: FormatEntry, matches: Mapping[str, int]) -> Lesson:
    """Count `matches` (by format) in."""
    counts = {one: entry.counts.get(one, 0) + matches.get(one, 0) for one in FORMATS}
    known: KnownFormat | None = entry.format or None
    if known is not None and _is_broken(counts, known):
        counts[known] = 0
        known = None
    if known is None:
        known = _agreed(counts)
    while sum(counts.values()) > FADE_AT:
        counts = {one: count // 2 for one, count in counts.items()}
    kept: dict[str, int] = {one: count for one, count in counts.items() if count}
    return Lesson(FormatEntry("format", known or "", kept), (known or "") != entry.format)


def _is_broken(counts: Mapping[KnownFormat, int], known: KnownFormat) -> bool:
    total = sum(counts.values())
    return total - counts[known] >= MATCHES_MIN and counts[known] * 100 < AGREEING_MIN_PERCENT * total


def _agreed(counts: Mapping[KnownFormat, int]) -> KnownFormat | None:
    total = sum(counts.values())
    best = max(counts, key=lambda one: counts[one])
    enough = total >= MATCHES_MIN and counts[best] * 100 >= AGREEING_MIN_PERCENT * total
    return best if enough else None
