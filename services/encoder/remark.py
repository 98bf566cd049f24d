"""Pure: what the event `encoded` says in words: why the message is what it is, and what was changed. Never its text."""

from collections.abc import Iterable
from typing import Final

from shared.sms.addresses import Address
from shared.sms.alphabet import WHY_ASKED, WHY_DEFAULT_ALPHABET
from shared.sms.binary import WHY_BINARY
from shared.sms.message import Change, Encoded

GROUPS_MAX: Final = 20
"""Kinds of changes that are listed; of the others only their number is told."""

PLACES_MAX: Final = 5
"""Places that are listed of one kind of change. Of letters only the first is: their places would tell the text."""

_EXPECTED: Final = frozenset({WHY_DEFAULT_ALPHABET, WHY_ASKED, WHY_BINARY})
"""Nobody needs to be told these."""


def remark(encoded: Encoded, source: Address) -> str:
    """What the sender may want to know: why it costs more segments than they thought, or fewer, and what was replaced.
    Empty for most."""
    parts = [] if encoded.why in _EXPECTED else [encoded.why]
    if encoded.air_segments > len(encoded.segments):
        parts.append(f"one submit_sm with message_payload, which the SMSC cuts into {encoded.air_segments} segments")
    parts += [f"sender: {change}" for change in source.changes]
    if encoded.changes:
        parts.append(f"replaced: {changes_in_words(encoded.changes)}")
    return "; ".join(parts)


def changes_in_words(changes: Iterable[Change]) -> str:
    """What was replaced, by kind, in the order of the text: `U+201C→" at 1, 102 (typographic quotation mark)`.

    Positions count from 1, as everywhere that people read them.
    """
    kinds: dict[tuple[str, str, str], list[int]] = {}
    for change in changes:
        kinds.setdefault((change.original, change.replacement, change.reason), []).append(change.position + 1)
    listed = [_kind(*kind, places) for kind, places in list(kinds.items())[:GROUPS_MAX]]
    if len(kinds) > GROUPS_MAX:
        listed.append(f"and {len(kinds) - GROUPS_MAX} other kinds")
    return ", ".join(listed)


def _kind(original: str, replacement: str, reason: str, places: list[int]) -> str:
    codes = " ".join(f"U+{ord(character):04X}" for character in original)
    shown = 1 if original[0].isalpha() else PLACES_MAX
    where = f"at {', '.join(map(str, places[:shown]))}"
    if len(places) > shown:
        where += f" and {len(places) - shown} more"
    return f"{codes}→{_replacement(replacement)} {where} ({reason})"


def _replacement(text: str) -> str:
    if not text:
        return "nothing"
    if text == " ":
        return "space"
    return text if text.isprintable() else " ".join(f"U+{ord(character):04X}" for character in text)
