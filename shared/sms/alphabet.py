"""Pure: which alphabet a text goes in, why, and its pieces as they are cut.

`auto` takes the GSM 7-bit default alphabet when it holds every character, else UCS-2. National language tables that
the connector allows, and transliteration where it was asked for, are taken only when they make fewer segments.
"""

import sys
from typing import Final, NamedTuple

from shared.sms import gsm7, ucs2
from shared.sms.cutting import cut_octets, cut_septets
from shared.sms.message import (
    MAX_SEGMENTS_LIMIT,
    Alphabet,
    Change,
    ConnectorProfile,
    EncodeRequest,
    NotEncodable,
    Unit,
)
from shared.sms.room import Room, least_segments, room
from shared.sms.seven_bit import Fit, Pair, default_characters, exact, pairs_of, transliterated
from shared.sms.transliterate import surely_left, transliterate

WHY_DEFAULT_ALPHABET: Final = "every character is in the GSM 7-bit default alphabet or its extension"
WHY_ASKED: Final = "the request asks for it"

_LATIN1: Final = frozenset(map(chr, range(256)))


class Choice(NamedTuple):
    """A text, cut. `pieces` are septets for gsm7 (packed or not is the writer's business), octets otherwise.

    `elements` are the information elements that every segment must carry beside the concatenation, `first_elements`
    those that only the first one carries. `unit` is what a segment's room is counted in.
    """

    alphabet: Alphabet
    pieces: list[bytes]
    why: str
    elements: bytes = b""
    first_elements: bytes = b""
    changes: tuple[Change, ...] = ()
    unit: Unit = "septets"


def choose(text: str, request: EncodeRequest, profile: ConnectorProfile) -> Choice | NotEncodable:
    """The alphabet and the pieces of `text`. What is too long is not refused here if it has pieces, but no work is
    spent on it: it is cut plainly, and no other way is tried that could not do."""
    match request.encoding:
        case "auto" | "gsm7":
            return _seven_bit_or_ucs2(text, request, profile)
        case "ucs2":
            return _ucs2(text, WHY_ASKED, request, profile)
        case "latin1":
            return _latin1(text, request, profile)


def segments_allowed(request: EncodeRequest) -> int:
    """The most segments that this message may take."""
    return min(request.max_segments, MAX_SEGMENTS_LIMIT)


def too_long(field: str, needed: str, allowed: int) -> NotEncodable:
    """The refusal; `needed` says how many segments in which alphabet."""
    return NotEncodable("text_too_long", field, f"needs {needed}, {allowed} are allowed")


def first_outside(text: str, profile: ConnectorProfile) -> int | None:
    """The position of the first character that cannot go in data_coding 0 of this connector."""
    if profile.default_alphabet == "gsm7":
        return gsm7.DEFAULT.first_outside(text)
    kept = default_characters(profile.default_alphabet)
    return next((position for position, character in enumerate(text) if character not in kept), None)


def lone_surrogate(text: str) -> int | None:
    """The position of the first surrogate without its other half, which is no character; None: there is none."""
    return next((position for position, character in enumerate(text) if "\ud800" <= character <= "\udfff"), None)


def named(text: str, position: int) -> str:
    """A character and its place, for people: `U+0416 'Ж' at position 3`; here, for people, positions count from 1."""
    character = text[position]
    shown = f" '{character}'" if character.isprintable() else ""
    return f"U+{ord(character):04X}{shown} at position {position + 1}"


def is_packed(profile: ConnectorProfile) -> bool:
    """Packing is a property of GSM 7-bit octets; where data_coding 0 is Latin-1 or ASCII there is nothing to pack."""
    return profile.gsm7_packed and profile.default_alphabet == "gsm7"


def _in_default(text: str, profile: ConnectorProfile) -> Choice | None:
    septets = gsm7.DEFAULT.encode(text)
    if septets is None:
        return None
    if profile.default_alphabet != "gsm7" and first_outside(text, profile) is not None:
        return None
    space = room(profile.long_message, 0)
    pieces = cut_septets(septets, space.single_septets, space.piece_septets, packed=is_packed(profile))
    return Choice("gsm7", pieces, WHY_DEFAULT_ALPHABET)


def _seven_bit_or_ucs2(text: str, request: EncodeRequest, profile: ConnectorProfile) -> Choice | NotEncodable:
    """The exact alphabets first, then whatever makes fewer segments."""
    default = _in_default(text, profile)
    if default is not None:
        return _default_or_national(text, default, request, profile)
    usual: Choice | NotEncodable
    if request.encoding == "gsm7":
        usual = _not_in_default(text, profile)
    else:
        usual = _ucs2(text, _why_not_default(text, profile), request, profile)
    if isinstance(usual, Choice):
        fewer_than = len(usual.pieces)
    elif usual.reason == "not_encodable":
        fewer_than = sys.maxsize
    else:
        return usual
    if fewer_than == 1 or not (profile.national_tables or request.transliterate):
        return usual
    pairs = pairs_of(profile.national_tables, profile.default_alphabet, profile.long_message)
    least = _least(text, request, pairs[0].space)
    if least > segments_allowed(request):
        needed = f"at least {least} segments in any alphabet"
        return usual if isinstance(usual, Choice) else too_long("text", needed, segments_allowed(request))
    return _with_fewer_segments(text, usual, fewer_than, pairs, request, profile)


def _default_or_national(
    text: str, default: Choice, request: EncodeRequest, profile: ConnectorProfile
) -> Choice | NotEncodable:
    """A text of the default alphabet: only one with characters of the extension may be shorter elsewhere."""
    if len(default.pieces) == 1 or not profile.national_tables or sum(map(len, default.pieces)) == len(text):
        return default
    pairs = pairs_of(profile.national_tables, profile.default_alphabet, profile.long_message)
    if _least(text, request, pairs[0].space) > segments_allowed(request):
        return default
    fit = exact(text, pairs[1:], len(default.pieces), packed=is_packed(profile))
    return default if fit is None else _fitted(fit, default)


def _with_fewer_segments(
    text: str,
    usual: Choice | NotEncodable,
    fewer_than: int,
    pairs: tuple[Pair, ...],
    request: EncodeRequest,
    profile: ConnectorProfile,
) -> Choice | NotEncodable:
    packed = is_packed(profile)
    fit = exact(text, pairs[1:], fewer_than, packed=packed)
    if request.transliterate and (fit is None or len(fit.pieces) > 1):
        fewer_than = fewer_than if fit is None else len(fit.pieces)
        lookalikes = request.lookalikes
        fit = transliterated(text, pairs, fewer_than, with_lookalikes=lookalikes, packed=packed) or fit
    return usual if fit is None else _fitted(fit, usual)


def _least(text: str, request: EncodeRequest, space: Room) -> int:
    """How many segments the text takes at least, in any alphabet and whatever is replaced."""
    characters = surely_left(text) if request.transliterate else len(text)
    return least_segments(characters, space.single_septets, space.piece_septets)


def _fitted(fit: Fit, usual: Choice | NotEncodable) -> Choice:
    ways = [f"transliteration replaced {len(fit.changes)} character(s)"] if fit.changes else []
    ways += [f"national language table: {fit.pair.name}"] if fit.pair.name else []
    if isinstance(usual, Choice):
        gain = f": {len(fit.pieces)} segment(s) instead of {len(usual.pieces)} in {usual.alphabet}"
    else:
        gain = "; the default alphabet does not hold the text"
    return Choice("gsm7", fit.pieces, ", ".join(ways) + gain, fit.pair.elements, changes=fit.changes)


def _ucs2(text: str, why: str, request: EncodeRequest, profile: ConnectorProfile) -> Choice | NotEncodable:
    octets = ucs2.encode(text)
    if octets is None:
        return _surrogate(text)
    space = room(profile.long_message, 0)
    if len(octets) <= space.single_octets:
        return Choice("ucs2", [octets], why, unit="code units")
    if profile.long_message == "payload":  # cut by the SMSC, which knows nothing of clusters
        return Choice("ucs2", ucs2.plain_cut(octets, space.piece_octets // 2), why, unit="code units")
    pieces = ucs2.cut(text, octets, space.piece_octets // 2, segments_allowed(request))
    return Choice("ucs2", pieces, why, unit="code units")


def _latin1(text: str, request: EncodeRequest, profile: ConnectorProfile) -> Choice | NotEncodable:
    space = room(profile.long_message, 0)
    changes: tuple[Change, ...] = ()
    try:
        octets = text.encode("latin-1")
    except UnicodeEncodeError as error:
        replaced = text
        if request.transliterate:
            least = least_segments(surely_left(text), space.single_octets, space.piece_octets)
            if least > segments_allowed(request):
                return too_long("text", f"at least {least} segments in latin1", segments_allowed(request))
            replaced, changes = transliterate(text, _LATIN1, with_lookalikes=request.lookalikes)
        octets = replaced.encode("latin-1", "replace")
        if octets.decode("latin-1") != replaced:
            return _refused(text, error.start, "Latin-1")
    pieces = cut_octets(octets, space.single_octets, space.piece_octets)
    return Choice("latin1", pieces, WHY_ASKED, changes=changes, unit="octets")


def _not_in_default(text: str, profile: ConnectorProfile) -> NotEncodable:
    position = first_outside(text, profile)
    return _refused(text, position or 0, _alphabet_name(profile))


def _refused(text: str, position: int, alphabet_name: str) -> NotEncodable:
    if lone_surrogate(text) is not None:
        return _surrogate(text)
    return NotEncodable("not_encodable", "text", f"{named(text, position)} is not in {alphabet_name}")


def _surrogate(text: str) -> NotEncodable:
    position = lone_surrogate(text) or 0
    return NotEncodable("invalid_field", "text", f"{named(text, position)} is half of a surrogate pair, no character")


def _why_not_default(text: str, profile: ConnectorProfile) -> str:
    position = first_outside(text, profile)
    return f"{named(text, position or 0)} is not in {_alphabet_name(profile)}"


def _alphabet_name(profile: ConnectorProfile) -> str:
    if profile.default_alphabet == "gsm7":
        return "the GSM 7-bit default alphabet"
    return f"both GSM 7-bit and {profile.default_alphabet}, the connector's default alphabet"
