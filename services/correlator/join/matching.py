"""Pure: which entry under a join key a receipt belongs to, when there are several."""

from typing import Final, NamedTuple

from schemas.joins import ClosedEntry, EarlyEntry, FormatEntry, OpenEntry, SeenReceipt
from services.correlator.join.entries import Entries

CLOCKS_MARGIN_MS: Final = 60_000
"""A receipt that Kafka had so long before it had the request is about an earlier use of the id."""

COMMON_DIGITS_MIN: Final = 7
"""A number in its national form is the end of the international one; what is shorter must be equal."""


class Belonging(NamedTuple):
    """The entry and its place; `fits`: its number is the one that the receipt came from."""

    at: int
    entry: OpenEntry | ClosedEntry
    fits: bool


def best_match(entries: Entries, seen: SeenReceipt) -> Belonging | None:
    """An entry whose number fits the receipt's source_addr before any other, an open one before a closed one, then one
    of the same connector, then the newest. None where there is no entry.

    Two nodes of a carrier may give the same id to two numbers, and an SMSC uses its ids again.
    """
    found: Belonging | None = None
    best = (False, False, False)
    for at in range(len(entries) - 1, -1, -1):
        entry = entries[at]
        if isinstance(entry, EarlyEntry | FormatEntry):
            continue
        if seen.record_at_ms + CLOCKS_MARGIN_MS < entry.accepted_at_ms:
            continue
        is_open = isinstance(entry, OpenEntry)
        fits = numbers_fit(entry.to, seen.source_addr)
        rank = (fits, is_open, isinstance(entry, OpenEntry) and entry.connector_id == seen.connector_id)
        if found is None or rank > best:
            found, best = Belonging(at, entry, fits), rank
    return found


def numbers_fit(one: str, other: str) -> bool:
    """Whether two spellings are of one number: national or international, with or without + and leading zeros."""
    if one == other:
        return bool(one)
    one, other = one.lstrip("+0"), other.lstrip("+0")
    if len(one) < len(other):
        one, other = other, one
    return len(other) >= COMMON_DIGITS_MIN and one.endswith(other)
