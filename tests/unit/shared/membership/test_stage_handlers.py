"""Edge: what handlers do besides deciding: long work gives way to everything else in the loop, and what a decision
stumbles over is one record, not all behind it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from schemas.topics import MT_SUBMISSIONS
from services.encoder import app as encoder_app
from services.encoder.app import EncoderHandler
from services.ingress import app as ingress_app
from services.ingress.app import IngressHandler
from services.ingress.opt_outs import OptOuts
from shared.membership.handler import StageHandler
from shared.membership.inheritance import Inherited
from shared.membership.mistakes import TooManyMistakes
from shared.process.gateway import GatewayTable
from shared.process.settings import read_settings
from shared.process.yielding import TURN_EVERY_S, Yielding
from tests.unit.encoder.scene import EVENTS, submission
from tests.unit.ingress.scene import AT_MS, COUNTRIES, Record, applied, request

RECORDS = 40
advanced: list[str] = []


def ticking(step_s: float) -> Callable[[], float]:
    """A clock on which every look takes `step_s`."""
    times: Iterator[float] = (n * step_s for n in count())
    return lambda: next(times)


async def turns_during(handler: StageHandler, records: list[Record]) -> int:
    """How often another task of the loop ran while the records were handled."""
    ran = 0

    async def heartbeat() -> None:
        nonlocal ran
        while True:
            ran += 1
            await asyncio.sleep(0)

    beating = asyncio.create_task(heartbeat())
    outs: list[Any] = list(await handler.handle(records, AT_MS))
    beating.cancel()
    assert len(outs) >= len(records)
    return ran


def service(name: str = "test") -> Any:
    settings = read_settings(kafka_bootstrap_servers="127.0.0.1:9")
    gateway = GatewayTable(settings)
    gateway.adopt(applied())
    return SimpleNamespace(name=name, settings=settings, gateway=gateway, events=EVENTS, progress=advanced.append)


async def test_a_batch_of_submissions_lets_heartbeats_through() -> None:
    given = submission()
    records = [Record(given.to_json(), topic=MT_SUBMISSIONS, offset=n) for n in range(RECORDS)]
    slow = EncoderHandler(service(), encoder_app.FLOWS[0], clock=ticking(2 * TURN_EVERY_S))
    advanced.clear()
    assert await turns_during(slow, records) >= RECORDS - 1
    assert advanced.count("encoder") >= RECORDS - 1, "a long batch must not look like a loop that hangs"
    quick = EncoderHandler(service(), encoder_app.FLOWS[0], clock=ticking(TURN_EVERY_S / 10))
    assert 1 <= await turns_during(quick, records) <= RECORDS / 8


async def test_a_batch_of_requests_lets_heartbeats_through() -> None:
    records = [Record(request(), offset=n) for n in range(RECORDS)]
    clock = ticking(2 * TURN_EVERY_S)
    slow = IngressHandler(service(), ingress_app.FLOWS[0], 1, COUNTRIES, OptOuts(), clock=clock)
    assert await turns_during(slow, records) >= RECORDS - 1


async def test_a_mistake_of_ours_costs_the_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a dead letter, and those behind it go on."""

    def stumble(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    ingress = IngressHandler(service(), ingress_app.FLOWS[0], 1, COUNTRIES, OptOuts())
    encoder = EncoderHandler(service(), encoder_app.FLOWS[0])
    given = submission()
    with monkeypatch.context() as patched:
        patched.setattr("services.ingress.decision.RequestDecider.decide", stumble)
        patched.setattr("services.encoder.encode.Encoder.encode", stumble)
        outs = [
            *await ingress.handle([Record(request())], AT_MS),
            *await encoder.handle([Record(given.to_json(), topic=MT_SUBMISSIONS)], AT_MS),
        ]
    assert [out.topic for out in outs] == ["mt.requests.dlq", "mt.submissions.dlq"]
    for out in outs:
        headers = dict(out.headers)
        assert headers["dlq_reason"] == b"internal_error"
        assert headers["dlq_error"] == b"ZeroDivisionError('nobody thought of this')"
    assert list(await ingress.handle([Record(request(), offset=1)], AT_MS))


async def test_twenty_mistakes_in_a_row_stop_the_consumer_and_a_good_record_between_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stumble(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    ingress = IngressHandler(service("ingress"), ingress_app.FLOWS[0], 1, COUNTRIES, OptOuts())
    encoder = EncoderHandler(service("encoder"), encoder_app.FLOWS[0])
    for handler, good, name in (
        (ingress, Record(request()), "services.ingress.decision.RequestDecider.decide"),
        (encoder, Record(submission().to_json(), topic=MT_SUBMISSIONS), "services.encoder.encode.Encoder.encode"),
    ):
        for _ in range(2):
            with monkeypatch.context() as patched:
                patched.setattr(name, stumble)
                assert len(list(await handler.handle([good] * 19, AT_MS))) == 19
            assert list(await handler.handle([good], AT_MS))
        with monkeypatch.context() as patched:
            patched.setattr(name, stumble)
            with pytest.raises(TooManyMistakes, match=r"stopped: 20 records in a row .* in ZeroDivisionError"):
                await handler.handle([good] * 20, AT_MS)


async def test_a_successor_remembers_past_what_was_stumbled_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads the last records before the commit, that one among them, on every assignment."""

    def stumble(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    written: list[Any] = []

    async def tail(*_: object, **__: object) -> AsyncGenerator[list[Record], None]:
        yield [Record(submission(text="x" * 200).to_json(), topic=MT_SUBMISSIONS)]
        written.append("all")

    async def nothing(*_: object) -> dict[Any, Any]:
        return {}

    monkeypatch.setattr(encoder_app, "read_range", tail)
    monkeypatch.setattr(encoder_app, "replay_ranges", nothing)
    monkeypatch.setattr("services.encoder.encode.encode_message", stumble)
    made = service()
    made.settings = None
    encoder = EncoderHandler(made, encoder_app.FLOWS[0])
    place = TopicPartition(MT_SUBMISSIONS, 0)
    await encoder.assigned(Inherited(frozenset({place}), {place: 0}, {}, {place: 0}))
    assert written == ["all"]


async def test_short_work_gives_no_turn() -> None:
    turns = Yielding(ticking(0))
    ran: list[int] = []
    asyncio.get_running_loop().call_soon(ran.append, 1)
    for _ in range(100):
        await turns.give()
    assert not ran
