"""Bounded memory of messages."""

from services.simulator.message import SimulatedMessage
from services.simulator.message_ids import SmscMessageId
from services.simulator.recent import RecentMessages
from shared.smpp.pdu import SubmitSm


def message(name: str) -> SimulatedMessage:
    return SimulatedMessage(SubmitSm(), "shop", SmscMessageId(name, name), 0, "DELIVRD", 0, tells_final=True)


def test_the_last_messages_are_remembered_and_no_more() -> None:
    recent = RecentMessages(generation_max=10)
    everything = [message(str(number)) for number in range(35)]
    for one in everything:
        recent.add(one)
    found = [one for one in everything if recent.find(one.smsc_message_id.in_response) is one]
    assert found == everything[20:]
    assert recent.find("nonsense") is None
