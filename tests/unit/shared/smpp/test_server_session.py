import pytest

from shared.smpp import pdu
from shared.smpp.config import SmscConfig
from shared.smpp.constants import BindMode, SmppCommandStatus
from shared.smpp.errors import UnencodablePdu, WrongState
from shared.smpp.events import (
    BindRequested,
    Closed,
    DeliverAnswered,
    DeliverUnknown,
    LateResponse,
    LinkDead,
    ProtocolErrorSeen,
    SubmitReceived,
)
from shared.smpp.server_session import SmscSession
from shared.smpp.tlv import Tag, Tlv
from tests.unit.shared.smpp.pair import Pair, decode_all, encode_all

HELLO = pdu.SubmitSm(destination_addr="447700900123", short_message=b"hello")
RECEIPT = pdu.DeliverSm(esm_class=4, short_message=b"id:1 stat:DELIVRD")


@pytest.mark.parametrize(
    ("request_class", "response_class"),
    [
        (pdu.BindTransmitter, pdu.BindTransmitterResp),
        (pdu.BindReceiver, pdu.BindReceiverResp),
        (pdu.BindTransceiver, pdu.BindTransceiverResp),
    ],
)
def test_a_bind_is_asked_for_and_accepted(
    request_class: type[pdu.BindRequest], response_class: type[pdu.BindResponse]
) -> None:
    pair = Pair(bind=False)
    request = request_class("shop", "secret")
    assert pair.smsc_receives(pdu.Pdu(5, request)) == [BindRequested(5, request)]
    pair.smsc.accept_bind(0.0)
    version = Tlv(Tag.SC_INTERFACE_VERSION, b"\x34")
    assert pair.smsc_sent() == [pdu.Pdu(5, response_class("SMSC", tlvs=(version,)))]
    assert pair.smsc.bind_mode is request_class.bind_mode


def test_q47_an_esme_of_smpp_33_gets_no_optional_parameters() -> None:
    pair = Pair(bind=False)
    pair.smsc_receives(pdu.Pdu(5, pdu.BindTransceiver(interface_version=0x33)))
    pair.smsc.accept_bind(0.0)
    assert pair.smsc_sent() == [pdu.Pdu(5, pdu.BindTransceiverResp("SMSC"))]


def test_q19_a_refused_bind_ends_the_session() -> None:
    pair = Pair(bind=False)
    pair.smsc_receives(pdu.Pdu(5, pdu.BindTransceiver("shop", "wrong")))
    assert pair.smsc.refuse_bind(SmppCommandStatus.ESME_RINVPASWD, 0.0) == [Closed("bind_failed")]
    assert pair.smsc_sent() == [pdu.Pdu(5, pdu.BindTransceiverResp("SMSC"), 0x0E)]


def test_q20_a_second_bind_is_told_so() -> None:
    pair = Pair()
    events = pair.smsc_receives(pdu.Pdu(5, pdu.BindTransceiver()))
    assert [type(event) for event in events] == [ProtocolErrorSeen]
    assert pair.smsc_sent() == [pdu.Pdu(5, pdu.BindTransceiverResp(), SmppCommandStatus.ESME_RALYBND)]


def test_accepting_without_a_request_is_a_bug() -> None:
    pair = Pair(bind=False)
    for call in (lambda: pair.smsc.accept_bind(0.0), lambda: pair.smsc.refuse_bind(8, 0.0)):
        with pytest.raises(WrongState):
            call()


def test_an_esme_that_does_not_bind_is_dropped() -> None:
    session = SmscSession(SmscConfig(session_init_s=10), now=1.0)
    assert session.next_deadline() == 11.0
    assert session.handle_timer(11.0) == [LinkDead("session_init"), Closed("link_dead")]


def test_submits_are_answered_in_any_order() -> None:
    pair = Pair()
    assert pair.smsc_receives(pdu.Pdu(7, HELLO), pdu.Pdu(8, HELLO)) == [
        SubmitReceived(7, HELLO),
        SubmitReceived(8, HELLO),
    ]
    assert pair.smsc.answer_submit(8, 0, "b")
    assert pair.smsc.answer_submit(7, 0x58)
    assert not pair.smsc.answer_submit(7, 0, "again")
    assert pair.smsc_sent() == [
        pdu.Pdu(8, pdu.SubmitSmResp("b")),
        pdu.Pdu(7, pdu.SubmitSmResp(None), 0x58, defects=("body_missing",)),
    ]


def test_an_answer_that_cannot_be_framed_is_refused_and_can_be_given_again() -> None:
    pair = Pair()
    pair.smsc_receives(pdu.Pdu(7, HELLO))
    with pytest.raises(UnencodablePdu):
        pair.smsc.answer_submit(7, 0, "a\0")
    assert pair.smsc.answer_submit(7, 0, "a")


@pytest.mark.parametrize(
    "body",
    [pdu.DataSm(), pdu.SubmitMulti(), pdu.QuerySm("1"), pdu.CancelSm(message_id="1"), pdu.ReplaceSm("1")],
    ids=lambda body: type(body).__name__,
)
def test_every_request_of_an_esme_waits_for_the_owner(body: pdu.SmscRequest) -> None:
    pair = Pair()
    (event,) = pair.smsc_receives(pdu.Pdu(7, body))
    assert getattr(event, "pdu", None) == body
    assert pair.smsc.answer(7, pdu.GenericNack(), SmppCommandStatus.ESME_RINVCMDID)
    assert pair.smsc_sent() == [pdu.Pdu(7, pdu.GenericNack(), 3)]


@pytest.mark.parametrize("mode", [None, BindMode.RECEIVER])
def test_submitting_unbound_or_as_receiver_is_refused(mode: BindMode | None) -> None:
    pair = Pair(bind=False) if mode is None else Pair(bind_mode=mode)
    assert [type(event) for event in pair.smsc_receives(pdu.Pdu(7, HELLO))] == [ProtocolErrorSeen]
    (answer,) = pair.smsc_sent()
    assert (answer.sequence_number, answer.command_status) == (7, SmppCommandStatus.ESME_RINVBNDSTS)


def test_deliver_sm_to_a_server_is_refused() -> None:
    pair = Pair()
    assert [type(event) for event in pair.smsc_receives(pdu.Pdu(7, RECEIPT))] == [ProtocolErrorSeen]
    assert pair.smsc_sent() == [pdu.Pdu(7, pdu.GenericNack(), SmppCommandStatus.ESME_RINVCMDID)]


def test_submits_over_the_limit_are_throttled() -> None:
    session = SmscSession(SmscConfig(unanswered_max=1), now=0.0)
    session.receive_data(encode_all(pdu.Pdu(1, pdu.BindTransmitter())), 0.0)
    session.accept_bind(0.0)
    session.data_to_send()
    events = session.receive_data(encode_all(pdu.Pdu(7, HELLO), pdu.Pdu(8, HELLO)), 0.0)
    assert [type(event) for event in events] == [SubmitReceived, ProtocolErrorSeen]
    (answer,) = decode_all(session.data_to_send())
    assert (answer.sequence_number, answer.command_status) == (8, SmppCommandStatus.ESME_RTHROTTLED)


@pytest.mark.parametrize("body", [RECEIPT, pdu.DataSm(esm_class=4)], ids=["deliver_sm", "data_sm"])
def test_a_delivery_comes_back_with_its_answer(body: pdu.DeliverSm | pdu.DataSm) -> None:
    pair = Pair(window_size=1)
    assert pair.smsc.deliver("d", body, 1.0)
    assert not pair.smsc.deliver("e", body, 1.0)
    pair.to_esme()
    pair.esme.answer_deliver(1, 0x64)
    pair.now = 1.25
    assert pair.to_smsc() == [DeliverAnswered("d", 0x64, 0.25, 1)]


def test_an_unanswered_delivery_is_unknown_and_its_late_answer_an_event() -> None:
    pair = Pair()
    pair.smsc.deliver("d", RECEIPT, 0.0)
    pair.smsc.receive_data(encode_all(pdu.Pdu(50, pdu.EnquireLink())), 55.0)
    assert pair.smsc.handle_timer(60.0) == [DeliverUnknown("d", "no_response")]
    pair.now = 61.0
    assert pair.smsc_receives(pdu.Pdu(1, pdu.DeliverSmResp())) == [LateResponse("d", 0, None, 1)]


def test_deliveries_in_flight_end_with_the_connection() -> None:
    pair = Pair()
    pair.smsc.deliver("d", RECEIPT, 0.0)
    assert pair.smsc.connection_lost(0.0) == [DeliverUnknown("d", "connection_lost"), Closed("connection_lost")]


def test_unbind_of_the_server_lets_the_esme_leave() -> None:
    pair = Pair()
    pair.smsc.unbind(0.0)
    assert [type(event).__name__ for event in pair.to_esme()] == ["PeerUnbound", "Closed"]
    assert pair.to_smsc() == [Closed("unbound")]


def test_alert_and_outbind() -> None:
    pair = Pair()
    assert pair.smsc.alert(pdu.AlertNotification(source_addr="1"), 0.0)
    assert [type(event).__name__ for event in pair.to_esme()] == ["AlertReceived"]
    assert not Pair(bind_mode=BindMode.TRANSMITTER).smsc.alert(pdu.AlertNotification(), 0.0)
    draining = Pair()
    draining.smsc.deliver("a", pdu.DeliverSm(), 0.0)
    draining.smsc.drain(0.0)
    assert not draining.smsc.alert(pdu.AlertNotification(), 0.0), "no requests of ours any more"
    early = Pair(bind=False)
    early.smsc.outbind(pdu.Outbind("SMSC", "pwd"), 0.0)
    assert [type(event).__name__ for event in early.to_esme()] == ["OutbindReceived"]
    with pytest.raises(WrongState):
        pair.smsc.outbind(pdu.Outbind(), 0.0)


def test_send_raw_is_for_misbehaviour() -> None:
    pair = Pair()
    pair.smsc.send_raw(b"\0\0\0\x01")
    assert [type(event).__name__ for event in pair.to_esme()] == ["ProtocolErrorSeen", "Closed"]
