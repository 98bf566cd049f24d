"""Pure: what a message will be before it is sent: alphabet and why, segments, what is left in the last one, octets,
and what transliteration would save. Serves the CLI, and later the HTTP API and the console."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.sms.alphabet import Choice, choose
from shared.sms.binary import cut_binary
from shared.sms.message import Change, ConnectorProfile, Encoded, EncodeRequest, NotEncodable, Segment
from shared.sms.room import Room, room
from shared.sms.segmentation import encode_message
from shared.sms.seven_bit import default_characters, pairs_of

FORCING_MAX: Final = 20
"""How many of the characters that force an alphabet are listed."""


@dataclass(frozen=True, slots=True)
class Forcing:
    """One character that no alphabet holds which was asked for or is cheaper than the one taken, and where it stands
    first; positions count from 0."""

    character: str
    position: int
    times: int


@dataclass(frozen=True, slots=True)
class Saving:
    """What transliteration would do: `segments` instead of those of the message as it is."""

    segments: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """`refused` is None and the rest filled, or the reverse.

    `units` is septets, code units or octets; `units_used` counts all segments, `units_left` is what the last segment
    still holds. `segments` counts what is paid for; `submissions` has the octets and TLVs of each submit_sm.

    `forcing` lists the characters behind UCS-2 that nobody asked for, or behind a refusal, in the order of the text;
    `forcing_more` says how many others there are. It is empty where the text fits the alphabet that was asked for.
    """

    refused: NotEncodable | None
    alphabet: str = ""
    why: str = ""
    data_coding: int = 0
    esm_class: int = 0
    segments: int = 0
    units: str = ""
    units_used: int = 0
    units_left: int = 0
    submissions: tuple[Segment, ...] = ()
    changes: tuple[Change, ...] = ()
    forcing: tuple[Forcing, ...] = ()
    forcing_more: int = 0
    saving: Saving | None = None


def preview(request: EncodeRequest, profile: ConnectorProfile) -> Preview:
    """The preview of one message for one connector. Never raises on any request."""
    encoded = encode_message(request, profile)
    if isinstance(encoded, NotEncodable):
        forcing = _forcing(request, profile)
        return Preview(
            refused=encoded,
            forcing=tuple(forcing[:FORCING_MAX]),
            forcing_more=max(0, len(forcing) - FORCING_MAX),
            saving=_saving(request, profile, None),
        )
    forcing = _forcing(request, profile) if encoded.alphabet == "ucs2" else []
    unit, used, left = _units(request, profile)
    return Preview(
        refused=None,
        alphabet=encoded.alphabet,
        why=encoded.why,
        data_coding=encoded.data_coding,
        esm_class=encoded.esm_class,
        segments=encoded.air_segments,
        units=unit,
        units_used=used,
        units_left=left,
        submissions=encoded.segments,
        changes=encoded.changes,
        forcing=tuple(forcing[:FORCING_MAX]),
        forcing_more=max(0, len(forcing) - FORCING_MAX),
        saving=_saving(request, profile, encoded),
    )


def _forcing(request: EncodeRequest, profile: ConnectorProfile) -> list[Forcing]:
    """The characters outside what was asked for. With national tables allowed, those that no table holds; where each
    is in one of them and the text went another way all the same, those outside the default alphabet."""
    text = request.text or ""
    match request.encoding:
        case "ucs2":
            return _outside(text, lambda character: not "\ud800" <= character <= "\udfff")
        case "latin1":
            return _outside(text, lambda character: character <= "\xff")
        case "auto" | "gsm7":
            default = default_characters(profile.default_alphabet)
            allowed = default | _national_characters(profile)
            return _outside(text, allowed.__contains__) or _outside(text, default.__contains__)


def _national_characters(profile: ConnectorProfile) -> frozenset[str]:
    pairs = pairs_of(profile.national_tables, profile.default_alphabet, profile.long_message)
    return frozenset[str]().union(*(pair.characters for pair in pairs))


def _outside(text: str, fits: Callable[[str], bool]) -> list[Forcing]:
    found: dict[str, list[int]] = {}
    for position, character in enumerate(text):
        if not fits(character):
            found.setdefault(character, []).append(position)
    return [Forcing(character, places[0], len(places)) for character, places in found.items()]


def _saving(request: EncodeRequest, profile: ConnectorProfile, encoded: Encoded | None) -> Saving | None:
    """What `transliterate` would save, where it was not asked for; None when it would save nothing."""
    if request.transliterate or request.text is None:
        return None
    other = encode_message(request._replace(transliterate=True), profile)
    if isinstance(other, NotEncodable) or not other.changes:
        return None
    if encoded is not None and other.air_segments >= encoded.air_segments:
        return None
    return Saving(other.air_segments, other.changes)


def _units(request: EncodeRequest, profile: ConnectorProfile) -> tuple[str, int, int]:
    """The unit, how many are used in all, and how many are left in the last segment, of an encodable message."""
    if request.text is not None:
        choice = choose(request.text, request, profile)
    else:
        choice = cut_binary(request.data or b"", request, profile)
    if isinstance(choice, NotEncodable):
        return "", 0, 0
    size = 2 if choice.unit == "code units" else 1
    used = sum(len(piece) for piece in choice.pieces) // size
    left = _capacity(choice, room(profile.long_message, len(choice.elements))) - len(choice.pieces[-1]) // size
    return choice.unit, used, left


def _capacity(choice: Choice, space: Room) -> int:
    alone = len(choice.pieces) == 1
    if choice.unit == "septets":
        return space.single_septets if alone else space.piece_septets
    octets = space.single_octets if alone else space.piece_octets
    return octets // 2 if choice.unit == "code units" else octets
