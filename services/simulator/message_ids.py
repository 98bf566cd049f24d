"""Pure: the ids that the SMSC gives: one way in submit_sm_resp, maybe another in the receipt (quirks Q1 and Q2)."""

from typing import Final, NamedTuple

from services.simulator.scenario import IdFormat

PADDED_DIGITS: Final = 20
_SCATTER: Final = 0x9E3779B97F4A7C15F39CC0605CEDC835
_UUID_MASK: Final = (1 << 128) - 1
_FIRST_EPOCH_MS: Final = 1_700_000_000_000
_NUMBERS_PER_MS: Final = 100


class SmscMessageId(NamedTuple):
    """The same id as the response says it and as receipts say it."""

    in_response: str
    in_receipt: str


def first_number(started_at_ms: int) -> int:
    """Where a process that starts at this epoch millisecond begins to count.

    An id must not come again after a restart, while receipts of the earlier run are still being joined. Counting on
    from the clock needs no state: 100 numbers a millisecond are more than a run can use up.
    """
    return max(1, (started_at_ms - _FIRST_EPOCH_MS) * _NUMBERS_PER_MS)


def smsc_message_id(number: int, message_id_format: IdFormat) -> SmscMessageId:
    """The id number `number` (> 0). Different numbers give different ids.

    hex: hexadecimal in the response, decimal in the receipt. padded: leading zeros in the response only.
    """
    if message_id_format == "dec":
        text = str(number)
        return SmscMessageId(text, text)
    if message_id_format == "hex":
        return SmscMessageId(f"{number:x}", str(number))
    if message_id_format == "padded":
        return SmscMessageId(f"{number:0{PADDED_DIGITS}d}", str(number))
    # An odd factor is a one-to-one map of the 128-bit numbers.
    digits = f"{number * _SCATTER & _UUID_MASK:032x}"
    text = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return SmscMessageId(text, text)
