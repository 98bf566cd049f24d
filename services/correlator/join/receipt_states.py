"""Pure: what the state word of a receipt means for a segment: the status table of docs/contracts.md.

The words are those of `shared.sms.receipt_words`. A word that is not in the table
(ENROUTE, ACCEPTD, UNKNOWN, or anything else) leaves the segment open.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from schemas.outcomes import OutcomeWord


class ReceiptEnd(NamedTuple):
    """What a segment ends as ("" = it stays open) and the reason ("" = none)."""

    status: OutcomeWord | Literal[""]
    reason: str


ENDS: Final[Mapping[str, ReceiptEnd]] = {
    "DELIVRD": ReceiptEnd("delivered", ""),
    "UNDELIV": ReceiptEnd("undeliverable", "smsc_undelivered"),
    "DELETED": ReceiptEnd("undeliverable", "smsc_undelivered"),
    "SKIPPED": ReceiptEnd("undeliverable", "smsc_undelivered"),
    "REJECTD": ReceiptEnd("undeliverable", "smsc_rejected"),
    "EXPIRED": ReceiptEnd("expired", "smsc_expired"),
}
STAYS_OPEN: Final = ReceiptEnd("", "")


def end_of(word: str) -> ReceiptEnd:
    """What the word ends a segment as; `STAYS_OPEN` where it does not."""
    return ENDS.get(word, STAYS_OPEN)


def upper_map(receipt_map: Mapping[str, str]) -> dict[str, str]:
    """A connector's `receipt_map` (carrier's word to a word of the table) without regard to case."""
    return {carrier.strip().upper(): word.strip().upper() for carrier, word in receipt_map.items()}
