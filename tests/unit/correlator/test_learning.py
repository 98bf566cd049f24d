"""What counts of matches come to."""

from typing import cast

import pytest

from schemas.joins import FormatEntry
from schemas.wire import KnownFormat
from services.correlator.join.learning import FADE_AT, NOTHING_LEARNED, learn


def _known(word: str, **counts: int) -> FormatEntry:
    return FormatEntry("format", cast("KnownFormat", word), counts)


@pytest.mark.parametrize(
    ("counts", "learned"),
    [
        ({"hex": 19}, ""),
        ({"hex": 20}, "hex"),
        ({"raw": 20}, "raw"),
        ({"dec": 500}, "dec"),
        ({"hex": 20, "raw": 1}, ""),
        ({"hex": 98, "raw": 2}, ""),
        ({"hex": 99, "raw": 1}, "hex"),
        ({}, ""),
    ],
)
def test_twenty_matches_and_ninety_nine_of_a_hundred(counts: dict[str, int], learned: str) -> None:
    entry, changed = learn(NOTHING_LEARNED, counts)
    assert (entry.format, changed) == (learned, bool(learned))
    assert entry.counts == counts


def test_counts_add_up_over_many_times() -> None:
    entry, changes = NOTHING_LEARNED, []
    for _ in range(25):
        entry, changed = learn(entry, {"dec": 1})
        changes.append(changed)
    assert changes.index(True) == 19
    assert sum(changes) == 1


@pytest.mark.parametrize(
    ("before", "matches", "after", "changed"),
    [
        (_known("hex", hex=20), {"raw": 19}, "hex", False),
        (_known("hex", hex=20), {"raw": 20}, "raw", True),
        (_known("hex", hex=1_900), {"raw": 19}, "hex", False),
        (_known("hex", hex=1_900), {"raw": 20}, "raw", True),
        (_known("hex", hex=20), {"raw": 10, "dec": 10}, "", True),
        (_known("hex", hex=20, raw=15), {"hex": 900, "raw": 4}, "hex", False),
    ],
)
def test_what_is_known_is_given_up_when_enough_speaks_against_it(
    before: FormatEntry, matches: dict[str, int], after: str, changed: bool
) -> None:
    entry, has_changed = learn(before, matches)
    assert (entry.format, has_changed) == (after, changed)


def test_what_is_long_past_fades() -> None:
    entry, _ = learn(_known("hex", hex=FADE_AT), {"hex": 1_000, "raw": 1})
    assert sum(entry.counts.values()) <= FADE_AT
    assert entry.counts == {"hex": 1_500}
