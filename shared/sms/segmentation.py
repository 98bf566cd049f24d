"""Pure: a message to the octets of its segments, exactly as one connector wants them (3GPP TS 23.040, SMPP 3.4).

`encode_message` is what the encoder service calls. It never cuts anything away: a message that needs more segments
than allowed, or that the alphabet asked for does not hold, is a `NotEncodable`.
"""

from typing import Final

from shared.sms import data_coding as coding
from shared.sms.alphabet import Choice, choose, segments_allowed, too_long
from shared.sms.assembly import Tlvs, assemble
from shared.sms.binary import cut_binary
from shared.sms.concat_ref import RecentRefs
from shared.sms.message import (
    BINARY_DATA_CODING,
    Alphabet,
    ConnectorProfile,
    Encoded,
    EncodeRequest,
    NotEncodable,
)

_TEXT_DATA_CODING: Final[dict[Alphabet, int]] = {
    "gsm7": coding.DEFAULT_ALPHABET,
    "latin1": coding.LATIN1,
    "ucs2": coding.UCS2,
}


def encode_message(
    request: EncodeRequest, profile: ConnectorProfile, refs: RecentRefs | None = None
) -> Encoded | NotEncodable:
    """The segments of one message for one connector, or why there are none. Never raises on any request.

    Without `refs` the result is a function of the arguments alone: same request, same octets. With `refs` the
    concatenation reference also steps past those lately given to the same destination (quirk Q37).
    """
    refused = _contradiction(request)
    if refused is not None:
        return refused
    choice: Choice | NotEncodable
    if request.text is not None:
        choice = choose(request.text, request, profile)
    else:
        choice = cut_binary(request.data or b"", request, profile)
    if isinstance(choice, NotEncodable):
        return choice
    allowed = segments_allowed(request)
    if len(choice.pieces) > allowed:
        field = "data" if request.text is None else "text"
        return too_long(field, f"{len(choice.pieces)} segments in {choice.alphabet}", allowed)
    data_coding = _data_coding(choice, request)
    tlvs: Tlvs = ()
    if request.flash:
        flash = _flash(data_coding, profile)
        if isinstance(flash, NotEncodable):
            return flash
        data_coding, tlvs = flash
    esm_class, segments = assemble(choice, request, profile, tlvs, refs)
    return Encoded(
        alphabet=choice.alphabet,
        data_coding=coding.outbound(data_coding, profile),
        esm_class=esm_class,
        segments=segments,
        changes=choice.changes,
        why=choice.why,
        air_segments=len(choice.pieces),
    )


def _contradiction(request: EncodeRequest) -> NotEncodable | None:
    """Fields that cannot go together, or have impossible values."""
    if (request.text is None) == (request.data is None):
        return NotEncodable("invalid_field", "text", "exactly one of text and data must be given")
    if request.text is not None:
        if request.udh:
            return NotEncodable("invalid_field", "udh", "udh goes with data, not with text")
        if request.data_coding is not None:
            return NotEncodable("invalid_field", "data_coding", "data_coding goes with data, not with text")
    elif request.data_coding is not None and not 0 <= request.data_coding <= 255:
        return NotEncodable("invalid_field", "data_coding", "data_coding must be 0 to 255")
    return None


def _data_coding(choice: Choice, request: EncodeRequest) -> int:
    if choice.alphabet == "binary":
        return BINARY_DATA_CODING if request.data_coding is None else request.data_coding
    return _TEXT_DATA_CODING[choice.alphabet]


def _flash(data_coding: int, profile: ConnectorProfile) -> tuple[int, Tlvs] | NotEncodable:
    """data_coding and TLVs of a flash message (quirk Q49)."""
    if profile.flash_variant == "dest_addr_subunit":
        return data_coding, (coding.FLASH_SUBUNIT,)
    if data_coding == coding.DEFAULT_ALPHABET and profile.default_alphabet != "gsm7":
        if coding.FLASH_GSM7 not in profile.data_coding_map:
            detail = (
                f"data_coding 0x10 says GSM 7-bit, but to this connector 0 is {profile.default_alphabet}: "
                "it needs flash_variant dest_addr_subunit, or an entry for 0x10 in data_coding_map"
            )
            return NotEncodable("invalid_field", "flash", detail)
        return coding.FLASH_GSM7, ()
    with_class = coding.with_flash(data_coding)
    if with_class is None:
        detail = f"data_coding {data_coding} has no message class; use another encoding, or flash by dest_addr_subunit"
        return NotEncodable("invalid_field", "flash", detail)
    return with_class, ()
