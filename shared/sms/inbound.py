"""Pure: a message from a handset, or one part of it: octets, data_coding and header to text or data (docs/inbound.md).

Every data_coding that names an alphabet is text (`data_coding.inbound_alphabet`), all else data; the header is taken
off. Nothing here raises. Parts are decoded together, so that a surrogate pair or an escape that another sender cut in
two comes out whole: `text_of` is for that.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import regex  # type: ignore[import-untyped] # the package ships no type information

from shared.sms import gsm7, tlv_tags, ucs2, udh
from shared.sms.alphabet import is_packed
from shared.sms.assembly import ESM_CLASS_UDHI
from shared.sms.data_coding import InboundAlphabet, inbound_alphabet
from shared.sms.message import ConnectorProfile

_WORD: Final = regex.compile(r"[\p{L}\p{N}_][\p{L}\p{N}\p{M}_\u200c\u200d]*")
"""Combining marks and the joiners between letters belong to the word, as in Hindi, Thai and Persian."""

_CODECS: Final[Mapping[InboundAlphabet, str]] = {
    "ascii": "latin-1",  # octets over 0x7F: no other reading says more
    "latin1": "latin-1",
    "cyrillic": "iso8859-5",
    "hebrew": "iso8859-8",
}
_MULTIBYTE: Final[Mapping[InboundAlphabet, tuple[str, ...]]] = {
    "jis": ("shift_jis", "euc_jp"),
    "iso-2022-jp": ("iso2022_jp",),
    "extended-kanji": ("euc_jp",),
    "korean": ("euc_kr", "cp949"),
}
"""The first that fits: SMPP names the character set, not how its two octets are told from others."""

_ESCAPED: Final = "iso2022_jp_2"
"""Where an escape sequence says which set follows."""


class InboundPart(NamedTuple):
    """One deliver_sm or data_sm of a handset: a whole message where `concatenation` is None.

    `user_data` are the octets behind the header: unpacked septets where the alphabet is GSM 7-bit. `oddities` says what
    was wrong with it.
    """

    user_data: bytes
    data_coding: int
    alphabet: InboundAlphabet
    locking_shift: int = 0
    single_shift: int = 0
    concatenation: udh.Concatenation | None = None
    oddities: tuple[str, ...] = ()

    @property
    def text(self) -> str | None:
        """What it says by itself; None where it is data."""
        return text_of((self,))


def read_inbound(
    short_message: bytes,
    data_coding: int,
    esm_class: int,
    tlvs: Iterable[tuple[int, bytes]],
    profile: ConnectorProfile,
) -> InboundPart:
    """One deliver_sm or data_sm. message_payload wins over short_message (Q34), a header over SAR TLVs (Q33)."""
    by_tag = tlv_tags.first_values(tlvs)
    oddities: list[str] = []
    if tlv_tags.MESSAGE_PAYLOAD in by_tag and short_message:
        oddities.append("message_payload beside short_message: the payload is taken")
    octets = by_tag.get(tlv_tags.MESSAGE_PAYLOAD, short_message)
    head = udh.parse(octets) if esm_class & ESM_CLASS_UDHI else udh.UserDataHeader(length=0)
    if head.malformed:
        oddities.append(f"user data header: {head.malformed}")
    sar = _sar(by_tag)
    if head.concatenation is not None and sar is not None:
        oddities.append("SAR TLVs beside a concatenation in the header: the header is taken")
    alphabet = inbound_alphabet(data_coding, profile)
    user_data = octets[head.length :]
    if alphabet == "gsm7" and is_packed(profile):
        user_data = gsm7.unpack(user_data, gsm7.fill_bits_after(head.length))
    return InboundPart(
        user_data=user_data,
        data_coding=data_coding,
        alphabet=alphabet,
        locking_shift=head.locking_shift,
        single_shift=head.single_shift,
        concatenation=head.concatenation or sar,
        oddities=tuple(oddities),
    )


def text_of(parts: Sequence[InboundPart]) -> str | None:
    """The text of parts that follow on each other, at least one; None where one of them is not text.

    Neighbours of one alphabet and one pair of national tables are decoded together.
    """
    texts = []
    start = 0
    for stop in range(1, len(parts) + 1):
        if stop == len(parts) or parts[stop][2:5] != parts[start][2:5]:
            text = _decoded([part.user_data for part in parts[start:stop]], parts[start])
            if text is None:
                return None
            texts.append(text)
            start = stop
    return "".join(texts)


def keyword(text: str) -> str | None:
    """The first word in capitals: `STOP` of ` stop!`; None when there is no word."""
    match = _WORD.search(text)
    return match[0].rstrip("\u200c\u200d").upper() if match else None


def words(text: str) -> list[str]:
    """All words of a text as they are written, in order."""
    return [word.rstrip("\u200c\u200d") for word in _WORD.findall(text)]


def _decoded(pieces: Sequence[bytes], like: InboundPart) -> str | None:
    alphabet = like.alphabet
    if alphabet == "gsm7":
        return gsm7.alphabet(like.locking_shift, like.single_shift).decode(b"".join(pieces))
    if alphabet == "ucs2":
        return ucs2.decode(pieces)
    if codec := _CODECS.get(alphabet):
        return b"".join(pieces).decode(codec, "replace")
    return _multibyte(b"".join(pieces), _MULTIBYTE.get(alphabet, ()))


def _multibyte(octets: bytes, codecs: Sequence[str]) -> str | None:
    """None for octets that are not text of any of these: they go on as data."""
    for codec in (_ESCAPED,) if b"\x1b" in octets and codecs else codecs:
        try:
            text = octets.decode(codec)
        except UnicodeDecodeError:
            continue
        if all(character.isprintable() or character in "\r\n\t\u3000" for character in text):
            return text
    return None


def _sar(by_tag: Mapping[int, bytes]) -> udh.Concatenation | None:
    ref = by_tag.get(tlv_tags.SAR_MSG_REF_NUM, b"")
    total = int.from_bytes(by_tag.get(tlv_tags.SAR_TOTAL_SEGMENTS, b""), "big")
    index = int.from_bytes(by_tag.get(tlv_tags.SAR_SEGMENT_SEQNUM, b""), "big")
    if not ref or not 1 <= index <= total <= 255:
        return None
    return udh.Concatenation(int.from_bytes(ref, "big"), total, index, 16)
