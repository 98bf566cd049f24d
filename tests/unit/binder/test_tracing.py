"""Edge: who looks at which bind, for how long, and what a dead bind leaves behind."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from schemas.topics import TRACES
from schemas.trace_requests import TraceRequest
from schemas.traces import TraceLine
from services.binder.outbox import Outbox
from services.binder.smpp.link_plan import esme_config
from services.binder.smpp.link_trace import EsmeTrace
from services.binder.submit.dispatch_record import DispatchedSegment, read_dispatch
from services.binder.trace import tracing as module
from services.binder.trace import views
from services.binder.trace.files import TraceFiles
from services.binder.trace.tracing import RING_OCTETS_MIN, RINGS_OCTETS, Tracing
from shared.kafka.produce import BatchProducer
from shared.smpp import pdu
from shared.smpp.constants import BindMode
from shared.smpp.session import EsmeSession
from shared.smpp.trace import TraceRing
from tests.integration.binder_rig import connector, dispatch_record
from tests.stateful.test_journal_machine import Record
from tests.unit.binder.fakes import FakeProducer
from tests.unit.shared.smpp.pair import encode_all

MSISDN = "447700900123"
KEY = b"acme-1|r1"
_BIND_RESPONSES = {
    BindMode.TRANSCEIVER: pdu.BindTransceiverResp("smsc"),
    BindMode.TRANSMITTER: pdu.BindTransmitterResp("smsc"),
    BindMode.RECEIVER: pdu.BindReceiverResp("smsc"),
}


@dataclass
class Requested:
    """A record of smsc.trace_requests."""

    key: bytes
    value: bytes | None


@dataclass
class Scene:
    """A tracing with its outbox, whose records are acknowledged at once."""

    folder: Path
    producer: FakeProducer = field(default_factory=FakeProducer)
    tracing: Tracing = field(init=False)
    serial: int = 0
    traces: list[EsmeTrace] = field(default_factory=list)
    """As a bind does, which alone keeps its half: a tracing lets go of what nobody holds."""

    def __post_init__(self) -> None:
        self.outbox = Outbox(cast("BatchProducer", self.producer))
        self.tracing = Tracing(self.outbox, "b0|1", TraceFiles(self.folder))
        self.running = asyncio.create_task(self.outbox.run())

    async def stop(self) -> None:
        await self.tracing.finish(5)
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    def bound(
        self, connector_id: str = "acme-1", mode: BindMode = BindMode.TRANSCEIVER, trace: EsmeTrace | None = None
    ) -> tuple[EsmeTrace, EsmeSession]:
        """A bind that is up; `trace`: of the other half of it."""
        made = connector(connector_id, 2775, window=1000)
        trace = trace or EsmeTrace(self.tracing, made, 0, ("127.0.0.1", 2775))
        self.traces.append(trace)
        now = asyncio.get_running_loop().time()
        session = trace.session(esme_config(made, mode, "secret"), now, 0.0)
        session.bind(now)
        session.receive_data(encode_all(pdu.Pdu(1, _BIND_RESPONSES[mode])), now)
        return trace, session

    def ask(self, key: bytes = KEY, **fields: Any) -> None:
        connector_id, request_id = key.decode().split("|")
        request = TraceRequest.model_validate(
            {"connector_id": connector_id, "request_id": request_id, "ttl_s": 15} | fields
        )
        self.tracing.read(cast("Any", Requested(key, request.to_json())))

    def leave(self, key: bytes = KEY) -> None:
        self.tracing.read(cast("Any", Requested(key, None)))

    def submit(self, session: EsmeSession, to: str = MSISDN) -> str:
        """One submit_sm; returns its message_id."""
        self.serial += 1
        text = base64.b64encode(b"your code is 4711").decode()
        segment = read_dispatch(
            Record(self.serial, dispatch_record(self.serial, destination_addr=to, octets=text).to_json())
        )
        assert isinstance(segment, DispatchedSegment)
        assert session.submit(segment, segment.payload.submit_sm(1, 0), asyncio.get_running_loop().time())
        return segment.id.split("/")[0]

    async def lines(self) -> list[TraceLine]:
        """Everything that was shown so far."""
        await self.outbox.flushed()
        outs = [out for request in self.producer.requests for out in request if out.topic == TRACES]
        return [TraceLine.from_json(out.value or b"") for out in outs]

    async def commands(self) -> list[str]:
        return [line.command or line.kind for line in await self.lines()]


def feed(session: EsmeSession, *pdus: pdu.Pdu) -> None:
    session.receive_data(encode_all(*pdus), asyncio.get_running_loop().time())


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(tmp_path)
    yield made
    await made.stop()


async def test_nobody_looks_and_nothing_is_written(scene: Scene) -> None:
    trace, session = scene.bound()
    scene.submit(session)
    assert await scene.lines() == []
    assert trace.link.connections[0].ring.tap is None


async def test_from_the_request_to_its_end(scene: Scene) -> None:
    trace, session = scene.bound()
    scene.ask()
    message_id = scene.submit(session)
    feed(session, pdu.Pdu(2, pdu.SubmitSmResp("8A03")))
    scene.leave()
    scene.submit(session)
    began, submitted, accepted = await scene.lines()
    assert (began.kind, began.peer, began.bind, began.owner) == ("began", "127.0.0.1:2775", "transceiver", "b0|1")
    assert (submitted.command, submitted.direction, submitted.message_id) == ("submit_sm", "out", message_id)
    assert (accepted.status, accepted.message_id, accepted.segment_index) == ("ESME_ROK", message_id, 1)
    assert accepted.fields == {"message_id": "8A03"}
    assert trace.link.connections[0].ring.tap is None
    assert submitted.fields["destination_addr"] == "447...(12)"
    assert MSISDN not in str(submitted)
    assert "4711" not in str(submitted)


async def test_unredacted_on_demand(scene: Scene) -> None:
    _, session = scene.bound()
    scene.ask(unredacted=True, with_octets=True)
    scene.submit(session)
    line = (await scene.lines())[-1]
    assert line.fields["destination_addr"] == MSISDN
    assert line.fields["short_message"] == "your code is 4711"
    assert MSISDN.encode().hex() in line.fields["frame"]


async def test_a_request_that_is_not_renewed_ends_by_itself(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    timers: list[tuple[float, Any, Any]] = []
    loop = asyncio.get_running_loop()
    _, session = scene.bound()
    monkeypatch.setattr(scene.tracing, "_loop", _Clockwork(loop, timers))
    scene.ask()
    scene.ask()
    assert [delay for delay, _, _ in timers] == [15, 15]
    scene.submit(session)
    _, end, key = timers[-1]
    end(key)
    scene.submit(session)
    assert await scene.commands() == ["began", "submit_sm"]


class _Clockwork:
    """A loop whose timers the test fires."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timers: list[tuple[float, Any, Any]]) -> None:
        self._loop, self._timers = loop, timers

    def time(self) -> float:
        return self._loop.time()

    def call_later(self, delay: float, what: Any, *arguments: Any) -> asyncio.TimerHandle:
        self._timers.append((delay, what, *arguments))
        return self._loop.call_later(3600, lambda: None)


async def test_two_who_look_see_each_what_they_asked_for(scene: Scene) -> None:
    _, session = scene.bound()
    _, elsewhere = scene.bound("acme-2")
    scene.ask(b"acme-1|all")
    scene.ask(b"acme-1|one", msisdn=MSISDN)
    scene.submit(session, "447700900999")
    scene.submit(session)
    scene.submit(elsewhere)
    shown = [(line.request_id, line.sequence_number) for line in await scene.lines() if line.kind == "pdu"]
    assert shown == [("all", 2), ("all", 3), ("one", 3)]


async def test_a_bind_that_comes_up_meanwhile_is_seen_from_its_first_pdu(scene: Scene) -> None:
    scene.ask()
    scene.bound()
    lines = await scene.lines()
    assert [line.command or line.kind for line in lines] == ["began", "bind_transceiver", "bind_transceiver_resp"]
    assert lines[1].fields["password"] == "***"


async def test_a_connection_that_comes_to_nothing_is_no_bind(scene: Scene) -> None:
    scene.ask()
    made = connector("acme-1", 2775)
    trace = EsmeTrace(scene.tracing, made, 0, ("127.0.0.1", 2775))
    trace.session(esme_config(made, BindMode.TRANSCEIVER, "secret"), 0.0, 0.0)
    trace.forget()
    scene.ask(b"acme-1|r2")
    assert await scene.lines() == []


async def test_the_other_bind_learns_the_ids_from_a_renewal(scene: Scene) -> None:
    _, session = scene.bound()
    scene.ask(message_id="00000000-0000-7000-8000-000000000001")
    receipt = pdu.DeliverSm(esm_class=4, short_message=b"id:8A03 stat:DELIVRD")
    feed(session, pdu.Pdu(1, receipt))
    scene.ask(message_id="00000000-0000-7000-8000-000000000001", smsc_message_ids=["8A03"])
    feed(session, pdu.Pdu(2, receipt))
    session.answer_deliver(1)
    session.answer_deliver(2, now=asyncio.get_running_loop().time() + 5)
    lines = await scene.lines()
    assert [(line.command, line.sequence_number) for line in lines[1:]] == [("deliver_sm", 2), ("deliver_sm_resp", 2)]
    assert lines[2].at_ms - lines[1].at_ms >= 5000, "when it was answered, not when it came"


async def test_what_passed_before_comes_first(scene: Scene) -> None:
    _, session = scene.bound()
    for _ in range(3):
        scene.submit(session)
    scene.ask(since_s=60)
    scene.submit(session)
    async with asyncio.timeout(5):
        while len(lines := await scene.lines()) < 7:
            continue
    assert [line.command or line.kind for line in lines] == [
        "began",
        "bind_transceiver",
        "bind_transceiver_resp",
        *["submit_sm"] * 4,
    ]
    assert [line.sequence_number for line in lines[3:]] == [2, 3, 4, 5]
    scene.submit(session)
    assert (await scene.lines())[-1].sequence_number == 6


async def test_too_many_to_read_are_counted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "LINES_BURST", 5)
    monkeypatch.setattr(views, "LINES_PER_S", 1000)
    trace, session = scene.bound()
    scene.ask()
    ring, now = trace.link.connections[0].ring, asyncio.get_running_loop().time()
    assert isinstance(ring, TraceRing)
    view = trace.link.connections[0].views[KEY.decode()]
    view.allowance = 5
    for _ in range(8):
        ring.record(now, "in", encode_all(pdu.Pdu(9, pdu.EnquireLink())))
    ring.record(now + 1, "in", encode_all(pdu.Pdu(9, pdu.EnquireLink())))
    shown = [line.skipped for line in await scene.lines() if line.kind == "pdu"]
    assert shown == [0] * 5 + [3]
    assert session.is_bound


async def test_a_mistake_in_a_trace_does_not_reach_the_bind(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trace, session = scene.bound()
    scene.ask()
    monkeypatch.setattr(EsmeTrace, "describe", lambda *_, **__: 1 / 0)
    scene.submit(session)
    assert session.in_flight == 1
    assert "is not traced any more" in caplog.text
    assert trace.link.connections[0].ring.tap is None


async def test_a_request_too_many_is_not_served(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(module.REQUESTS_MAX + 1):
        scene.ask(f"acme-1|r{number}".encode())
    scene.leave(b"acme-1|nobody")
    assert "r20 is not served" in caplog.text


async def test_a_dead_bind_leaves_a_file(scene: Scene, tmp_path: Path) -> None:
    trace, session = scene.bound()
    scene.submit(session)
    feed(session, pdu.Pdu(2, pdu.SubmitSmResp(None), 0x58))
    path = scene.tracing.ended(trace.link, "connection_lost")
    assert path is not None
    assert path.parent == tmp_path / "traces"
    await scene.tracing.finish(5)
    text = path.read_text(encoding="utf-8")
    head, about, *lines = text.splitlines()
    assert head == "# connector acme-1, bind 0 at 127.0.0.1:2775: connection_lost"
    assert "the last 4 PDUs" in about
    assert [line.split()[2:5] for line in lines] == [
        ["trx", "->", "bind_transceiver"],
        ["trx", "<-", "bind_transceiver_resp"],
        ["trx", "->", "submit_sm"],
        ["trx", "<-", "submit_sm_resp"],
    ]
    assert "ESME_RTHROTTLED" in lines[3]
    for secret in (MSISDN, "4711", "secret"):
        assert secret not in text


async def test_the_two_halves_of_a_bind_are_one_story(scene: Scene) -> None:
    trace, transmitter = scene.bound(mode=BindMode.TRANSMITTER)
    _, receiver = scene.bound(mode=BindMode.RECEIVER, trace=trace)
    scene.submit(transmitter)
    feed(receiver, pdu.Pdu(1, pdu.DeliverSm(short_message=b"hi")))
    path = scene.tracing.ended(trace.link, "connection_lost")
    await scene.tracing.finish(5)
    assert path is not None
    modes = [line.split()[2] for line in path.read_text(encoding="utf-8").splitlines()[2:]]
    assert modes == ["tx", "tx", "rx", "rx", "tx", "rx"]


async def test_a_bind_that_we_end_ourselves_leaves_none(scene: Scene, tmp_path: Path) -> None:
    trace, _ = scene.bound()
    assert scene.tracing.ended(trace.link, "unbound") is None
    assert not (tmp_path / "traces").exists()
    assert trace.link.connections == []


async def test_the_connections_of_a_process_share_its_memory(scene: Scene) -> None:
    one, _ = scene.bound()
    assert one.link.connections[0].ring.octets_max == RINGS_OCTETS
    two, _ = scene.bound("acme-2")
    assert {trace.link.connections[0].ring.octets_max for trace in (one, two)} == {RINGS_OCTETS // 2}
    others = [scene.bound(f"many-{number}") for number in range(70)]
    assert others[-1][0].link.connections[0].ring.octets_max == RING_OCTETS_MIN
