from dataclasses import replace

import pytest

from shared.smpp import pdu
from shared.smpp.config import EsmeConfig
from shared.smpp.constants import BindMode, SmppCommand, SmppCommandStatus
from shared.smpp.errors import UnencodablePdu, WrongState
from shared.smpp.events import (
    AlertReceived,
    BindFailed,
    Bound,
    Closed,
    DeliverReceived,
    LateResponse,
    LinkDead,
    OutbindReceived,
    PeerUnbound,
    ProtocolErrorSeen,
    RequestAnswered,
    SubmitAnswered,
    SubmitUnknown,
)
from shared.smpp.session import EsmeSession
from shared.smpp.tlv import Tag, Tlv
from shared.smpp.trace import TraceRing
from shared.smpp.transitions import SessionState
from tests.unit.shared.smpp.pair import Pair, decode_all, encode_all

HELLO = pdu.SubmitSm(destination_addr="447700900123", short_message=b"hello")
RECEIPT = pdu.DeliverSm(esm_class=4, short_message=b"id:1 stat:DELIVRD")


def header_of(command_id: int, sequence_number: int, status: int = 0) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in (16, command_id, status, sequence_number))


def words(events: object) -> list[str]:
    assert isinstance(events, list)
    return [type(event).__name__ for event in events]


# ------------------------------------------------------------------------------------------------------------- binding


@pytest.mark.parametrize("mode", BindMode)
def test_bind_in_every_mode(mode: BindMode) -> None:
    pair = Pair(bind_mode=mode)
    assert (
        pair.esme.state.value
        == {"transmitter": "bound_tx", "receiver": "bound_rx", "transceiver": "bound_trx"}[mode.value]
    )
    assert pair.esme.submit("a", HELLO, 0.0) is mode.transmits
    assert pair.smsc.deliver("d", RECEIPT, 0.0) is mode.receives


def test_bind_carries_the_configuration() -> None:
    config = EsmeConfig(
        system_id="shop",
        password="secret",
        system_type="VMA",
        addr_ton=1,
        addr_npi=2,
        address_range="^44",
        interface_version=0x33,
    )
    session = EsmeSession(config, now=0.0)
    session.bind(0.0)
    (sent,) = decode_all(session.data_to_send())
    assert sent == pdu.Pdu(1, pdu.BindTransceiver("shop", "secret", "VMA", 0x33, 1, 2, "^44"))


def test_bound_tells_what_the_smsc_said() -> None:
    pair = Pair(bind=False)
    pair.esme.bind(0.0)
    resp = pdu.BindTransceiverResp("SMSC", tlvs=(Tlv(Tag.SC_INTERFACE_VERSION, b"\x50"),))
    assert pair.esme_receives(pdu.Pdu(1, resp)) == [Bound("SMSC", 0x50)]
    assert pair.esme.next_deadline() == 30.0


@pytest.mark.parametrize("status", [0x05, 0x0D, 0x0E, 0x0F, 0x401])
@pytest.mark.parametrize("with_body", [True, False])
def test_q26_refused_bind_ends_the_session_with_its_status(status: int, with_body: bool) -> None:
    pair = Pair(bind=False)
    pair.esme.bind(0.0)
    frame = header_of(SmppCommand.BIND_TRANSCEIVER_RESP, 1, status)
    if with_body:
        frame = encode_all(pdu.Pdu(1, pdu.BindTransceiverResp("SMSC"), status))
    assert pair.esme.receive_data(frame, 0.0) == [BindFailed("refused", status), Closed("bind_failed")]


def test_q28_bind_resp_of_17_octets_binds() -> None:
    pair = Pair(bind=False)
    pair.esme.bind(0.0)
    assert pair.esme_receives(pdu.Pdu(1, pdu.BindTransceiverResp())) == [Bound("", None)]


def test_unanswered_bind_fails_after_bind_timeout() -> None:
    pair = Pair(bind=False)
    pair.esme.bind(5.0)
    assert pair.esme.next_deadline() == 15.0
    assert pair.esme.handle_timer(14.9) == []
    assert pair.esme.handle_timer(15.0) == [BindFailed("no_response", None), Closed("bind_failed")]
    assert pair.esme.next_deadline() is None


def test_bind_answered_with_generic_nack_fails() -> None:
    pair = Pair(bind=False)
    pair.esme.bind(0.0)
    events = pair.esme_receives(pdu.Pdu(1, pdu.GenericNack(), 3))
    assert events == [BindFailed("generic_nack", 3), Closed("bind_failed")]


def test_a_nack_of_the_bind_that_does_not_know_its_number_fails_it_too() -> None:
    pair = Pair(bind=False)
    pair.esme.bind(0.0)
    events = pair.esme_receives(pdu.Pdu(0, pdu.GenericNack(), 2))
    assert events == [BindFailed("generic_nack", 2), Closed("bind_failed")]


def test_a_bind_may_get_less_time_than_the_configuration_says() -> None:
    pair = Pair(bind=False)
    pair.esme.bind(5.0, within_s=3.0)
    assert pair.esme.next_deadline() == 8.0


@pytest.mark.parametrize("field", ["system_id", "password", "system_type", "address_range"])
@pytest.mark.parametrize("text", ["s€cret", "a\0b"])
def test_a_bind_that_cannot_be_framed_does_nothing_and_tells_no_value(field: str, text: str) -> None:
    session = EsmeSession(replace(EsmeConfig(), **{field: text}), now=0.0)  # type: ignore[arg-type]  # texts all
    with pytest.raises(UnencodablePdu, match=field) as caught:
        session.bind(0.0)
    assert "€" not in str(caught.value)
    assert (session.state, session.data_to_send(), session.next_deadline()) == (SessionState.OPEN, b"", None)


def test_bind_is_for_an_open_session_only() -> None:
    with pytest.raises(WrongState):
        Pair().esme.bind(0.0)


@pytest.mark.parametrize("version", [0x33, 0x34, 0x50])
def test_q47_binds_whatever_version_the_smsc_has(version: int) -> None:
    pair = Pair(bind=False)
    pair.esme.bind(0.0)
    resp = pdu.BindTransceiverResp("S", tlvs=(Tlv(Tag.SC_INTERFACE_VERSION, bytes((version,))),))
    assert pair.esme_receives(pdu.Pdu(1, resp)) == [Bound("S", version)]


def test_q46_texts_of_the_bind_are_blank_by_default() -> None:
    pair = Pair(bind=False)
    pair.esme.bind(0.0)
    (sent,) = pair.esme_sent()
    assert isinstance(sent, pdu.Pdu)
    assert isinstance(sent.body, pdu.BindTransceiver)
    assert (sent.body.system_type, sent.body.address_range, sent.body.interface_version) == ("", "", 0x34)


# ---------------------------------------------------------------------------------------------------------- submitting


def test_a_token_comes_back_with_its_answer() -> None:
    pair = Pair()
    token = object()
    pair.esme.submit(token, HELLO, 1.0)
    pair.to_smsc()
    pair.smsc.answer_submit(2, 0, "7F3A")
    pair.now = 1.5
    assert pair.to_esme() == [SubmitAnswered(token, 0, "7F3A", 0.5, 2)]
    assert pair.esme.in_flight == 0


def test_q14_the_window_bounds_what_is_in_flight() -> None:
    pair = Pair(window_size=3)
    assert [pair.esme.submit(number, HELLO, 0.0) for number in range(4)] == [True, True, True, False]
    assert (pair.esme.in_flight, pair.esme.window_free, len(pair.esme_sent())) == (3, 0, 3)
    pair.esme.resize_window(4)
    assert pair.esme.window_free == 1


@pytest.mark.parametrize("status", [0x08, 0x0B, 0x14, 0x45, 0x58, 0x64, 0x401, 0x4FF, 0xFFFFFFFF])
def test_q16_q17_q18_any_status_is_an_answer(status: int) -> None:
    pair = Pair()
    pair.esme.submit("a", HELLO, 0.0)
    events = pair.esme_receives(pdu.Pdu(2, pdu.SubmitSmResp(None), status))
    assert events == [SubmitAnswered("a", status, None, 0.0, 2)]


def test_q27_submit_sm_resp_without_message_id() -> None:
    pair = Pair()
    pair.esme.submit("a", HELLO, 0.0)
    pair.esme.submit("b", HELLO, 0.0)
    events = pair.esme_receives(pdu.Pdu(2, pdu.SubmitSmResp(None)), pdu.Pdu(3, pdu.SubmitSmResp("")))
    assert events == [SubmitAnswered("a", 0, None, 0.0, 2), SubmitAnswered("b", 0, None, 0.0, 3)]


def test_a_generic_nack_answers_a_submit() -> None:
    pair = Pair()
    pair.esme.submit("a", HELLO, 0.0)
    assert pair.esme_receives(pdu.Pdu(2, pdu.GenericNack(), 3)) == [SubmitAnswered("a", 3, None, 0.0, 2)]


def test_q15_unanswered_submit_is_unknown_and_its_late_answer_only_an_event() -> None:
    pair = Pair()
    pair.esme.submit("a", HELLO, 0.0)
    pair.esme.receive_data(header_of(SmppCommand.ENQUIRE_LINK, 1), 59.0)
    assert pair.esme.handle_timer(59.9) == []
    assert pair.esme.handle_timer(60.0) == [SubmitUnknown("a", "no_response")]
    assert pair.esme.window_free == 10
    late = encode_all(pdu.Pdu(2, pdu.SubmitSmResp("id")))
    assert pair.esme.receive_data(late, 61.0) == [LateResponse("a", 0, "id", 2)]
    assert words(pair.esme.receive_data(late, 61.0)) == ["ProtocolErrorSeen"]


def test_a_response_of_another_command_answers_nothing() -> None:
    pair = Pair()
    pair.esme.submit("a", HELLO, 0.0)
    events = pair.esme_receives(pdu.Pdu(2, pdu.DataSmResp("id")))
    assert words(events) == ["ProtocolErrorSeen"]
    assert pair.esme.in_flight == 1


def test_what_cannot_be_framed_is_refused_and_leaves_no_trace() -> None:
    pair = Pair()
    with pytest.raises(UnencodablePdu):
        pair.esme.submit("a", pdu.SubmitSm(source_addr="a\0"), 0.0)
    assert (pair.esme.in_flight, pair.esme.data_to_send()) == (0, b"")


def test_nothing_is_accepted_before_the_bind_or_after_the_end() -> None:
    pair = Pair(bind=False)
    assert not pair.esme.submit("a", HELLO, 0.0)
    assert pair.esme.window_free == 0
    pair.esme.connection_lost(0.0)
    assert not pair.esme.submit("a", HELLO, 0.0)


def test_lost_connection_ends_every_token_once() -> None:
    pair = Pair()
    for token in "ab":
        pair.esme.submit(token, HELLO, 0.0)
    lost = [SubmitUnknown("a", "connection_lost"), SubmitUnknown("b", "connection_lost"), Closed("connection_lost")]
    assert pair.esme.connection_lost(1.0) == lost
    assert pair.esme.connection_lost(1.0) == []
    assert pair.esme_receives(pdu.Pdu(2, pdu.SubmitSmResp("id"))) == []


@pytest.mark.parametrize(
    ("body", "response"),
    [
        (pdu.DataSm(destination_addr="1"), pdu.DataSmResp("id")),
        (pdu.QuerySm("id"), pdu.QuerySmResp("id", "", 2, 0)),
        (pdu.CancelSm(message_id="id"), pdu.CancelSmResp()),
        (pdu.ReplaceSm("id"), pdu.ReplaceSmResp()),
        (pdu.SubmitMulti(dest_address=(pdu.DestinationAddress(1, 1, "1"),)), pdu.SubmitMultiResp("id")),
    ],
    ids=lambda body: type(body).__name__,
)
def test_other_requests_share_the_window_and_get_their_response(body: pdu.SmscRequest, response: pdu.Body) -> None:
    pair = Pair(window_size=1)
    assert pair.esme.request("q", body, 0.0)
    assert not pair.esme.request("r", body, 0.0)
    (received,) = pair.to_smsc()
    assert getattr(received, "pdu", None) == body
    assert pair.smsc.answer(2, response)
    assert pair.to_esme() == [RequestAnswered("q", 0, response, 0.0, 2)]


# ----------------------------------------------------------------------------------------------------------- receiving


def test_deliveries_are_answered_in_any_order() -> None:
    pair = Pair()
    events = pair.esme_receives(*(pdu.Pdu(number, RECEIPT) for number in (7, 8, 9)))
    assert events == [DeliverReceived(number, RECEIPT) for number in (7, 8, 9)]
    assert pair.esme.unanswered == 3
    assert [pair.esme.answer_deliver(9), pair.esme.answer_deliver(7, 0x64), pair.esme.answer_deliver(7)] == [
        True,
        True,
        False,
    ]
    assert pair.esme_sent() == [pdu.Pdu(9, pdu.DeliverSmResp()), pdu.Pdu(7, pdu.DeliverSmResp(), 0x64)]


def test_data_sm_of_the_smsc_is_answered_with_data_sm_resp() -> None:
    pair = Pair()
    body = pdu.DataSm(esm_class=4, tlvs=(Tlv(Tag.RECEIPTED_MESSAGE_ID, b"1\0"),))
    assert pair.esme_receives(pdu.Pdu(7, body)) == [DeliverReceived(7, body)]
    pair.esme.answer_deliver(7)
    assert pair.esme_sent() == [pdu.Pdu(7, pdu.DataSmResp(""))]


def test_a_repeated_sequence_number_gets_an_answer_for_each_request() -> None:
    pair = Pair()
    pair.esme_receives(pdu.Pdu(7, RECEIPT), pdu.Pdu(7, RECEIPT))
    assert [pair.esme.answer_deliver(7) for _ in range(3)] == [True, True, False]


def test_receipt_of_tlvs_only_with_empty_short_message_is_delivered() -> None:
    pair = Pair()
    body = pdu.DeliverSm(esm_class=4, tlvs=(Tlv(Tag.RECEIPTED_MESSAGE_ID, b"1\0"), Tlv(Tag.MESSAGE_STATE, b"\x02")))
    assert pair.esme_receives(pdu.Pdu(7, body)) == [DeliverReceived(7, body)]


def test_q53_deliveries_over_the_limit_are_sent_back_for_later() -> None:
    session = EsmeSession(EsmeConfig(unanswered_max=1), now=0.0)
    session.bind(0.0)
    session.data_to_send()
    frames = (pdu.Pdu(1, pdu.BindTransceiverResp()), pdu.Pdu(7, RECEIPT), pdu.Pdu(8, RECEIPT))
    assert words(session.receive_data(encode_all(*frames), 0.0)) == ["Bound", "DeliverReceived", "ProtocolErrorSeen"]
    assert decode_all(session.data_to_send()) == [pdu.Pdu(8, pdu.DeliverSmResp(), SmppCommandStatus.ESME_RX_T_APPN)]


def test_a_delivery_on_a_transmitter_is_reported_and_taken() -> None:
    pair = Pair(bind_mode=BindMode.TRANSMITTER)
    assert words(pair.esme_receives(pdu.Pdu(7, RECEIPT))) == ["ProtocolErrorSeen", "DeliverReceived"]


def test_a_delivery_before_the_bind_is_refused() -> None:
    pair = Pair(bind=False)
    assert words(pair.esme_receives(pdu.Pdu(7, RECEIPT))) == ["ProtocolErrorSeen"]
    assert pair.esme_sent() == [pdu.Pdu(7, pdu.DeliverSmResp(), SmppCommandStatus.ESME_RINVBNDSTS)]


def test_alert_notification_and_outbind_are_events_without_answer() -> None:
    alert, outbind = pdu.AlertNotification(source_addr="1"), pdu.Outbind("SMSC", "pwd")
    assert Pair().esme_receives(pdu.Pdu(7, alert)) == [AlertReceived(alert)]
    pair = Pair(bind=False)
    assert pair.esme_receives(pdu.Pdu(7, outbind)) == [OutbindReceived(outbind)]
    assert pair.esme.data_to_send() == b""


def test_alert_notification_and_outbind_at_the_wrong_time_are_reported_and_ignored() -> None:
    bound, transmitter, early = Pair(), Pair(bind_mode=BindMode.TRANSMITTER), Pair(bind=False)
    for pair, body in (
        (bound, pdu.Outbind()),
        (transmitter, pdu.AlertNotification()),
        (early, pdu.AlertNotification()),
    ):
        assert words(pair.esme_receives(pdu.Pdu(7, body))) == ["ProtocolErrorSeen"]
        assert pair.esme.data_to_send() == b""


# ------------------------------------------------------------------------------------------ what a peer does wrong


def test_q22_enquire_link_is_answered_in_any_state() -> None:
    for pair in (Pair(bind=False), Pair()):
        assert pair.esme.receive_data(header_of(SmppCommand.ENQUIRE_LINK, 99), 0.0) == []
        assert pair.esme_sent()[-1] == pdu.Pdu(99, pdu.EnquireLinkResp())


def test_q31_unknown_pdu_gets_generic_nack_and_the_session_lives_on() -> None:
    pair = Pair()
    events = pair.esme.receive_data(header_of(0x99, 5) + encode_all(pdu.Pdu(7, RECEIPT)), 0.0)
    assert words(events) == ["ProtocolErrorSeen", "DeliverReceived"]
    assert pair.esme_sent() == [pdu.Pdu(5, pdu.GenericNack(), SmppCommandStatus.ESME_RINVCMDID)]


def test_unparsable_deliver_sm_is_answered_with_its_own_response() -> None:
    pair = Pair()
    events = pair.esme.receive_data(header_of(SmppCommand.DELIVER_SM, 5), 0.0)
    assert words(events) == ["ProtocolErrorSeen"]
    assert pair.esme_sent() == [pdu.Pdu(5, pdu.DeliverSmResp(), SmppCommandStatus.ESME_RINVCMDLEN)]


def test_unknown_responses_are_reported_and_never_answered() -> None:
    pair = Pair()
    assert (
        words(pair.esme.receive_data(header_of(0x80000099, 5) + header_of(0x80000004, 77), 0.0))
        == ["ProtocolErrorSeen"] * 2
    )
    assert pair.esme.data_to_send() == b""


def test_requests_that_only_an_esme_makes_are_refused() -> None:
    pair = Pair()
    assert words(pair.esme_receives(pdu.Pdu(5, HELLO))) == ["ProtocolErrorSeen"]
    assert pair.esme_sent() == [pdu.Pdu(5, pdu.GenericNack(), SmppCommandStatus.ESME_RINVCMDID)]


@pytest.mark.parametrize("command_length", [0, 15, 66561, 0xFFFFFFFF])
def test_lost_framing_ends_the_session_and_its_tokens(command_length: int) -> None:
    pair = Pair()
    pair.esme.submit("a", HELLO, 0.0)
    pair.esme.data_to_send()
    events = pair.esme.receive_data(command_length.to_bytes(4, "big"), 0.0)
    assert events[0] == ProtocolErrorSeen("framing_lost", f"command_length {command_length}", None, None)
    assert events[1:] == [SubmitUnknown("a", "connection_lost"), Closed("framing_lost")]
    assert pair.esme_sent() == [pdu.Pdu(0, pdu.GenericNack(), SmppCommandStatus.ESME_RINVCMDLEN)]


# ---------------------------------------------------------------------------------------------- timers and leaving


def test_q22_a_silent_peer_is_asked_twice_and_given_up() -> None:
    pair = Pair()
    pair.esme.submit("a", HELLO, 0.0)
    asked = []
    for now in (30.0, 45.0):
        assert pair.esme.next_deadline() == now
        assert pair.esme.handle_timer(now) == []
        asked += [
            one
            for one in pair.esme_sent()
            if isinstance(one.body if isinstance(one, pdu.Pdu) else None, pdu.EnquireLink)
        ]
    assert len(asked) == 2
    assert pair.esme.handle_timer(60.0) == [
        SubmitUnknown("a", "no_response"),
        LinkDead("enquire_link_unanswered"),
        Closed("link_dead"),
    ]


def test_an_enquire_link_without_an_answer_is_forgotten_when_other_traffic_proved_life() -> None:
    pair = Pair()
    now = 0.0
    for round_ in range(50):
        now += 30.0
        pair.esme.handle_timer(now)
        pair.esme.receive_data(encode_all(pdu.Pdu(round_ + 100, RECEIPT)), now)
    assert len(pair.esme._window._controls) == 1
    last = decode_all(pair.esme.data_to_send())[-1]
    assert pair.esme_receives(pdu.Pdu(last.sequence_number, pdu.EnquireLinkResp())) == [], "the latest is still known"


def test_enquire_link_answered_keeps_the_session() -> None:
    pair = Pair()
    pair.now = 30.0
    pair.esme.handle_timer(30.0)
    pair.to_smsc()
    assert pair.to_esme() == []
    assert pair.esme.next_deadline() == 60.0


def test_unbind_of_ours() -> None:
    pair = Pair()
    assert pair.esme.unbind(1.0) == []
    assert not pair.esme.submit("a", HELLO, 1.0)
    assert pair.to_smsc() == [PeerUnbound(), Closed("peer_unbound")]
    assert pair.to_esme() == [Closed("unbound")]


def test_unanswered_unbind_ends_after_its_time() -> None:
    pair = Pair()
    pair.esme.submit("a", HELLO, 0.0)
    pair.esme.unbind(1.0)
    assert pair.esme.next_deadline() == 6.0
    assert pair.esme.handle_timer(6.0) == [SubmitUnknown("a", "connection_lost"), Closed("unbound")]


def test_answers_still_count_while_unbinding() -> None:
    pair = Pair()
    pair.esme.submit("a", HELLO, 0.0)
    pair.esme.unbind(0.0)
    events = pair.esme_receives(pdu.Pdu(2, pdu.SubmitSmResp("id")), pdu.Pdu(3, pdu.UnbindResp()))
    assert events == [SubmitAnswered("a", 0, "id", 0.0, 2), Closed("unbound")]


def test_a_delivery_while_unbinding_is_sent_back_for_later() -> None:
    pair = Pair()
    pair.esme.unbind(0.0)
    assert words(pair.esme_receives(pdu.Pdu(7, RECEIPT))) == ["ProtocolErrorSeen"]
    assert pair.esme_sent()[-1] == pdu.Pdu(7, pdu.DeliverSmResp(), SmppCommandStatus.ESME_RX_T_APPN)


def test_unbind_before_the_bind_just_ends() -> None:
    assert Pair(bind=False).esme.unbind(0.0) == [Closed("unbound")]


def test_drain_waits_for_both_directions() -> None:
    pair = Pair()
    pair.esme.submit("a", HELLO, 0.0)
    pair.esme_receives(pdu.Pdu(7, RECEIPT))
    pair.esme.data_to_send()
    assert pair.esme.drain(1.0) == []
    assert (pair.esme.state, pair.esme.data_to_send()) == (SessionState.DRAINING, b"")
    assert not pair.esme.submit("b", HELLO, 1.0)
    pair.esme_receives(pdu.Pdu(2, pdu.SubmitSmResp("id")))
    assert pair.esme.state is SessionState.DRAINING
    pair.esme.answer_deliver(7)
    deadline = pair.esme.next_deadline()
    assert deadline is not None
    assert deadline <= 1.0
    assert pair.esme.handle_timer(1.0) == []
    assert pair.esme_sent() == [pdu.Pdu(7, pdu.DeliverSmResp()), pdu.Pdu(3, pdu.Unbind())]


def test_drain_without_anything_in_flight_unbinds_at_once() -> None:
    pair = Pair()
    assert pair.esme.drain(1.0) == []
    assert pair.esme_sent() == [pdu.Pdu(2, pdu.Unbind())]


def test_drain_ends_with_the_response_timeout() -> None:
    pair = Pair()
    pair.esme_receives(pdu.Pdu(7, RECEIPT))
    pair.esme.drain(1.0)
    pair.esme.receive_data(header_of(SmppCommand.ENQUIRE_LINK, 1), 60.0)
    pair.esme.data_to_send()
    pair.esme.handle_timer(61.0)
    assert pair.esme.state is SessionState.UNBINDING


def test_unbind_of_the_peer_waits_for_answers_on_their_way() -> None:
    pair = Pair()
    pair.esme.submit("a", HELLO, 0.0)
    pair.esme.data_to_send()
    assert pair.esme_receives(pdu.Pdu(5, pdu.Unbind())) == [PeerUnbound()]
    assert pair.esme.data_to_send() == b""
    events = pair.esme_receives(pdu.Pdu(2, pdu.SubmitSmResp("id")))
    assert events == [SubmitAnswered("a", 0, "id", 0.0, 2), Closed("peer_unbound")]
    assert pair.esme_sent() == [pdu.Pdu(5, pdu.UnbindResp())]


def test_unbind_of_the_peer_is_answered_in_time_whatever_is_in_flight() -> None:
    pair = Pair()
    pair.esme.submit("a", HELLO, 0.0)
    pair.esme.data_to_send()
    pair.esme_receives(pdu.Pdu(5, pdu.Unbind()))
    assert pair.esme.handle_timer(5.0) == [SubmitUnknown("a", "connection_lost"), Closed("peer_unbound")]
    assert pair.esme_sent() == [pdu.Pdu(5, pdu.UnbindResp())]


def test_both_sides_may_unbind_at_once() -> None:
    pair = Pair()
    pair.esme.unbind(0.0)
    pair.smsc.unbind(0.0)
    from_esme, from_smsc = pair.esme.data_to_send(), pair.smsc.data_to_send()
    assert pair.esme.receive_data(from_smsc, 0.0) + pair.smsc.receive_data(from_esme, 0.0) == []
    from_esme, from_smsc = pair.esme.data_to_send(), pair.smsc.data_to_send()
    assert pair.esme.receive_data(from_smsc, 0.0) == [Closed("unbound")]
    assert pair.smsc.receive_data(from_esme, 0.0) == [Closed("unbound")]


def test_q30_sequence_numbers_wrap() -> None:
    session = EsmeSession(EsmeConfig(first_sequence_number=0x7FFFFFFE), now=0.0)
    session.bind(0.0)
    session.receive_data(encode_all(pdu.Pdu(0x7FFFFFFE, pdu.BindTransceiverResp())), 0.0)
    for token in "abc":
        session.submit(token, HELLO, 0.0)
    assert [one.sequence_number for one in decode_all(session.data_to_send())] == [0x7FFFFFFE, 0x7FFFFFFF, 1, 2]


def test_whoever_looks_at_a_pdu_can_ask_whose_it_is() -> None:
    """Also while a response is on its way through, and when it comes late."""
    seen: list[object] = []
    ring = TraceRing()
    session = EsmeSession(EsmeConfig(response_timeout_s=5.0), now=0.0, trace=ring)
    ring.tap = lambda at, direction, frame: seen.append(session.token_of(int.from_bytes(frame[12:16], "big")))
    session.bind(0.0)
    session.receive_data(encode_all(pdu.Pdu(1, pdu.BindTransceiverResp())), 0.0)
    session.submit("a", HELLO, 0.0)
    session.submit("b", HELLO, 0.0)
    session.receive_data(encode_all(pdu.Pdu(2, pdu.SubmitSmResp("m"))), 1.0)
    session.handle_timer(6.0)
    session.receive_data(encode_all(pdu.Pdu(3, pdu.SubmitSmResp("n"))), 6.0)
    assert seen == [None, None, "a", "b", "a", "b"]
    assert (session.token_of(2), session.token_of(3)) == (None, None)


def test_every_pdu_in_and_out_is_traced() -> None:
    ring = TraceRing()
    session = EsmeSession(EsmeConfig(), now=0.0, trace=ring)
    session.bind(3.0)
    session.receive_data(encode_all(pdu.Pdu(1, pdu.BindTransceiverResp()), pdu.Pdu(7, RECEIPT)), 4.0)
    session.answer_deliver(7)
    assert [(at, direction) for at, direction, _ in ring.snapshot()] == [
        (3.0, "out"),
        (4.0, "in"),
        (4.0, "in"),
        (4.0, "out"),
    ]
