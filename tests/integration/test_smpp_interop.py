"""Over TCP with an implementation nobody here wrote: smpplib's client against our server. jSMPP: `test_smpp_jsmpp`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import smpplib.client
import smpplib.exceptions
import smpplib.smpp

from shared.smpp import pdu
from shared.smpp.config import SmscConfig
from shared.smpp.constants import SmppCommandStatus
from shared.smpp.events import BindRequested, DeliverAnswered, Event, RequestReceived, SubmitReceived
from shared.smpp.listener import serve
from shared.smpp.server_session import SmscSession
from shared.smpp.tlv import Tag, text_tlv
from shared.smpp.trace import TraceRing
from shared.smpp.transport import Connection

RECEIPT = pdu.DeliverSm(
    esm_class=4,
    source_addr="447700900123",
    destination_addr="SHOP",
    short_message=b"id:1 stat:DELIVRD",
    tlvs=(text_tlv(Tag.RECEIPTED_MESSAGE_ID, "1"),),
)


class Smsc:
    """Refuses the system_id `wrong`; throttles every third submit_sm; sends a receipt for every accepted one."""

    def __init__(self) -> None:
        self.submits: list[pdu.SubmitSm] = []
        self.answered: list[int] = []
        self.trace = TraceRing()

    def seen(self, direction: str, body_class: type[pdu.Body]) -> int:
        """How many PDUs of this command came in or went out."""
        command_id = body_class.command_id.to_bytes(4, "big")
        return sum(way == direction and frame[4:8] == command_id for _, way, frame in self.trace.snapshot())

    def on_events(self, connection: Connection[SmscSession], events: list[Event]) -> None:
        session = connection.session
        for event in events:
            match event:
                case BindRequested(pdu=request):
                    if request.system_id == "wrong":
                        connection.handle(session.refuse_bind(SmppCommandStatus.ESME_RINVSYSID, connection.now()))
                    else:
                        session.accept_bind(connection.now())
                case SubmitReceived(sequence_number, submit_sm):
                    self.submits.append(submit_sm)
                    if len(self.submits) % 3 == 0:
                        session.answer_submit(sequence_number, SmppCommandStatus.ESME_RTHROTTLED)
                    else:
                        session.answer_submit(sequence_number, 0, f"{len(self.submits)}")
                        session.deliver(len(self.submits), RECEIPT, connection.now())
                case RequestReceived(sequence_number, pdu.QuerySm(message_id=message_id)):
                    session.answer(sequence_number, pdu.QuerySmResp(message_id, "", 2, 0))
                case DeliverAnswered(command_status=status):
                    self.answered.append(status)
                case _:
                    pass


@asynccontextmanager
async def smsc(**config: Any) -> AsyncIterator[tuple[Smsc, int]]:
    server = Smsc()
    settings = SmscConfig(system_id="SMSC", **config)
    listener = await serve(
        lambda now: SmscSession(settings, now=now, trace=server.trace), "127.0.0.1", 0, server.on_events
    )
    try:
        yield server, listener.port
    finally:
        await listener.close()


def talk(port: int) -> tuple[list[tuple[int, Any]], list[bytes]]:
    """A session of smpplib's client, in its own thread: six submits, their answers and the receipts that follow."""
    client = smpplib.client.Client("127.0.0.1", port, timeout=20, allow_unknown_opt_params=True)
    answers: list[tuple[int, Any]] = []
    receipts: list[bytes] = []
    client.set_message_sent_handler(lambda pdu: answers.append((pdu.status, pdu.message_id)))
    client.set_message_received_handler(lambda pdu: receipts.append(pdu.receipted_message_id))
    client.set_error_pdu_handler(lambda pdu: None)  # its default raises; the other handler is called all the same
    try:
        client.connect()
        client.bind_transceiver(system_id="shop", password="secret")
        for _ in range(6):
            client.send_message(source_addr="SHOP", destination_addr="447700900123", short_message=b"hello")
        while len(answers) < 6 or len(receipts) < 4:
            client.read_once()
        client.unbind()
    finally:
        client.disconnect()
    return answers, receipts


async def test_smpplib_binds_submits_is_delivered_to_and_unbinds() -> None:
    async with smsc() as (server, port):
        answers, receipts = await asyncio.to_thread(talk, port)
    assert [status for status, _ in answers] == [0, 0, 0x58, 0, 0, 0x58]
    assert [message_id for status, message_id in answers if not status] == [b"1", b"2", b"4", b"5"]
    assert receipts == [b"1"] * 4
    assert [one.short_message for one in server.submits] == [b"hello"] * 6
    assert server.answered == [0] * 4


async def test_smpplib_and_we_ask_each_other_for_a_sign_of_life() -> None:
    def idle(port: int) -> None:
        client = smpplib.client.Client("127.0.0.1", port, timeout=20, allow_unknown_opt_params=True)
        try:
            client.connect()
            client.bind_transceiver(system_id="shop", password="secret")
            client.send_pdu(smpplib.smpp.make_pdu("enquire_link", client=client))
            for _ in range(4):  # the answer to its own, and three of ours, which it answers
                client.read_once()
            client.unbind()
        finally:
            client.disconnect()

    async with smsc(enquire_link_s=0.05) as (server, port):
        await asyncio.to_thread(idle, port)
        assert (server.seen("in", pdu.EnquireLink), server.seen("out", pdu.EnquireLinkResp)) == (1, 1)
        assert server.seen("out", pdu.EnquireLink) >= server.seen("in", pdu.EnquireLinkResp) >= 2


async def test_smpplib_understands_a_refused_bind() -> None:
    def bind(port: int) -> None:
        client = smpplib.client.Client("127.0.0.1", port, timeout=20, allow_unknown_opt_params=True)
        try:
            client.connect()
            client.bind_transmitter(system_id="wrong", password="secret")
        finally:
            client.disconnect()

    async with smsc() as (_, port):
        with pytest.raises(smpplib.exceptions.PDUError, match="Invalid System ID"):
            await asyncio.to_thread(bind, port)
