"""Edge: one bind over real TCP against an SMSC of the test's."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from services.binder.smpp.link import EsmeConnection, EsmeLink, NotBound
from services.binder.smpp.link_plan import link_plan
from services.binder.submit.dispatch_record import DispatchedSegment, read_dispatch
from shared.smpp.codec import encode_body
from shared.smpp.events import DeliverReceived
from shared.smpp.pdu import AlertNotification, DataSm, DeliverSm, Outbind, SubmitSmResp
from shared.smpp.session import EsmeSession
from shared.smpp.transitions import SessionState
from tests.integration.binder_rig import connector, dispatch_record
from tests.integration.smsc_double import SmscDouble
from tests.stateful.test_journal_machine import Record


@dataclass
class Owner:
    """Remembers what a link tells."""

    answered: list[tuple[int, int, str | None]] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    deliveries: list[DeliverSm | DataSm] = field(default_factory=list)
    down: list[str] = field(default_factory=list)
    quirks: list[str] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def submit_answered(self, token: DispatchedSegment, command_status: int, smsc_message_id: str | None) -> None:
        self.answered.append((token.offset, command_status, smsc_message_id))

    def submit_unknown(self, token: DispatchedSegment) -> None:
        self.unknown.append(token.offset)

    def late_response(self, token: DispatchedSegment, command_status: int, smsc_message_id: str | None) -> None:
        self.late.append(token.offset)

    def delivered(self, connection: EsmeConnection, event: DeliverReceived) -> None:
        self.deliveries.append(event.pdu)
        connection.session.answer_deliver(event.sequence_number)

    def noticed(self, kind: str, detail: str) -> None:
        self.quirks.append(kind)

    def link_moved(self) -> None:
        self.moved.set()

    def link_down(self, reason: str) -> None:
        self.down.append(reason)

    async def until_moved(self) -> None:
        self.moved.clear()
        async with asyncio.timeout(10):
            await self.moved.wait()


@pytest.fixture
async def smsc() -> AsyncIterator[SmscDouble]:
    double = await SmscDouble().start()
    yield double
    await double.stop()


async def opened(smsc: SmscDouble, owner: Owner, **changes: object) -> EsmeLink:
    link = EsmeLink(owner)
    made = connector("c", smsc.port, **changes)
    assert await link.open(made, link_plan(made), "secret") is None
    return link


def submit(link: EsmeLink, *offsets: int) -> None:
    for offset in offsets:
        segment = read_dispatch(Record(offset, dispatch_record(offset).to_json()))
        assert isinstance(segment, DispatchedSegment)
        assert link.submit(segment, segment.payload.submit_sm(1, 0))
    link.flush(lambda: True)


async def test_submits_and_is_delivered_to(smsc: SmscDouble) -> None:
    owner = Owner()
    link = await opened(smsc, owner)
    submit(link, 1, 2)
    await smsc.until(lambda: len(smsc.submits) == 2)
    assert smsc.deliver(DeliverSm(short_message=b"hi"), "x")
    await smsc.until(lambda: smsc.delivered == [("x", 0)])
    assert owner.answered == [(1, 0, "m1"), (2, 0, "m2")]
    await link.drain()
    assert owner.down == ["unbound"]
    assert smsc.bound == []


async def test_what_the_smsc_does_out_of_order_is_told_and_survived(smsc: SmscDouble) -> None:
    owner = Owner()
    link = await opened(smsc, owner)
    theirs = smsc.bound[0]
    for octets in (
        encode_body(AlertNotification(), 1),
        encode_body(Outbind(), 2),
        encode_body(SubmitSmResp("x"), 77),
        b"".join(n.to_bytes(4, "big") for n in (16, 0x99, 0, 3)),
    ):
        theirs.session.send_raw(octets)
    theirs.wake()
    assert smsc.deliver(DeliverSm(short_message=b"hi"), "x")
    await smsc.until(lambda: smsc.delivered == [("x", 0)])
    assert owner.quirks == ["alert_notification", "wrong_state", "unexpected_response", "unparsable_pdu"]
    await link.drain()


async def test_a_pair_lives_and_dies_together(smsc: SmscDouble) -> None:
    owner = Owner()
    link = await opened(smsc, owner, bind="transmitter+receiver")
    assert [c.session.bind_mode.value for c in smsc.bound if c.session.bind_mode] == ["transmitter", "receiver"]
    submit(link, 1)
    await smsc.until(lambda: len(smsc.submits) == 1)
    assert smsc.deliver(DeliverSm(short_message=b"hi"), "x")
    await smsc.until(lambda: smsc.delivered == [("x", 0)])
    smsc.bound[1].abort()
    await smsc.until(lambda: not smsc.bound)
    async with asyncio.timeout(10):
        while not owner.down:
            await owner.until_moved()
    assert len(owner.down) == 1
    assert link.window_free == 0
    await link.abort()


async def test_a_pair_that_drains_answers_what_its_receiver_still_owes(smsc: SmscDouble) -> None:
    owner = Owner()
    link = await opened(smsc, owner, bind="transmitter+receiver")
    owed: list[tuple[EsmeConnection, int]] = []

    def delivered(connection: EsmeConnection, event: DeliverReceived) -> None:
        owed.append((connection, event.sequence_number))

    owner.delivered = delivered  # type: ignore[method-assign]  # answers nothing yet
    assert smsc.deliver(DeliverSm(short_message=b"hi"), "x")
    await owner.until_moved()
    draining = asyncio.create_task(link.drain())
    await smsc.until(lambda: len(smsc.bound) == 1)
    connection, number = owed[0]
    assert connection.session.state is SessionState.DRAINING, "the receiver waits for its answer before it unbinds"
    assert connection.session.answer_deliver(number)
    connection.wake()
    await draining
    assert smsc.delivered == [("x", 0)]


async def test_a_pair_that_gets_only_one_half_keeps_none(smsc: SmscDouble) -> None:
    smsc.admit = lambda request: 0x05 if request.bind_mode.value == "receiver" else 0
    made = connector("c", smsc.port, bind="transmitter+receiver")
    refused = await EsmeLink(Owner()).open(made, link_plan(made), "secret")
    assert isinstance(refused, NotBound)
    assert refused.command_status == 0x05
    await smsc.until(lambda: not smsc.bound)


@pytest.mark.parametrize("status", [0x0D, 0x0E, 0x0F, 0x05, 0x401])
async def test_q19_q20_a_refusal_tells_its_status(smsc: SmscDouble, status: int) -> None:
    smsc.admit = lambda _: status
    made = connector("c", smsc.port)
    refused = await EsmeLink(Owner()).open(made, link_plan(made), "secret")
    assert refused is not None
    assert refused.command_status == status
    assert "secret" not in refused.reason


@pytest.mark.parametrize("password", ["pä€word", "a\0b"])
async def test_for_a_password_that_no_pdu_can_hold_nothing_is_connected(password: str) -> None:
    made = connector("c", 1)
    refused = await EsmeLink(Owner()).open(made, link_plan(made), password)
    assert refused is not None
    assert (refused.command_status, refused.unusable) == (None, True)
    assert "password" in refused.reason
    assert "€" not in refused.reason


@pytest.mark.parametrize("host", ["bad..host", "x" * 64])
async def test_a_host_that_cannot_be_one_is_a_failed_attempt(host: str) -> None:
    made = connector("c", 1, host=host)
    refused = await EsmeLink(Owner()).open(made, link_plan(made), "secret")
    assert refused is not None
    assert (refused.command_status, refused.unusable) == (None, False)


async def test_q52_binds_at_another_host_of_the_account_from_the_address_that_is_allowed(smsc: SmscDouble) -> None:
    made = connector("c", 1, options={"hosts": [f"127.0.0.1:{smsc.port}"], "local_host": "127.0.0.2"})
    plan = link_plan(made)
    assert await EsmeLink(Owner()).open(made, plan, "secret", 0) is not None
    link = EsmeLink(Owner())
    assert await link.open(made, plan, "secret", 1) is None
    assert smsc.bound[0].peer.startswith("127.0.0.2:")
    await link.drain()


async def test_connection_and_bind_together_have_bind_timeout_s(
    smsc: SmscDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float | None] = []
    bind = EsmeSession.bind

    def noting(session: EsmeSession, now: float, within_s: float | None = None) -> None:
        given.append(within_s)
        bind(session, now, within_s)

    monkeypatch.setattr(EsmeSession, "bind", noting)
    link = await opened(smsc, Owner(), options={"bind_timeout_s": 5})
    assert given[0] is not None
    assert 0 < given[0] < 5
    await link.drain()


async def test_nobody_listens() -> None:
    made = connector("c", 1)
    refused = await EsmeLink(Owner()).open(made, link_plan(made), "secret")
    assert refused is not None
    assert refused.command_status is None
    assert refused.reason.startswith("127.0.0.1:1:")


async def test_q15_no_answer_in_time_is_unknown_and_a_late_one_is_told(smsc: SmscDouble) -> None:
    smsc.answer = lambda _: None
    owner = Owner()
    link = await opened(smsc, owner, options={"response_timeout_s": 0.2})
    submit(link, 7)
    await smsc.until(lambda: len(smsc.submits) == 1)
    while not owner.unknown:
        await owner.until_moved()
    assert owner.unknown == [7]
    connection = smsc.bound[0]
    connection.session.answer_submit(next(iter(connection.session._unanswered)), 0, "late")
    connection.wake()
    await owner.until_moved()
    assert (owner.late, owner.answered) == ([7], [])
    await link.drain()


async def test_q20_drains_its_window_and_unbinds_before_it_closes(smsc: SmscDouble) -> None:
    smsc.answer = lambda _: None
    owner = Owner()
    link = await opened(smsc, owner)
    submit(link, 1)
    await smsc.until(lambda: len(smsc.submits) == 1)
    draining = asyncio.create_task(link.drain())
    await asyncio.sleep(0)
    assert not link.window_free
    assert not draining.done()
    connection = smsc.bound[0]
    connection.session.answer_submit(next(iter(connection.session._unanswered)), 0, "m")
    connection.wake()
    await draining
    assert owner.answered == [(1, 0, "m")]
    assert owner.unknown == []
    assert owner.down == ["unbound"], "the SMSC has answered our unbind"


async def test_q15_a_lost_link_ends_what_was_on_its_way(smsc: SmscDouble) -> None:
    smsc.answer = lambda _: None
    owner = Owner()
    link = await opened(smsc, owner)
    submit(link, 1, 2)
    await smsc.until(lambda: len(smsc.submits) == 2)
    smsc.bound[0].abort()
    await owner.until_moved()
    assert owner.unknown == [1, 2]
    assert len(owner.down) == 1
    assert link.window_free == 0


async def test_q14_never_more_than_the_window_and_changed_at_once(smsc: SmscDouble) -> None:
    smsc.answer = lambda _: None
    link = await opened(smsc, Owner(), window=2)
    submit(link, 1, 2)
    assert link.window_free == 0
    link.resize_window(3)
    assert link.window_free == 1
    link.cut()
    await smsc.until(lambda: not smsc.bound)


async def test_nothing_is_submitted_while_the_socket_takes_no_octets(smsc: SmscDouble) -> None:
    owner = Owner()
    link = await opened(smsc, owner, window=5)
    connection = link._connections[0]
    connection.pause_writing()
    assert link.window_free == 0
    owner.moved.clear()
    connection.resume_writing()
    assert owner.moved.is_set(), "who waits for room is told"
    assert link.window_free == 5
    await link.drain()


async def test_cancelled_while_it_binds_it_leaves_nothing_open() -> None:
    smsc = SmscDouble()
    waiting = asyncio.Event()
    smsc._bind = lambda connection, event: waiting.set()  # type: ignore[method-assign]  # never answers
    await smsc.start()
    made = connector("c", smsc.port)
    opening = asyncio.create_task(EsmeLink(Owner()).open(made, link_plan(made), "secret"))
    async with asyncio.timeout(10):
        await waiting.wait()
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    async with asyncio.timeout(10):
        while smsc.listener is not None and smsc.listener.connections:
            await asyncio.sleep(0.01)
    await smsc.stop()
