"""deliver_octets does what deliver does."""

from services.simulator.session import SimulatorSession
from shared.smpp.config import EsmeConfig, SmscConfig
from shared.smpp.constants import BindMode
from shared.smpp.events import DeliverAnswered, DeliverReceived
from shared.smpp.hot import encode_short_message
from shared.smpp.pdu import DeliverSm
from shared.smpp.session import EsmeSession

BODY = DeliverSm(source_addr="1", destination_addr="2", short_message=b"hello")
OCTETS = encode_short_message(BODY, 0)[16:]


def bound(bind_mode: BindMode) -> tuple[SimulatorSession, EsmeSession]:
    smsc = SimulatorSession(SmscConfig(window_size=2), now=0.0)
    esme = EsmeSession(EsmeConfig(bind_mode=bind_mode), now=0.0)
    esme.bind(0.0)
    smsc.receive_data(esme.data_to_send(), 0.0)
    smsc.accept_bind(0.0)
    esme.receive_data(smsc.data_to_send(), 0.0)
    return smsc, esme


def test_octets_are_delivered_within_the_window_and_answered_by_token() -> None:
    smsc, esme = bound(BindMode.TRANSCEIVER)
    assert [smsc.deliver_octets(token, OCTETS, 1.0) for token in "abc"] == [True, True, False]
    received = esme.receive_data(smsc.data_to_send(), 1.0)
    assert [event.pdu for event in received if isinstance(event, DeliverReceived)] == [BODY, BODY]
    for event in received:
        assert isinstance(event, DeliverReceived)
        esme.answer_deliver(event.sequence_number)
    answers = smsc.receive_data(esme.data_to_send(), 2.0)
    assert [event.token for event in answers if isinstance(event, DeliverAnswered)] == ["a", "b"]
    assert smsc.deliver_octets("c", OCTETS, 2.0)


def test_a_transmitter_is_not_delivered_to() -> None:
    smsc, _ = bound(BindMode.TRANSMITTER)
    assert not smsc.deliver_octets("a", OCTETS, 1.0)
    assert not SimulatorSession(SmscConfig(), now=0.0).deliver_octets("a", OCTETS, 0.0)
