"""Edge: the stop of `smsgw up` while a slow SMSC owes answers: it says for what it waits, and waits.

A gateway of its own, without ClickHouse and the correlator: what became of each segment the binder's answers say.
"""

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.feedback import Answer, Feedback
from schemas.topics import feedback_topic
from services.cli.demo.traffic import Publisher
from services.cli.up.run_file import read_run_file
from shared.kafka.replay import read_range
from shared.local.ports import free_port
from tests.e2e.gateway import Gateway, messages_to, until_submits

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(180)]

ANSWERS_AFTER_S = 10
"""Longer than a beat takes to be made, and to be read, on a busy machine."""

RESPONSE_TIMEOUT_S = 2 * ANSWERS_AFTER_S
MESSAGES = 3
SLOW = "slow-1"
SCENARIO = f"""\
version: 1
accounts:
  - system_id: slow
    latency_ms: {ANSWERS_AFTER_S * 1000}
    receipts: {{mix: {{none: 1.0}}}}
"""
CONFIG = f"""\
version: 1
connectors:
  - id: {SLOW}
    host: 127.0.0.1
    port: PORT
    system_id: slow
    password: {{env: SMSGW_SECRET_SIMULATOR}}
    window: 10
    tps: 100
    options: {{response_timeout_s: {RESPONSE_TIMEOUT_S}}}
accounts:
  - id: shop
    default_sender: SHOP
routes:
  - to: [{{connector: {SLOW}}}]
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path)
    scenario, config = tmp_path / "scenario.yaml", tmp_path / "gateway.yaml"
    scenario.write_text(SCENARIO)
    config.write_text(CONFIG.replace("PORT", str(made.simulator_port)))
    made.environment["SMSGW_SIMULATOR_SCENARIO"] = str(scenario)
    yield made
    made.stop()


async def _run(gateway: Gateway, kafka_port: int) -> "subprocess.Popen[bytes]":
    parts = "kafka,simulator,ingress,encoder,throttler,binder"
    config = str(gateway.data_dir / "gateway.yaml")
    process = gateway.up("--only", parts, "--kafka-port", str(kafka_port), "--config", config)
    async with asyncio.timeout(60):
        while (run := read_run_file(gateway.data_dir)) is None or run.pid != process.pid:
            assert process.poll() is None, gateway.log_tails()
            await asyncio.sleep(0.1)
    for name in ("ingress", "encoder", "throttler", "binder"):
        await gateway.until_ready(name)
    return process


async def _send(gateway: Gateway, prefix: str) -> None:
    """Returns when the SMSC has them all, and owes an answer for each."""
    publisher = Publisher(gateway.settings)
    await publisher.start()
    try:
        await publisher.publish(messages_to(prefix, MESSAGES))
    finally:
        await publisher.stop()
    await until_submits(gateway, [prefix], MESSAGES)


async def _told(gateway: Gateway, sentence: str) -> None:
    async with asyncio.timeout(30):
        while sentence not in (gateway.data_dir / "up.log").read_text():
            await asyncio.sleep(0.05)


async def _answers(gateway: Gateway) -> list[Answer]:
    return [
        answer
        async for batch in read_range(gateway.settings, feedback_topic(SLOW), 0)
        for record in batch
        for answer in Feedback.from_json(record.value).answers
    ]


async def test_a_stop_waits_for_the_answers_of_an_smsc_and_a_second_signal_does_not(gateway: Gateway) -> None:
    kafka_port = free_port(gateway.simulator_port)
    patient = await _run(gateway, kafka_port)
    await _send(gateway, "449801")
    patient.send_signal(signal.SIGTERM)
    await _told(gateway, f"{MESSAGES} answers of {SLOW} are awaited, at most ")
    assert await asyncio.to_thread(patient.wait, 60) == 0
    assert "in doubt" not in (gateway.data_dir / "up.log").read_text()

    hasty = await _run(gateway, kafka_port)
    assert [answer.outcome for answer in await _answers(gateway)] == ["accepted"] * MESSAGES
    (gateway.data_dir / "up.log").write_text("")
    await _send(gateway, "449802")
    hasty.send_signal(signal.SIGTERM)
    await _told(gateway, f"{MESSAGES} answers of {SLOW} are awaited, at most ")
    hasty.send_signal(signal.SIGTERM)
    await asyncio.to_thread(hasty.wait, ANSWERS_AFTER_S * 0.7)  # long before it is answered
    told = (gateway.data_dir / "up.log").read_text()
    assert "Ends at once; in doubt (outcome_unknown, never sent again by itself): " in told
    assert f"segments whose answer was awaited: {MESSAGES} of {SLOW}" in told
