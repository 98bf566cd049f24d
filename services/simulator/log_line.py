"""Pure: one line of the submit log: the evidence that a submit_sm was accepted, for counting losses and duplicates."""

import orjson

from shared.smpp.pdu import DataSm, ShortMessage
from shared.smpp.tlv import Tag, integer
from shared.smpp.user_data import user_data
from shared.sms import udh


def segment_of(body: ShortMessage | DataSm) -> tuple[int, int]:
    """(index, total) by the UDH, else by the SAR parameters; (1, 1) for a message of one segment (Q33: UDH wins)."""
    if body.esm_class & 0x40:
        concatenation = udh.parse(user_data(body).octets).concatenation
        return (concatenation.index, concatenation.total) if concatenation is not None else (1, 1)
    if body.tlvs:
        index = integer(body.tlvs, Tag.SAR_SEGMENT_SEQNUM) or 0
        total = integer(body.tlvs, Tag.SAR_TOTAL_SEGMENTS) or 0
        if 1 <= index <= total:
            return index, total
    return 1, 1


def log_line(
    body: ShortMessage | DataSm, sequence_number: int, system_id: str, smsc_message_id: str, at_ms: int
) -> bytes:
    """A JSON object and a line feed. `smsc_message_id` is the id of the response; `octets` is hexadecimal.

    `part` and `parts` (names that the readers of the log share) are what `segment_of` says.
    """
    if body.tlvs or body.esm_class & 0x40 or isinstance(body, DataSm):
        octets = user_data(body).octets
        part, parts = segment_of(body)
    else:
        octets = body.short_message
        part = parts = 1
    return orjson.dumps(
        {
            "at_ms": at_ms,
            "system_id": system_id,
            "smsc_message_id": smsc_message_id,
            "source_addr": body.source_addr,
            "destination_addr": body.destination_addr,
            "esm_class": body.esm_class,
            "data_coding": body.data_coding,
            "octets": octets.hex(),
            "part": part,
            "parts": parts,
            "sequence_number": sequence_number,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )
