"""Pure: the words of `stat` and the numbers of message_state, as one vocabulary (SMPP 3.4 and 5.0; quirk Q11).

The vocabulary is that of appendix B of SMPP 3.4, with SKIPPED of 5.0 (4.7.15). What carriers write instead is in
`SPELLINGS`; where each word is documented stands in docs/receipts.md, and a test holds the two together.
"""

from collections.abc import Mapping
from typing import Final

UNKNOWN: Final = "UNKNOWN"

STATE_WORDS: Final[Mapping[int, str]] = {
    0: "ENROUTE",  # SCHEDULED, since 5.0
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: UNKNOWN,
    8: "REJECTD",
    9: "SKIPPED",  # since 5.0
}
"""message_state, 3.4 section 5.2.28 and 5.0 section 4.7.15."""

FINAL_WORDS: Final = frozenset({"DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "REJECTD", "SKIPPED"})
"""After these nothing more is to come. ACCEPTD is not among them: carriers say it of what they have only taken."""

SPELLINGS: Final[Mapping[str, str]] = {
    **{word: word for word in STATE_WORDS.values()},
    **dict.fromkeys(("DELIVERED", "DELIVERD", "DELIVRED"), "DELIVRD"),
    **dict.fromkeys(("UNDELIVERABLE", "UNDELIVERED", "UNDELIVRD", "UNDLVRD"), "UNDELIV"),
    **dict.fromkeys(("FAILED", "SYSERR", "NOROUTE", "BARRED", "BARREDA", "ZEROBAL", "BLIST"), "UNDELIV"),
    **dict.fromkeys(("REJECTED", "REJECT", "NACK", "NOCRED"), "REJECTD"),
    **dict.fromkeys(("ACCEPTED", "ACKED"), "ACCEPTD"),
    **dict.fromkeys(("EN_ROUTE", "SCHEDULED", "SCHEDLD", "BUFFERED", "BUFFRED"), "ENROUTE"),
    **dict.fromkeys(("SUBMITD", "STAGED", "ENQUEUD"), "ENROUTE"),
    **dict.fromkeys(("EXPIRD",), "EXPIRED"),
    **dict.fromkeys(("DELETD", "CANCELLED"), "DELETED"),
}
"""Any case; what is not here and not in a connector's `receipt_map` is UNKNOWN."""


def stat_word(stat: str, receipt_map: Mapping[str, str]) -> str:
    """The word of a `stat` as it came: by the connector's map, as it stands or by what it is a spelling of."""
    upper = stat.upper()
    mapped = receipt_map.get(upper)
    if mapped is not None:
        return mapped
    word = SPELLINGS.get(upper, UNKNOWN)
    return receipt_map.get(word, word) if receipt_map else word


def state_word(state: int, receipt_map: Mapping[str, str]) -> str:
    """The word of a message_state; the map applies to it as to the same word in the text."""
    word = STATE_WORDS.get(state, UNKNOWN)
    return receipt_map.get(word, word) if receipt_map else word


def decisive(of_state: str, of_stat: str) -> str:
    """The word that counts of the two that a receipt may have, "" where it has none.

    A final word wins over one that is not, from either side: many SMSCs send a state that they never set. Of two final
    ones, and of two that are not, the parameter's counts (quirk Q8), unless it is UNKNOWN.
    """
    if of_state in FINAL_WORDS:
        return of_state
    if of_stat in FINAL_WORDS or of_state in ("", UNKNOWN):
        return of_stat or of_state or UNKNOWN
    return of_state
