"""Pure: messages from handsets as deliver_sm: text in the best alphabet and as many segments as it takes, or octets."""

from shared.smpp.pdu import DeliverSm
from shared.smpp.tlv import Tlv
from shared.sms.addresses import source_address
from shared.sms.message import ConnectorProfile, EncodeRequest, NotEncodable
from shared.sms.segmentation import encode_message

_PROFILE = ConnectorProfile()
SHORT_MESSAGE_MAX = 254
"""sm_length of SMPP 3.4 (5.2.21)."""


def text_message(source_addr: str, destination_addr: str, text: str, number: int) -> list[DeliverSm] | str:
    """One deliver_sm a segment, or a sentence that says why the text cannot be sent.

    number: different for every message, so that segments of two of them are not taken for one (Q37).
    """
    request = EncodeRequest(message_id=str(number), to=destination_addr, text=text, max_segments=255)
    encoded = encode_message(request, _PROFILE)
    if isinstance(encoded, NotEncodable):
        return encoded.detail
    return [
        _deliver(
            source_addr,
            destination_addr,
            segment.octets,
            encoded.data_coding,
            encoded.esm_class,
            tuple(Tlv(tag, value) for tag, value in segment.tlvs),
        )
        for segment in encoded.segments
    ]


def octets_message(
    source_addr: str, destination_addr: str, octets: bytes, data_coding: int, esm_class: int = 0
) -> list[DeliverSm] | str:
    """One deliver_sm with these octets as they are, or a sentence that says why not."""
    if len(octets) > SHORT_MESSAGE_MAX:
        return f"octets: {len(octets)} are too many, at most {SHORT_MESSAGE_MAX}"
    return [_deliver(source_addr, destination_addr, octets, data_coding, esm_class, ())]


def _deliver(
    source_addr: str,
    destination_addr: str,
    octets: bytes,
    data_coding: int,
    esm_class: int,
    tlvs: tuple[Tlv, ...],
) -> DeliverSm:
    source = source_address(source_addr)
    destination = source_address(destination_addr)  # a short code as likely as a number
    return DeliverSm(
        source_addr_ton=source.ton,
        source_addr_npi=source.npi,
        source_addr=source.text,
        dest_addr_ton=destination.ton,
        dest_addr_npi=destination.npi,
        destination_addr=destination.text,
        esm_class=esm_class,
        data_coding=data_coding,
        short_message=octets,
        tlvs=tlvs,
    )
