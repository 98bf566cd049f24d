"""Pure: from the pieces of a message to its segments: headers, SAR TLVs or message_payload, and the octets themselves.

Where SAR TLVs or message_payload would meet a user data header of the message's own (national tables, application
ports), the message is concatenated in that header instead: an SMSC that sees both rejects it or crashes (quirk Q33).
"""

from typing import Final

from shared.sms import gsm7, tlv_tags, udh
from shared.sms.alphabet import Choice, is_packed
from shared.sms.concat_ref import RecentRefs, concat_ref
from shared.sms.message import ConnectorProfile, EncodeRequest, Segment

ESM_CLASS_UDHI: Final = 0x40

Tlvs = tuple[tuple[int, bytes], ...]


def assemble(
    choice: Choice, request: EncodeRequest, profile: ConnectorProfile, tlvs: Tlvs, refs: RecentRefs | None
) -> tuple[int, tuple[Segment, ...]]:
    """The esm_class of all segments, and the segments; `tlvs` go with each. `refs` as for `encode_message`."""
    own_elements = choice.elements + choice.first_elements
    if len(choice.pieces) == 1:
        head = udh.header(own_elements)
        octets = head + _wire(choice.pieces[0], choice, profile, len(head))
        return (ESM_CLASS_UDHI if head else 0), (Segment(1, octets, tlvs),)
    if own_elements or profile.long_message in ("udh8", "udh16"):
        return ESM_CLASS_UDHI, _with_headers(choice, request, profile, tlvs, refs)
    if profile.long_message == "payload":
        payload = _wire(b"".join(choice.pieces), choice, profile, 0)
        return 0, (Segment(1, b"", ((tlv_tags.MESSAGE_PAYLOAD, payload), *tlvs)),)
    return 0, _with_sar(choice, request, profile, tlvs, refs)


def _with_headers(
    choice: Choice, request: EncodeRequest, profile: ConnectorProfile, tlvs: Tlvs, refs: RecentRefs | None
) -> tuple[Segment, ...]:
    wide = profile.long_message == "udh16"
    ref = _ref(request, refs, 16 if wide else 8)
    concatenation = udh.concatenation_16bit if wide else udh.concatenation_8bit
    total = len(choice.pieces)
    segments: list[Segment] = []
    for index, piece in enumerate(choice.pieces, start=1):
        first = choice.first_elements if index == 1 else b""
        head = udh.header(concatenation(ref, total, index), choice.elements, first)
        segments.append(Segment(index, head + _wire(piece, choice, profile, len(head)), tlvs))
    return tuple(segments)


def _with_sar(
    choice: Choice, request: EncodeRequest, profile: ConnectorProfile, tlvs: Tlvs, refs: RecentRefs | None
) -> tuple[Segment, ...]:
    """SMPP 3.4, 5.3.2.22–24: the SMSC turns the three TLVs into a header."""
    ref = (tlv_tags.SAR_MSG_REF_NUM, _ref(request, refs, 16).to_bytes(2, "big"))
    total = (tlv_tags.SAR_TOTAL_SEGMENTS, bytes((len(choice.pieces),)))
    return tuple(
        Segment(
            index,
            _wire(piece, choice, profile, 0),
            (ref, total, (tlv_tags.SAR_SEGMENT_SEQNUM, bytes((index,))), *tlvs),
        )
        for index, piece in enumerate(choice.pieces, start=1)
    )


def _ref(request: EncodeRequest, refs: RecentRefs | None, ref_bits: int) -> int:
    if refs is None:
        return concat_ref(request.message_id, ref_bits)
    return refs.choose(request.to, request.message_id, ref_bits)


def _wire(piece: bytes, choice: Choice, profile: ConnectorProfile, header_octets: int) -> bytes:
    """The octets of a piece behind a header of this length, in what data_coding 0 means to the connector."""
    if choice.alphabet != "gsm7":
        return piece
    if profile.default_alphabet != "gsm7":
        return gsm7.DEFAULT.decode(piece).encode("latin-1")  # ASCII is a part of it; `choose` saw to it that it fits
    if is_packed(profile):
        return gsm7.pack(piece, gsm7.fill_bits_after(header_octets))
    return piece
