"""Pure: what a message will be before it is sent: alphabet and why, segments, what is left in the last one, octets,
and what transliteration would save. Serves the CLI, and later the HTTP API and the console."""

from dataclasses import dataclass, replace
from typing import Final

from shared.sms.alphabet import Choice, Room, choose, default_characters, room
from shared.sms.binary import cut_binary
from shared.sms.message import Change, ConnectorProfile, Encoded, EncodeRequest, NotEncodable, Segment
from shared.sms.segmentation import encode_message

FORCING_MAX: Final = 20
"""How many of the characters that force an alphabet are listed."""

_UNITS: Final = {"gsm7": "septets", "ucs2": "code units", "latin1": "octets", "binary": "octets"}


@dataclass(frozen=True, slots=True)
class Forcing:
    """One character that the default alphabet does not hold, and where it stands first; positions count from 0."""

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
    still holds. `segments` counts what is paid for; `octets` are those of each submit_sm.
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
    saving: Saving | None = None


def preview(request: EncodeRequest, profile: ConnectorProfile) -> Preview:
    """The preview of one message for one connector. Never raises on any request."""
    forcing = _forcing(request.text or "", profile)
    encoded = encode_message(request, profile)
    if isinstance(encoded, NotEncodable):
        return Preview(refused=encoded, forcing=forcing, saving=_saving(request, profile, None))
    used, left = _units(request, profile)
    return Preview(
        refused=None,
        alphabet=encoded.alphabet,
        why=encoded.why,
        data_coding=encoded.data_coding,
        esm_class=encoded.esm_class,
        segments=encoded.air_segments,
        units=_UNITS[encoded.alphabet],
        units_used=used,
        units_left=left,
        submissions=encoded.segments,
        changes=encoded.changes,
        forcing=forcing,
        saving=_saving(request, profile, encoded),
    )


def _forcing(text: str, profile: ConnectorProfile) -> tuple[Forcing, ...]:
    kept = default_characters(profile.default_alphabet)
    found: dict[str, list[int]] = {}
    for position, character in enumerate(text):
        if character not in kept:
            found.setdefault(character, []).append(position)
    listed = [Forcing(character, places[0], len(places)) for character, places in found.items()]
    return tuple(listed[:FORCING_MAX])


def _saving(request: EncodeRequest, profile: ConnectorProfile, encoded: Encoded | None) -> Saving | None:
    """What `transliterate` would save, where it was not asked for; None when it would save nothing."""
    if request.transliterate or request.text is None:
        return None
    other = encode_message(replace(request, transliterate=True), profile)
    if isinstance(other, NotEncodable) or not other.changes:
        return None
    if encoded is not None and other.air_segments >= encoded.air_segments:
        return None
    return Saving(other.air_segments, other.changes)


def _units(request: EncodeRequest, profile: ConnectorProfile) -> tuple[int, int]:
    """Units used in all, and left in the last segment, of a message that is known to be encodable."""
    if request.text is not None:
        choice = choose(request.text, request, profile)
    else:
        choice = cut_binary(request.data or b"", request, profile)
    if isinstance(choice, NotEncodable):
        return 0, 0
    size = 2 if choice.alphabet == "ucs2" else 1
    used = sum(len(piece) for piece in choice.pieces) // size
    return used, _capacity(choice, room(profile.long_message, len(choice.elements))) - len(choice.pieces[-1]) // size


def _capacity(choice: Choice, space: Room) -> int:
    alone = len(choice.pieces) == 1
    if choice.alphabet == "gsm7":
        return space.single_septets if alone else space.piece_septets
    octets = space.single_octets if alone else space.piece_octets
    return octets // 2 if choice.alphabet == "ucs2" else octets
