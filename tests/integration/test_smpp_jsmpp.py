"""Over TCP with jSMPP (Java): our client against its server, its clients against our server."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from shared.local.ports import LOOPBACK, free_port
from shared.smpp import pdu
from shared.smpp.config import EsmeConfig, SmscConfig
from shared.smpp.constants import BindMode, EsmClass, MessageState, SmppCommandStatus
from shared.smpp.errors import ConnectFailed
from shared.smpp.events import (
    BindFailed,
    BindRequested,
    Bound,
    Closed,
    DeliverAnswered,
    DeliverReceived,
    EsmeEvent,
    Event,
    ProtocolErrorSeen,
    RequestAnswered,
    RequestReceived,
    SmscEvent,
    SubmitAnswered,
)
from shared.smpp.listener import serve
from shared.smpp.server_session import SmscSession
from shared.smpp.session import EsmeSession
from shared.smpp.tlv import Tag, Tlv, integer, integer_tlv
from shared.smpp.trace import TraceRing
from shared.smpp.transport import Connection, connect_client
from shared.sms.smsc_message_id import name_in_response, normalised
from tests.jsmpp import JavaProgram, running

EventT = TypeVar("EventT", bound=EsmeEvent | SmscEvent)

CONGESTION_STATE = 0x0428
"""Of SMPP 5.0: unknown to our table, kept raw."""
PLACES: dict[str, Any] = {
    "source_addr_ton": 5,
    "source_addr": "SHOP",
    "dest_addr_ton": 1,
    "dest_addr_npi": 1,
    "destination_addr": "447700900123",
}
SUBMITS = {
    "plain": pdu.SubmitSm(**PLACES, registered_delivery=1, short_message=b"hello"),
    "longest": pdu.SubmitSm(**PLACES, short_message=b"x" * 254),
    "empty": pdu.SubmitSm(**PLACES),
    "with times": pdu.SubmitSm(**PLACES, validity_period="000001000000000R", short_message=b"times"),
    "udh": pdu.SubmitSm(
        **PLACES, esm_class=EsmClass.UDHI, data_coding=8, short_message=bytes.fromhex("050003070201 0047")
    ),
    "sar": pdu.SubmitSm(
        **PLACES,
        short_message=b"sar",
        tlvs=(
            integer_tlv(Tag.SAR_MSG_REF_NUM, 7),
            integer_tlv(Tag.SAR_TOTAL_SEGMENTS, 2),
            integer_tlv(Tag.SAR_SEGMENT_SEQNUM, 1),
        ),
    ),
    "payload and a vendor's": pdu.SubmitSm(
        **PLACES, tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"y" * 1000), Tlv(0x1401, b"\x01\x02"))
    ),
}
TWO_AND_A_LIST = pdu.SubmitMulti(
    source_addr_ton=5,
    source_addr="SHOP",
    dest_address=(
        pdu.DestinationAddress(1, 1, "447700900123"),
        pdu.DestinationAddress(1, 1, "447700900124"),
        pdu.DistributionList("staff"),
    ),
    registered_delivery=1,
    short_message=b"many",
)
NOT_IMPLEMENTED_THERE: dict[str, pdu.SmscRequest] = {
    "query_sm": pdu.QuerySm("abc", 5, 0, "SHOP"),
    "cancel_sm": pdu.CancelSm(message_id="abc", **PLACES),
    "replace_sm": pdu.ReplaceSm("abc", 5, 0, "SHOP", short_message=b"new"),
    "data_sm": pdu.DataSm(**PLACES, tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"data"),)),
}
"""jSMPP's simulator reads these and answers each with an error of its own choice."""


@dataclass
class Watcher:
    """The events of one connection as they come; deliver_sm is answered at once."""

    events: list[Event] = field(default_factory=list)
    on_event: Callable[[Connection[Any], Event], None] = lambda connection, event: None
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    _telling: "asyncio.Task[None] | None" = None

    def take(self, connection: Connection[Any], events: list[Event]) -> None:
        """What a connection calls."""
        for event in events:
            self.events.append(event)
            self.on_event(connection, event)
        self._telling = asyncio.ensure_future(self._tell())

    def of(self, kind: type[EventT]) -> list[EventT]:
        """The events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Return when `holds`, which is looked at after every event."""
        async with asyncio.timeout(timeout_s), self._moved:
            await self._moved.wait_for(holds)

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()


def delivered(watcher: Watcher) -> pdu.DeliverSm:
    """The first deliver_sm."""
    found = watcher.of(DeliverReceived)[0].pdu
    assert isinstance(found, pdu.DeliverSm)
    return found


def _answer_delivers(connection: Connection[EsmeSession], event: Event) -> None:
    if isinstance(event, DeliverReceived):
        connection.session.answer_deliver(event.sequence_number)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[JavaProgram, int]]:
    """jSMPP's simulator of an SMSC, which takes transceivers only, and its port."""
    port = free_port()
    properties = {"jsmpp.simulator.port": port, "org.slf4j.simpleLogger.defaultLogLevel": "debug"}
    log_file = tmp_path_factory.mktemp("jsmpp") / "simulator.log"
    with running("org.jsmpp.examples.SMPPServerSimulator", properties, log_file) as program:
        yield program, port


@pytest.fixture(scope="module")
def stress_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[JavaProgram, int]]:
    """jSMPP's server for load tests, which takes any bind, and its port."""
    port = free_port()
    log_file = tmp_path_factory.mktemp("jsmpp") / "stress.log"
    with running("org.jsmpp.examples.StressServer", {"jsmpp.server.port": port}, log_file) as program:
        yield program, port


@asynccontextmanager
async def client(server: tuple[JavaProgram, int], **config: Any) -> AsyncIterator[tuple[Watcher, Any, TraceRing]]:
    """Our client at jSMPP's server, its bind answered; what it saw and the octets of the session."""
    program, port = server
    settings = EsmeConfig(**{"system_id": "j", "password": "jpwd", **config})
    watcher, ring = Watcher(on_event=_answer_delivers), TraceRing()
    async with asyncio.timeout(20):
        while True:  # its JVM may not listen yet
            try:
                connection = await connect_client(
                    lambda now: EsmeSession(settings, now=now, trace=ring), LOOPBACK, port, watcher.take
                )
                break
            except ConnectFailed:
                assert not program.has_ended(), program.log()
                await asyncio.sleep(0.05)
    connection.session.bind(connection.now())
    connection.wake()
    await watcher.until(lambda: bool(watcher.of(Bound) or watcher.of(BindFailed)))
    try:
        yield watcher, connection, ring
    finally:
        connection.abort()
        await connection.wait_closed()


async def leave(watcher: Watcher, connection: Connection[EsmeSession]) -> None:
    """Unbind, and be answered."""
    connection.handle(connection.session.unbind(connection.now()))
    await watcher.until(lambda: bool(watcher.of(Closed)))
    assert watcher.of(Closed) == [Closed("unbound")]
    assert watcher.of(ProtocolErrorSeen) == []


async def test_every_request_of_ours_is_understood_by_its_server(simulator: tuple[JavaProgram, int]) -> None:
    async with client(simulator, window_size=50) as (watcher, connection, _):
        assert watcher.of(Bound) == [Bound("sys", 0x50)]
        requests: dict[str, pdu.SmscRequest] = {**SUBMITS, "submit_multi": TWO_AND_A_LIST, **NOT_IMPLEMENTED_THERE}
        for token, body in requests.items():
            assert connection.session.request(token, body, connection.now())
        connection.wake()
        await watcher.until(lambda: not connection.session.in_flight)
        submitted = {answer.token: answer for answer in watcher.of(SubmitAnswered)}
        others = {answer.token: answer for answer in watcher.of(RequestAnswered)}
        assert (set(submitted), set(others)) == (set(SUBMITS), {"submit_multi", *NOT_IMPLEMENTED_THERE})
        assert {answer.command_status for answer in submitted.values()} == {SmppCommandStatus.ESME_ROK}
        assert all(integer(answer.tlvs, CONGESTION_STATE) is not None for answer in submitted.values())
        multi = others.pop("submit_multi")
        assert isinstance(multi.response, pdu.SubmitMultiResp)
        assert (multi.command_status, multi.response.unsuccess_sme) == (SmppCommandStatus.ESME_ROK, ())
        assert {answer.command_status for answer in others.values()} == {SmppCommandStatus.ESME_RSYSERR}
        await leave(watcher, connection)
    understood = re.findall(r"Receiving submit_sm '([^']*)', and return message id (\w+)", simulator[0].log())
    ids = {message_id: text for text, message_id in understood}
    texts = {name: ids[str(answer.smsc_message_id)] for name, answer in submitted.items() if name != "udh"}
    assert texts == {
        "plain": "hello",
        "longest": "x" * 254,
        "empty": "",
        "with times": "times",
        "sar": "sar",
        "payload and a vendor's": "",
    }


async def test_q1_its_receipts_are_delivered_answered_and_joined(simulator: tuple[JavaProgram, int]) -> None:
    """jSMPP gives the id in hexadecimal in submit_sm_resp and in decimal in the receipt."""
    async with client(simulator) as (watcher, connection, _):
        connection.session.submit("one", SUBMITS["plain"], connection.now())
        connection.session.request("many", TWO_AND_A_LIST, connection.now())
        connection.wake()

        def receipts() -> list[pdu.DeliverSm | pdu.DataSm]:
            return [one.pdu for one in watcher.of(DeliverReceived) if one.pdu.esm_class == EsmClass.DELIVERY_RECEIPT]

        await watcher.until(lambda: len(receipts()) == 2)
        (submitted,), (multi,) = watcher.of(SubmitAnswered), watcher.of(RequestAnswered)
        assert isinstance(multi.response, pdu.SubmitMultiResp)
        asked = {normalised(str(one)) for one in (submitted.smsc_message_id, multi.response.message_id)}
        texts = [one.short_message.decode() for one in receipts() if isinstance(one, pdu.DeliverSm)]
        found = [
            re.match(r"id:(\d+) sub:\d+ dlvrd:\d+ submit date:\d+ done date:\d+ stat:DELIVRD", one) for one in texts
        ]
        assert {name_in_response(one[1], "hex") for one in found if one is not None} == asked
        await leave(watcher, connection)
    assert "deliver_sm response with sequence_number" in simulator[0].log()


async def test_its_server_answers_enquire_link_and_nacks_what_it_does_not_know(
    simulator: tuple[JavaProgram, int],
) -> None:
    async with client(simulator, enquire_link_s=0.1) as (watcher, connection, ring):

        def answers() -> int:
            return sum(way == "in" and frame[4:8].hex() == "80000015" for _, way, frame in ring.snapshot())

        async with asyncio.timeout(20):
            while answers() < 3:
                await asyncio.sleep(0.05)
        connection.session.send_raw(bytes.fromhex("00000010 00000099 00000000 00000055"))
        connection.wake()
        await watcher.until(lambda: bool(watcher.of(ProtocolErrorSeen)))
        seen = watcher.of(ProtocolErrorSeen)
        assert [(one.kind, one.command_id, one.sequence_number) for one in seen] == [
            ("unexpected_response", pdu.GenericNack.command_id, 0x55)
        ]
        watcher.events.clear()
        await leave(watcher, connection)


async def test_its_greeting_is_received(simulator: tuple[JavaProgram, int]) -> None:
    """The simulator greets whoever has bound with a deliver_sm."""
    async with client(simulator) as (watcher, connection, _):
        await watcher.until(lambda: bool(watcher.of(DeliverReceived)))
        greeting = delivered(watcher)
        assert (greeting.service_type, greeting.short_message) == ("CMT", b"Hello World")
        await leave(watcher, connection)


@pytest.mark.parametrize("bind_mode", BindMode)
async def test_every_bind_mode_is_served(stress_server: tuple[JavaProgram, int], bind_mode: BindMode) -> None:
    async with client(stress_server, bind_mode=bind_mode) as (watcher, connection, _):
        assert watcher.of(Bound) == [Bound("sys", 0x50)]
        requests: tuple[tuple[str, pdu.SmscRequest], ...]
        requests = (("submit", SUBMITS["plain"]), ("query", pdu.QuerySm("abc")))
        for token, body in requests:
            assert connection.session.request(token, body, connection.now()) == bind_mode.transmits
        connection.wake()
        await watcher.until(lambda: not connection.session.in_flight)
        for answer in watcher.of(RequestAnswered):
            assert isinstance(answer.response, pdu.QuerySmResp)
            assert (answer.response.message_id, answer.response.message_state) == ("abc", MessageState.DELIVERED)
            assert re.fullmatch(r"\d{15}[+-]", answer.response.final_date), answer.response
        if bind_mode is BindMode.TRANSCEIVER:
            await watcher.until(lambda: bool(watcher.of(DeliverReceived)))
            assert b"stat:DELIVRD" in delivered(watcher).short_message
        await leave(watcher, connection)


@pytest.mark.parametrize(
    ("config", "status"),
    [
        ({"password": "wrong"}, SmppCommandStatus.ESME_RINVPASWD),
        ({"system_id": "wrong"}, SmppCommandStatus.ESME_RINVSYSID),
        ({"bind_mode": BindMode.TRANSMITTER}, SmppCommandStatus.ESME_RBINDFAIL),
        ({"bind_mode": BindMode.RECEIVER}, SmppCommandStatus.ESME_RBINDFAIL),
    ],
)
async def test_q19_its_refusals_are_told_apart(
    simulator: tuple[JavaProgram, int], config: dict[str, Any], status: SmppCommandStatus
) -> None:
    async with client(simulator, **config) as (watcher, _, _):
        assert watcher.events == [BindFailed("refused", status), Closed("bind_failed")]


async def test_its_client_of_smpp_5_is_served(tmp_path: Path) -> None:
    """200 data_sm, 20 at a time, interface_version 0x50; it counts the answers and unbinds when it has them all."""

    def answer(connection: Connection[SmscSession], event: Event) -> None:
        if isinstance(event, BindRequested):
            connection.session.accept_bind(connection.now())
        elif isinstance(event, RequestReceived):
            connection.session.answer(event.sequence_number, pdu.DataSmResp(f"{event.sequence_number}"))

    watcher, ring = Watcher(on_event=answer), TraceRing()
    config = SmscConfig(system_id="SMSC", enquire_link_s=0.2)
    listener = await serve(lambda now: SmscSession(config, now=now, trace=ring), LOOPBACK, 0, watcher.take)
    properties = {
        "jsmpp.client.host": LOOPBACK,
        "jsmpp.client.port": listener.port,
        "jsmpp.client.bulkSize": 200,
        "jsmpp.client.maxOutstanding": 20,
    }
    try:
        with running("org.jsmpp.examples.StressClient", properties, tmp_path / "client.log") as program:
            await watcher.until(lambda: bool(watcher.of(Closed)), 30)
            assert await asyncio.to_thread(program.process.wait, 20) == 0, program.log()
    finally:
        await listener.close()
    (asked,) = watcher.of(BindRequested)
    assert (asked.pdu.bind_mode, asked.pdu.interface_version) == (BindMode.TRANSCEIVER, 0x50)
    payloads = [one.pdu.tlvs for one in watcher.of(RequestReceived)]
    expected = [(Tlv(Tag.MESSAGE_PAYLOAD, f"Hello 0 idx={number}".encode()),) for number in range(200)]
    assert sorted(payloads, key=str) == sorted(expected, key=str)
    answers = [frame for _, way, frame in ring.snapshot() if way == "in" and frame[4:8].hex() == "80000015"]
    assert answers, "enquire_link_resp"
    assert watcher.of(ProtocolErrorSeen) == []
    assert watcher.of(Closed) == [Closed("peer_unbound")]


async def test_its_esme_binds_after_our_outbind_and_is_delivered_to(tmp_path: Path) -> None:
    """Here the SMSC connects: jSMPP waits for an outbind, then binds as a transceiver over the same connection."""

    def answer(connection: Connection[SmscSession], event: Event) -> None:
        if isinstance(event, BindRequested):
            connection.session.accept_bind(connection.now())
            connection.session.deliver("greeting", pdu.DeliverSm(short_message=b"welcome"), connection.now())

    watcher = Watcher(on_event=answer)
    port = free_port()
    properties = {"jsmpp.simulator.port": port}
    loop = asyncio.get_running_loop()
    with running("org.jsmpp.examples.SMPPOutboundServerSimulator", properties, tmp_path / "esme.log") as program:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, connection = await loop.create_connection(
                        lambda: Connection(lambda now: SmscSession(SmscConfig(), now=now), watcher.take), LOOPBACK, port
                    )
                    break
                except OSError:
                    assert not program.has_ended(), program.log()
                    await asyncio.sleep(0.05)
        connection.session.outbind(pdu.Outbind("SMSC", "secret"), connection.now())
        connection.wake()
        await watcher.until(lambda: bool(watcher.of(DeliverAnswered)))
        assert [(one.token, one.command_status) for one in watcher.of(DeliverAnswered)] == [("greeting", 0)]
        connection.handle(connection.session.unbind(connection.now()))
        await watcher.until(lambda: bool(watcher.of(Closed)))
        assert watcher.of(Closed) == [Closed("unbound")]
        assert "systemid SMSC, password secret" in program.log()
    assert watcher.of(ProtocolErrorSeen) == []
