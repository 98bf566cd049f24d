"""Pure: which optional parameters a request may give its submit_sm, and how they are written (as a connector's
`vendor_tlvs`)."""

import re
from collections.abc import Mapping
from typing import Final

ENTRIES_MAX: Final = 16
BYTES_MAX: Final = 1024
VENDOR_TAGS: Final = range(0x1400, 0x4000)

STANDARD_TAGS: Final[Mapping[int, int]] = {
    0x0005: 1,  # dest_addr_subunit
    0x000D: 1,  # source_addr_subunit
    0x0019: 1,  # payload_type
    0x0030: 1,  # ms_msg_wait_facilities
    0x0201: 1,  # privacy_indicator
    0x0202: 0,  # source_subaddress
    0x0203: 0,  # dest_subaddress
    0x0204: 2,  # user_message_reference
    0x0205: 1,  # user_response_code
    0x020A: 2,  # source_port
    0x020B: 2,  # destination_port
    0x020D: 1,  # language_indicator
    0x0302: 1,  # callback_num_pres_ind
    0x0303: 0,  # callback_num_atag
    0x0304: 1,  # number_of_messages
    0x0381: 0,  # callback_num
    0x0426: 1,  # more_messages_to_send
    0x0501: 0,  # ussd_service_op
    0x1201: 1,  # display_time
    0x1203: 2,  # sms_signal
    0x1204: 1,  # ms_validity
    0x130C: 0,  # alert_on_message_delivery
    0x1380: 1,  # its_reply_type
    0x1383: 0,  # its_session_info
}
"""SMPP 3.4, 4.4.1: octets of an integer; 0 for a parameter that is no integer. Those that say how a message is cut
(sar_*, message_payload) are the encoder's."""

_TAG: Final = re.compile(r"0[xX][0-9a-fA-F]{1,4}|[0-9]{1,5}")
_TEXT: Final = re.compile("(?:text:)?[\x00-\xff]*", re.DOTALL)
_HEX: Final = re.compile(r"hex:(?:[0-9a-fA-F]{2})*")
_INT: Final = re.compile(r"int([1-8]?):([0-9]{1,20})")
_OTHER_THAN_TEXT: Final = re.compile(r"(?:hex|int[1-8]?):")


def is_tlvs(value: Mapping[str, str]) -> bool:
    """Whether a map from tag (`0x1401`, `5121`) to value (`text:…`, `hex:…`, `int:…`, `int2:…`, or text) is right.

    The limits are entries, and UTF-8 bytes of all keys and values; each tag is there once, and one that a request may
    give.
    """
    if len(value) > ENTRIES_MAX or sum(len(k.encode()) + len(v.encode()) for k, v in value.items()) > BYTES_MAX:
        return False
    tags = [tag_of(key) for key in value]
    return len(set(tags)) == len(tags) and all(map(_is_tlv, tags, value.values()))


def tag_of(key: str) -> int | None:
    """The tag that a key names; None for anything else."""
    if not _TAG.fullmatch(key):
        return None
    return int(key, 16 if key[:2] in {"0x", "0X"} else 10)


def _is_tlv(tag: int | None, value: str) -> bool:
    if tag is None or not (tag in VENDOR_TAGS or tag in STANDARD_TAGS):
        return False
    if not _OTHER_THAN_TEXT.match(value):
        return _TEXT.fullmatch(value) is not None
    if found := _INT.fullmatch(value):
        octets = int(found[1] or STANDARD_TAGS.get(tag, 0))
        return not octets or int(found[2]) < 1 << 8 * octets
    return _HEX.fullmatch(value) is not None
