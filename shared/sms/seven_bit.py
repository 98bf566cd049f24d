"""Pure: a text in fewer segments of GSM 7-bit than it would take otherwise: national language tables, transliteration.

Every pair of an allowed locking shift and an allowed single shift table is tried, the default alphabet among them, and
with transliteration each pair keeps what it holds itself. Fewest segments win, then fewest changes, then the order of
`pairs_of`. Work is linear in the text times the number of pairs, whatever the text is: with transliteration what a
pair costs is reckoned from how often each token occurs, and only the cheapest few are really cut.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Final, NamedTuple

from shared.sms import gsm7, udh
from shared.sms.cutting import cut_septets
from shared.sms.message import Change, DefaultAlphabet, LongMessage
from shared.sms.national_tables import LANGUAGES, LOCKING_SHIFT
from shared.sms.room import Room, least_segments, room
from shared.sms.transliterate import Spelling, choices, spellings, tokens, transliterate

CUT_MAX: Final = 8
"""How many pairs a transliterated text is really cut for: those that promise fewest segments. A promise is short by
what escapes at the ends of segments take, which seldom makes one segment."""


class Pair(NamedTuple):
    """One pair of tables: `characters` are those that may be sent, `elements` name the tables in every segment."""

    alphabet: gsm7.SeptetAlphabet
    characters: frozenset[str]
    elements: bytes
    space: Room
    name: str


class Fit(NamedTuple):
    """A text as septets of one pair, cut."""

    pair: Pair
    pieces: list[bytes]
    changes: tuple[Change, ...] = ()


@lru_cache(maxsize=64)
def default_characters(default_alphabet: DefaultAlphabet) -> frozenset[str]:
    """What can go in data_coding 0: the characters of GSM 7-bit that also are in what 0 means to the connector."""
    if default_alphabet == "gsm7":
        return gsm7.DEFAULT.characters
    top = "\x7f" if default_alphabet == "ascii" else "\xff"
    return frozenset(character for character in gsm7.DEFAULT.characters if character <= top)


@lru_cache(maxsize=256)
def pairs_of(
    national_tables: tuple[str, ...], default_alphabet: DefaultAlphabet, long_message: LongMessage
) -> tuple[Pair, ...]:
    """The pairs that a connector allows, the default alphabet first.

    Single shift tables come before locking ones: where a handset does not know one, few characters are wrong and not
    all of them. Unknown languages count as absent, and so do all where data_coding 0 is not GSM 7-bit.
    """
    default = Pair(gsm7.DEFAULT, default_characters(default_alphabet), b"", room(long_message, 0), "")
    if default_alphabet != "gsm7":
        return (default,)
    languages = [LANGUAGES[word] for word in national_tables if word in LANGUAGES]
    lockings = [0, *(language for language in languages if language in LOCKING_SHIFT)]
    shifts = [pair for pair in product(lockings, [0, *languages]) if pair != (0, 0)]
    return default, *(_pair(locking, single, long_message) for locking, single in shifts)


def _pair(locking: int, single: int, long_message: LongMessage) -> Pair:
    words = {number: word for word, number in LANGUAGES.items()}
    names = [f"{words[locking]} locking shift"] if locking else []
    names += [f"{words[single]} single shift"] if single else []
    alphabet = gsm7.alphabet(locking, single)
    elements = udh.national_shift(locking, single)
    return Pair(alphabet, alphabet.characters, elements, room(long_message, len(elements)), " and ".join(names))


def exact(text: str, pairs: Sequence[Pair], fewer_than: int, *, packed: bool) -> Fit | None:
    """`text` as it is, in fewer than `fewer_than` segments; None where no pair can."""
    best: Fit | None = None
    for pair in pairs:
        if fewer_than == 1:
            break
        septets = pair.alphabet.encode(text)
        space = pair.space
        if septets is None or least_segments(len(septets), space.single_septets, space.piece_septets) >= fewer_than:
            continue
        pieces = cut_septets(septets, space.single_septets, space.piece_septets, packed=packed)
        if len(pieces) < fewer_than:
            best, fewer_than = Fit(pair, pieces), len(pieces)
    return best


class _Promise(NamedTuple):
    """What a pair would take; compared in this order."""

    segments: int
    changes: int
    place: int


def transliterated(
    text: str, pairs: Sequence[Pair], fewer_than: int, *, with_lookalikes: bool, packed: bool
) -> Fit | None:
    """`text` transliterated as little as each pair needs, in fewer than `fewer_than` segments; None where none can."""
    if len(pairs) == 1:
        return _transliterated_for(text, pairs[0], fewer_than, with_lookalikes=with_lookalikes, packed=packed)
    found = tokens(text)
    best: Fit | None = None
    best_is = (fewer_than, 0)
    for promise in _cheapest(found, pairs, with_lookalikes):
        if (promise.segments, promise.changes) >= best_is:
            break
        pair = pairs[promise.place]
        chosen = choices(found, pair.characters, with_lookalikes=with_lookalikes)
        septets = pair.alphabet.encode("".join([chosen[token].text for token in found])) or b""
        pieces = cut_septets(septets, pair.space.single_septets, pair.space.piece_septets, packed=packed)
        if (len(pieces), promise.changes) < best_is:
            best, best_is = Fit(pair, pieces), (len(pieces), promise.changes)
    if best is None:
        return None
    return best._replace(changes=transliterate(text, best.pair.characters, with_lookalikes=with_lookalikes)[1])


def _transliterated_for(text: str, pair: Pair, fewer_than: int, *, with_lookalikes: bool, packed: bool) -> Fit | None:
    replaced, changes = transliterate(text, pair.characters, with_lookalikes=with_lookalikes)
    septets = pair.alphabet.encode(replaced) if pair.characters.issuperset(replaced) else None
    if septets is None:
        return None
    pieces = cut_septets(septets, pair.space.single_septets, pair.space.piece_septets, packed=packed)
    return Fit(pair, pieces, changes) if len(pieces) < fewer_than else None


def _cheapest(found: list[str], pairs: Sequence[Pair], with_lookalikes: bool) -> list[_Promise]:
    """The pairs worth cutting for, the most promising first: those that can hold every token somehow."""
    wanted = _wanted(found, pairs, with_lookalikes)
    promises = [_promise(wanted, pair, place) for place, pair in enumerate(pairs)] if wanted else []
    return sorted(promise for promise in promises if promise is not None)[:CUT_MAX]


def _wanted(found: list[str], pairs: Sequence[Pair], with_lookalikes: bool) -> Counter[tuple[Spelling, ...]] | None:
    """How often each choice of spellings comes up, without those that no pair holds; None where a token has no other.

    So there are never more choices than the tables have characters and entries, whatever the text is made of.
    """
    held = frozenset[str]().union(*(pair.characters for pair in pairs))
    wanted: Counter[tuple[Spelling, ...]] = Counter()
    for token, times in Counter(found).items():
        choice = tuple(spelling for spelling in spellings(token, with_lookalikes) if held.issuperset(spelling.text))
        if not choice:
            return None
        wanted[choice] += times
    return wanted


def _promise(wanted: Counter[tuple[Spelling, ...]], pair: Pair, place: int) -> _Promise | None:
    septets = changes = 0
    for choice, times in wanted.items():
        for spelling in choice:
            if pair.characters.issuperset(spelling.text):
                septets += times * sum(1 if character in pair.alphabet.base else 2 for character in spelling.text)
                changes += times if spelling.reason else 0
                break
        else:
            return None
    space = pair.space
    return _Promise(least_segments(septets, space.single_septets, space.piece_septets), changes, place)
