"""Pure: a submit_sm_resp -> what became of the segment; its command_status by a table (quirks Q16-Q18)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, cast, get_args

from schemas.feedback import AnswerWord
from services.binder.submit.feedback_record import Said
from shared.smpp.constants import SmppCommandStatus, status_number
from shared.sms.smsc_message_id import normalised

SubmitWord: TypeAlias = Literal["accepted", "throttled", "temporary", "permanent"]
"""What the option `status_map` may say of a command_status."""

DEFAULT_TABLE: Final[Mapping[int, SubmitWord]] = {
    SmppCommandStatus.ESME_ROK.value: "accepted",
    SmppCommandStatus.ESME_RSYSERR.value: "temporary",
    SmppCommandStatus.ESME_RMSGQFUL.value: "temporary",
    SmppCommandStatus.ESME_RTHROTTLED.value: "throttled",
    SmppCommandStatus.ESME_RX_T_APPN.value: "temporary",
}
"""What is not in the table, vendors' statuses included, is permanent."""

_WORDS: Final = frozenset(get_args(SubmitWord))


@dataclass(frozen=True, slots=True)
class StatusPolicy:
    """The table of one connector; `problems` are sentences about entries of `status_map` that were left out."""

    table: Mapping[int, SubmitWord] = field(default_factory=lambda: DEFAULT_TABLE)
    problems: tuple[str, ...] = ()

    def word(self, command_status: int) -> AnswerWord:
        """What `command_status`, any 32-bit number, says of the segment; `throttled` is about the connector's rate."""
        return self.table.get(command_status, "permanent")

    def said(self, command_status: int, smsc_message_id: str | None) -> Said:
        """What a submit_sm_resp says. The error is written as the specification writes a command_status."""
        word = self.word(command_status)
        ids = join_ids = None
        if smsc_message_id and word == "accepted":
            ids = (smsc_message_id,)
            join_id = normalised(smsc_message_id)
            join_ids = (join_id,) if join_id != smsc_message_id else None
        error = f"0x{command_status:08x}" if command_status else None
        return Said(word, error, command_status or None, ids, join_ids)


def status_policy(status_map: Mapping[str, str]) -> StatusPolicy:
    """The default table with a connector's option `status_map` over it.

    Keys are numbers (`"0x401"`, `"1025"`) or names (`"ESME_RX_P_APPN"`, `"RX_P_APPN"`); values are the words of the
    table. ESME_ROK stays what it is. A wrong entry is a problem, not an error: the others count.
    """
    table: dict[int, SubmitWord] = dict(DEFAULT_TABLE)
    problems = []
    for key, word in status_map.items():
        number = status_number(key)
        if number is None:
            problems.append(f"status_map: {key!r} is no command_status")
        elif number == SmppCommandStatus.ESME_ROK:
            problems.append("status_map: ESME_ROK cannot mean anything else")
        elif word not in _WORDS:
            problems.append(f"status_map: {key!r}: {word!r} is none of {', '.join(sorted(_WORDS))}")
        else:
            table[number] = cast("SubmitWord", word)
    return StatusPolicy(table, tuple(problems))
