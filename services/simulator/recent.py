"""Pure: the messages that query_sm and cancel_sm may still ask for, in bounded memory."""

from typing import Final

from services.simulator.message import SimulatedMessage

GENERATION_MAX: Final = 10_000


class RecentMessages:
    """The last 10,000 to 20,000 messages by the id of the response: two generations, the older one dropped whole."""

    def __init__(self, generation_max: int = GENERATION_MAX) -> None:
        self._generation_max = generation_max
        self._young: dict[str, SimulatedMessage] = {}
        self._old: dict[str, SimulatedMessage] = {}

    def add(self, message: SimulatedMessage) -> None:
        """Remember a message under a new id."""
        if len(self._young) >= self._generation_max:
            self._old, self._young = self._young, {}
        self._young[message.smsc_message_id.in_response] = message

    def find(self, smsc_message_id: str) -> SimulatedMessage | None:
        """The message with this id; None for one unknown or forgotten."""
        return self._young.get(smsc_message_id) or self._old.get(smsc_message_id)
