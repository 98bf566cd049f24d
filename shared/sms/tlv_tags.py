"""Pure: the tags of the optional parameters that a short message depends on (SMPP 3.4, 5.3.2), and their values."""

from collections.abc import Iterable
from typing import Final

DEST_ADDR_SUBUNIT: Final = 0x0005
RECEIPTED_MESSAGE_ID: Final = 0x001E
SAR_MSG_REF_NUM: Final = 0x020C
SAR_TOTAL_SEGMENTS: Final = 0x020E
SAR_SEGMENT_SEQNUM: Final = 0x020F
NETWORK_ERROR_CODE: Final = 0x0423
MESSAGE_PAYLOAD: Final = 0x0424
MESSAGE_STATE: Final = 0x0427


def first_values(tlvs: Iterable[tuple[int, bytes]]) -> dict[int, bytes]:
    """Tag to value; of a parameter that came twice the first counts, as it does for the key of a receipt."""
    found: dict[int, bytes] = {}
    for tag, value in tlvs:
        found.setdefault(tag, value)
    return found
