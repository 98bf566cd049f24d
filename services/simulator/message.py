"""Pure: an accepted message: what it was, what becomes of it, and what query_sm is told about it."""

from dataclasses import dataclass
from typing import Final

from services.simulator.message_ids import SmscMessageId
from shared.smpp.constants import MessageState
from shared.smpp.pdu import DataSm, ShortMessage
from shared.smpp.smpp_time import absolute

FINAL_STATES: Final[dict[str, MessageState]] = {
    "DELIVRD": MessageState.DELIVERED,
    "EXPIRED": MessageState.EXPIRED,
    "DELETED": MessageState.DELETED,
    "UNDELIV": MessageState.UNDELIVERABLE,
    "UNKNOWN": MessageState.UNKNOWN,
    "REJECTD": MessageState.REJECTED,
}
"""After one of these words nothing more happens to a message."""


@dataclass(slots=True)
class SimulatedMessage:
    """`word` comes true at `final_at_ms`; until then the message is on its way.

    tells_final: whether a receipt will say so. is_settled: it has come true, or a cancel_sm came first.
    """

    body: ShortMessage | DataSm
    system_id: str
    smsc_message_id: SmscMessageId
    submitted_at_ms: int
    word: str
    final_at_ms: int
    tells_final: bool
    is_settled: bool = False

    def is_on_its_way(self, now_ms: int) -> bool:
        """Whether a cancel_sm comes in time."""
        return not self.is_settled and now_ms < self.final_at_ms

    def cancel(self, now_ms: int) -> None:
        """Its fate is another one now."""
        self.word = "DELETED"
        self.final_at_ms = now_ms


def query_state(message: SimulatedMessage, now_ms: int) -> tuple[str, MessageState]:
    """final_date (7.1.1, "" while there is none) and message_state for query_sm_resp (4.8.2)."""
    state = FINAL_STATES.get(message.word)
    if state is None or message.is_on_its_way(now_ms):
        return "", MessageState.ENROUTE
    return absolute(message.final_at_ms), state
