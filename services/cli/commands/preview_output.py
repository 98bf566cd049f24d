"""Edge: how `smsgw preview` shows what it found: tables for people, a dictionary for programs."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, Final

from services.cli.output import console, styled, table
from shared.smpp.tlv import Tag
from shared.sms import udh
from shared.sms.assembly import ESM_CLASS_UDHI
from shared.sms.message import Change, Segment
from shared.sms.preview import Preview

ROWS_MAX: Final = 20
"""How many different replacements a person is shown; a program gets all."""

_ALPHABETS: Final = {"gsm7": "GSM 7-bit", "ucs2": "UCS-2", "latin1": "Latin-1", "binary": "binary"}


def as_dict(found: Preview, notes: Sequence[str], *, octets: bool) -> dict[str, Any]:
    """For programs; positions count from 0."""
    shown: dict[str, Any] = {
        "sendable": found.refused is None,
        "alphabet": found.alphabet,
        "why": found.why,
        "data_coding": found.data_coding,
        "esm_class": found.esm_class,
        "segments": found.segments,
        "units": found.units,
        "units_used": found.units_used,
        "units_left": found.units_left,
        "changes": _changes(found.changes),
        "forcing": [{"character": f.character, "position": f.position, "times": f.times} for f in found.forcing],
        "forcing_more": found.forcing_more,
        "saving": None,
        "notes": list(notes),
    }
    if found.saving is not None:
        shown["saving"] = {"segments": found.saving.segments, "changes": _changes(found.saving.changes)}
    if found.refused is not None:
        shown |= {"reason": found.refused.reason, "field": found.refused.field, "detail": found.refused.detail}
    if octets:
        shown["submissions"] = [_submission(segment) for segment in found.submissions]
    return shown


def _changes(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [
        {"position": c.position, "original": c.original, "replacement": c.replacement, "reason": c.reason}
        for c in changes
    ]


def _submission(segment: Segment) -> dict[str, Any]:
    tlvs = [{"tag": tag, "name": _tag_name(tag), "value": value.hex()} for tag, value in segment.tlvs]
    return {"short_message": segment.octets.hex(), "tlvs": tlvs}


def _tag_name(tag: int) -> str:
    return Tag(tag).name.lower()


def show(found: Preview, notes: Sequence[str], *, octets: bool) -> None:
    """For people; positions count from 1."""
    if found.refused is not None:
        console.print(styled(("cannot be sent:", "red"), f" {found.refused.reason}: {found.refused.detail}"))
    else:
        _show_cost(found)
    for note in notes:
        console.print(styled(("note:", "yellow"), f" {note}"))
    if found.forcing:
        _show_forcing(found)
    if found.changes:
        _show_changes("replaced", found.changes)
    if found.saving is not None:
        instead = f" instead of {found.segments}" if found.segments else ""
        console.print()
        console.print(styled((f"with --transliterate: {_count(found.saving.segments, 'segment')}{instead}", "green")))
        _show_changes("would be replaced", found.saving.changes)
    if octets and found.submissions:
        _show_octets(found)


def _show_cost(found: Preview) -> None:
    alphabet = _ALPHABETS[found.alphabet]
    header = ", with a user data header" if found.esm_class & ESM_CLASS_UDHI else ""
    console.print(styled((_count(found.segments, "segment"), "bold"), f", {alphabet}: {found.why}"))
    console.print(f"{found.units_used} {found.units} used, {found.units_left} left in the last segment")
    sent = len(found.submissions)
    parts = "" if sent == found.segments else f"; {sent} submit_sm, which the SMSC cuts"
    console.print(f"data_coding {found.data_coding}, esm_class 0x{found.esm_class:02x}{header}{parts}", style="dim")


def _show_forcing(found: Preview) -> None:
    title = "characters behind the refusal" if found.refused else "characters that force UCS-2"
    columns = ("character", "code", "first at", "times", "name")
    rows = [
        (_shown(f.character), f"U+{ord(f.character):04X}", f.position + 1, f.times, _name(f.character))
        for f in found.forcing
    ]
    console.print()
    console.print(table(title, columns, rows, right=("first at", "times")))
    _show_more(found.forcing_more)


def _show_changes(title: str, changes: Sequence[Change]) -> None:
    """A row for each replacement and not for each place: a person wants to know what becomes of a character."""
    alike: dict[tuple[str, str, str], list[Change]] = {}
    for change in changes:
        alike.setdefault((change.original, change.replacement, change.reason), []).append(change)
    rows = [
        (_shown(original), _shown(replacement), same[0].position + 1, len(same), reason)
        for (original, replacement, reason), same in alike.items()
    ]
    columns = ("character", "becomes", "first at", "times", "because")
    console.print()
    console.print(table(title, columns, rows[:ROWS_MAX], right=("first at", "times")))
    _show_more(len(rows) - ROWS_MAX)


def _show_more(count: int) -> None:
    if count > 0:
        console.print(f"and {count} more", style="dim")


def _show_octets(found: Preview) -> None:
    columns = ("submit_sm", "field", "octets", "value")
    rows = [row for segment in found.submissions for row in _octet_rows(segment, found.esm_class)]
    console.print()
    console.print(table("octets", columns, rows, right=("submit_sm", "octets")))


def _octet_rows(segment: Segment, esm_class: int) -> Iterator[tuple[str, str, str, str]]:
    head = udh.parse(segment.octets).length if esm_class & ESM_CLASS_UDHI else 0
    fields = [("user data header", segment.octets[:head])] if head else []
    fields.append(("short_message", segment.octets[head:]))
    fields += [(_tag_name(tag), value) for tag, value in segment.tlvs]
    for place, (name, value) in enumerate(fields):
        yield (str(segment.index) if place == 0 else "", name, str(len(value)), value.hex(" "))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _shown(text: str) -> str:
    """Something to look at: a mark on a circle, an invisible character by its code."""
    if not text:
        return "nothing"
    if any(not character.isprintable() or character.isspace() for character in text):
        return " ".join(f"U+{ord(character):04X}" for character in text)
    return f"◌{text}" if unicodedata.combining(text[0]) else text


def _name(character: str) -> str:
    return unicodedata.name(character, "").lower()
