"""Edge: the binder on a real Kafka and over real TCP."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from schemas.topics import LIFECYCLE_EVENTS, RECEIPTS, SMSC_INBOUND
from shared.smpp.pdu import DeliverSm, SubmitSm
from tests.integration.binder_rig import Rig, RunningBinder, connector
from tests.integration.smsc_double import Answered, SmscDouble

pytestmark = pytest.mark.kafka


@pytest.fixture
async def rig(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setenv("SMSC_PASSWORD", "secret")
    rig = await Rig(kafka_bootstrap).start()
    yield rig
    await rig.stop()


@pytest.fixture
async def smsc() -> AsyncIterator[SmscDouble]:
    double = await SmscDouble().start()
    yield double
    await double.stop()


@pytest.fixture
async def run_binder(kafka_bootstrap: str) -> AsyncIterator[Callable[..., object]]:
    running: list[RunningBinder] = []

    async def start(instance: str = "b0") -> RunningBinder:
        running.append(await RunningBinder(kafka_bootstrap, instance).start())
        return running[-1]

    yield start
    for binder in running:
        if not binder._tasks[1].done():
            await binder.stop()


def name_of(request: pytest.FixtureRequest) -> str:
    import uuid

    return f"c-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def connector_id(request: pytest.FixtureRequest) -> str:
    return name_of(request)


async def test_submits_and_answers(rig: Rig, smsc: SmscDouble, run_binder: Callable, connector_id: str) -> None:
    await rig.apply(connector(connector_id, smsc.port))
    binder = await run_binder()
    await rig.state(connector_id, "bound")
    ids = await rig.dispatch(connector_id, 25)
    answers = await rig.answers(connector_id, 25)
    assert [a.id for a in sorted(answers, key=lambda a: a.offset)] == ids
    assert {a.outcome for a in answers} == {"accepted"}
    assert len(smsc.submits) == 25
    assert smsc.submits[0].validity_period.endswith("R")
    await binder.stop()
    assert (await rig.states(connector_id))[-1].state == "released"
    words = [s.state for s in await rig.states(connector_id)]
    assert words == ["binding", "bound", "unbound", "released"]
