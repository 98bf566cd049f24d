"""Pure: which alphabet a text goes in, why, and its pieces as they are cut.

`auto` takes the GSM 7-bit default alphabet when it holds every character, else UCS-2. National language tables that
the connector allows, and transliteration where it was asked for, are taken only when they make fewer segments.
"""

from functools import cache, lru_cache
from itertools import product
from typing import Final, NamedTuple

from shared.sms import gsm7, ucs2, udh
from shared.sms.cutting import cut_octets, cut_septets, octets_behind, septets_behind
from shared.sms.message import (
    Alphabet,
    Change,
    ConnectorProfile,
    DefaultAlphabet,
    EncodeRequest,
    LongMessage,
    NotEncodable,
)
from shared.sms.national_tables import LANGUAGES, LOCKING_SHIFT
from shared.sms.transliterate import transliterate

WHY_DEFAULT_ALPHABET: Final = "every character is in the GSM 7-bit default alphabet or its extension"
WHY_ASKED: Final = "the request asks for it"

_LATIN1: Final = frozenset(map(chr, range(256)))
_CONCATENATION_OCTETS: Final = {"udh8": 5, "udh16": 6, "sar": 5, "payload": 5}


class Choice(NamedTuple):
    """A text, cut. `pieces` are septets for gsm7 (packed or not is the writer's business), octets otherwise.

    `elements` are the information elements that every segment must carry beside the concatenation, `first_elements`
    those that only the first one carries.
    """

    alphabet: Alphabet
    pieces: list[bytes]
    why: str
    elements: bytes = b""
    first_elements: bytes = b""
    changes: tuple[Change, ...] = ()


class Room(NamedTuple):
    """What one segment holds beside its header: alone, and as one of several."""

    single_octets: int
    piece_octets: int
    single_septets: int
    piece_septets: int


@lru_cache(maxsize=256)
def room(long_message: LongMessage, element_octets: int) -> Room:
    """The room beside `element_octets` of elements of the message's own; `sar` and `payload` are cut like `udh8`."""
    single = element_octets + 1 if element_octets else 0
    piece = 1 + element_octets + _CONCATENATION_OCTETS[long_message]
    return Room(octets_behind(single), octets_behind(piece), septets_behind(single), septets_behind(piece))


def choose(text: str, request: EncodeRequest, profile: ConnectorProfile) -> Choice | NotEncodable:
    """The alphabet and the pieces of `text`. What is too long is not judged here, but is not worked on at length."""
    match request.encoding:
        case "auto" | "gsm7":
            choice = _seven_bit(text, profile)
            if choice is not None and len(choice.pieces) == 1:
                return choice
            return _fewest_segments(text, choice, request, profile)
        case "ucs2":
            return _ucs2(text, WHY_ASKED, request, profile)
        case "latin1":
            return _latin1(text, request, profile)


@cache
def default_characters(default_alphabet: DefaultAlphabet) -> frozenset[str]:
    """What can go in data_coding 0: the characters of GSM 7-bit that also are in what 0 means to the connector."""
    if default_alphabet == "gsm7":
        return gsm7.DEFAULT.characters
    top = "\x7f" if default_alphabet == "ascii" else "\xff"
    return frozenset(character for character in gsm7.DEFAULT.characters if character <= top)


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


def _seven_bit(text: str, profile: ConnectorProfile) -> Choice | None:
    septets = gsm7.DEFAULT.encode(text)
    if septets is None:
        return None
    if profile.default_alphabet != "gsm7" and first_outside(text, profile) is not None:
        return None
    space = room(profile.long_message, 0)
    pieces = cut_septets(septets, space.single_septets, space.piece_septets, packed=is_packed(profile))
    return Choice("gsm7", pieces, WHY_DEFAULT_ALPHABET)


def is_packed(profile: ConnectorProfile) -> bool:
    """Packing is a property of GSM 7-bit octets; where data_coding 0 is Latin-1 or ASCII there is nothing to pack."""
    return profile.gsm7_packed and profile.default_alphabet == "gsm7"


def _fewest_segments(
    text: str, default: Choice | None, request: EncodeRequest, profile: ConnectorProfile
) -> Choice | NotEncodable:
    """For a text that is not one segment of the default alphabet: the exact alphabets first, then transliteration."""
    best: Choice | NotEncodable
    if default is not None:
        best = default
    elif request.encoding == "gsm7":
        best = _not_in_default(text, profile)
    else:
        best = _ucs2(text, _why_not_default(text, profile), request, profile)
        if isinstance(best, NotEncodable):
            return best
    best = _with_national_tables(text, best, profile)
    if request.transliterate and default is None and (isinstance(best, NotEncodable) or len(best.pieces) > 1):
        best = _with_transliteration(text, best, request, profile)
    return best


def _with_national_tables(text: str, best: Choice | NotEncodable, profile: ConnectorProfile) -> Choice | NotEncodable:
    if not profile.national_tables or profile.default_alphabet != "gsm7":
        return best
    languages = [LANGUAGES[word] for word in profile.national_tables if word in LANGUAGES]
    lockings = [0, *(language for language in languages if language in LOCKING_SHIFT)]
    # Single shift tables come first: where a handset does not know one, few characters are wrong and not all of them.
    for locking, single in product(lockings, [0, *languages]):
        if locking == single == 0 or (not isinstance(best, NotEncodable) and len(best.pieces) == 1):
            continue
        septets = gsm7.alphabet(locking, single).encode(text)
        if septets is None:
            continue
        elements = udh.national_shift(locking, single)
        space = room(profile.long_message, len(elements))
        pieces = cut_septets(septets, space.single_septets, space.piece_septets, packed=is_packed(profile))
        if isinstance(best, NotEncodable) or len(pieces) < len(best.pieces):
            best = Choice("gsm7", pieces, _why_national(locking, single, best, pieces), elements)
    return best


def _with_transliteration(
    text: str, best: Choice | NotEncodable, request: EncodeRequest, profile: ConnectorProfile
) -> Choice | NotEncodable:
    replaced, changes = transliterate(
        text, default_characters(profile.default_alphabet), with_lookalikes=request.lookalikes
    )
    choice = _seven_bit(replaced, profile) if changes else None
    if choice is None:
        return best
    if isinstance(best, NotEncodable):
        why = f"transliteration replaced {len(changes)} character(s); the text does not fit otherwise"
    elif len(choice.pieces) < len(best.pieces):
        why = (
            f"transliteration replaced {len(changes)} character(s): "
            f"{len(choice.pieces)} segment(s) instead of {len(best.pieces)} in {best.alphabet}"
        )
    else:
        return best
    return Choice("gsm7", choice.pieces, why, changes=changes)


def _ucs2(text: str, why: str, request: EncodeRequest, profile: ConnectorProfile) -> Choice | NotEncodable:
    octets = ucs2.encode(text)
    if octets is None:
        return _surrogate(text)
    space = room(profile.long_message, 0)
    if len(octets) <= space.single_octets:
        return Choice("ucs2", [octets], why)
    return Choice("ucs2", ucs2.cut(text, octets, space.piece_octets // 2, request.max_segments), why)


def _latin1(text: str, request: EncodeRequest, profile: ConnectorProfile) -> Choice | NotEncodable:
    changes: tuple[Change, ...] = ()
    try:
        octets = text.encode("latin-1")
    except UnicodeEncodeError as error:
        replaced = text
        if request.transliterate:
            replaced, changes = transliterate(text, _LATIN1, with_lookalikes=request.lookalikes)
        octets = replaced.encode("latin-1", "replace")
        if octets.decode("latin-1") != replaced:
            return _refused(text, error.start, "Latin-1")
    space = room(profile.long_message, 0)
    pieces = cut_octets(octets, space.single_octets, space.piece_octets)
    return Choice("latin1", pieces, WHY_ASKED, changes=changes)


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


def _why_national(locking: int, single: int, best: Choice | NotEncodable, pieces: list[bytes]) -> str:
    words = {number: word for word, number in LANGUAGES.items()}
    tables = [f"{words[locking]} locking shift"] if locking else []
    tables += [f"{words[single]} single shift"] if single else []
    name = f"national language table: {' and '.join(tables)}"
    if isinstance(best, NotEncodable):
        return f"{name}; the default alphabet does not hold the text"
    return f"{name}: {len(pieces)} segment(s) instead of {len(best.pieces)} in {best.alphabet}"
