"""Edge: `config.gateway` is changed by compare-and-set, on a real broker: whoever loses has written nothing."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import TopicPartition

from schemas.gateway.file import AppliedConfig, Gateway
from schemas.topics import CONFIG_GATEWAY, dispatch_topic
from shared.kafka.client import consuming
from shared.kafka.errors import FatalKafkaError
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.operations import topics
from shared.operations.config.apply import apply_gateway, create_topics, read_applied
from shared.operations.config.compare_and_set import ConfigurationChanged, change_config, hash_of, who_i_am
from shared.operations.config.plan import begin_pruning
from shared.operations.errors import Refused, Unreachable
from shared.operations.kafka_access import producing
from shared.operations.topic_creation import partition_counts
from shared.process.settings import Settings
from tests.integration.test_cli_kafka import commit, connector, transactions

pytestmark = [pytest.mark.kafka, pytest.mark.long]

APPLY = [sys.executable, "-m", "services.cli", "config", "apply", "--no-wait"]

STOPS_BEFORE = """
import os, signal, sys
from shared.kafka.produce import BatchProducer
name = sys.argv.pop(1)
step = getattr(BatchProducer, name)
async def stopped(self, *args):
    if "transactional_id" in self._options:
        print("stopped", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    return await step(self, *args)
setattr(BatchProducer, name, stopped)
sys.argv[0] = "smsgw"
from services.cli.entry import main
main()
"""
"""The command line, with a process that is stopped right before a step of its transaction."""


@pytest.fixture
def settings(kafka_bootstrap: str) -> Settings:
    return Settings(kafka_bootstrap_servers=kafka_bootstrap)


@pytest.fixture
async def processes() -> AsyncIterator[list[Process]]:
    """Whatever a test started is ended with it."""
    started: list[Process] = []
    yield started
    for process in started:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


def file_with(place: Path, *connector_ids: str) -> Path:
    lines = ["version: 1", "connectors:"]
    for name in connector_ids:
        lines += [f"  - {{id: {name}, host: 127.0.0.1, port: 1, system_id: x, password: {{env: NOWHERE}}}}"]
    file = place / f"{uuid4().hex}.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file


async def run(processes: list[Process], bootstrap: str, *argv: str) -> Process:
    environment = {n: v for n, v in os.environ.items() if not n.startswith("SMSGW_")}
    environment["SMSGW_KAFKA_BOOTSTRAP_SERVERS"] = bootstrap
    process = await asyncio.create_subprocess_exec(*argv, env=environment, stdout=PIPE, stderr=PIPE)
    processes.append(process)
    return process


async def ended(process: Process) -> tuple[int | None, str]:
    """Exit code and what it said on stderr."""
    async with asyncio.timeout(60):
        _, said = await process.communicate()
    return process.returncode, said.decode()


async def written(settings: Settings) -> list[AppliedConfig]:
    """Every configuration that is committed, oldest first."""
    tp = TopicPartition(CONFIG_GATEWAY, 0)
    found = []
    async with consuming(settings) as consumer:
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        end = (await consumer.end_offsets([tp]))[tp]
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(tp, timeout_ms=200)).values():
                found += [AppliedConfig.from_json(record.value) for record in records]
    return found


LOST = re.compile(r"error: the configuration was changed by (\S+@\S+) at \S+ \S+, nothing applied")


async def test_of_many_applies_at_once_one_wins_and_the_others_say_who_was_faster(
    settings: Settings, processes: list[Process], tmp_path: Path
) -> None:
    """Each began with the same configuration, so each would take back what the others have done."""
    await create_topics(settings, (connector("race-0"),))
    base = await apply_gateway(settings, Gateway(version=1), "", drop_now=True)
    before = len(await written(settings))
    files = [file_with(tmp_path, "race-0") for _ in range(4)]
    argv = [[*APPLY, "--expect", base.hash, str(file)] for file in files]
    started = [await run(processes, settings.kafka_bootstrap_servers, *one) for one in argv]
    ends = await asyncio.gather(*map(ended, started))
    assert sorted(code or 0 for code, _ in ends) == [0, 1, 1, 1], ends
    for code, said in ends:
        if code:
            found = LOST.match(said)
            assert found is not None, said
            assert found[1] == who_i_am()
    assert len(await written(settings)) == before + 1


async def test_of_two_writers_in_step_exactly_one_wins_whoever_fences_whom(settings: Settings) -> None:
    """Concurrent as they can be: what each began with is still true when both compare."""
    for _ in range(8):
        base = await apply_gateway(settings, Gateway(version=1), "", drop_now=True)
        before = len(await written(settings))
        rivals = [base.model_copy(update={"hash": f"rival-{number}"}) for number in range(2)]
        ends = await asyncio.gather(
            *(change_config(settings, base.hash, rival) for rival in rivals), return_exceptions=True
        )
        lost = [end for end in ends if isinstance(end, ConfigurationChanged)]
        assert (ends.count(None), len(lost)) == (1, 1), ends
        history = await written(settings)
        assert len(history) == before + 1
        assert history[-1].hash == rivals[ends.index(None)].hash


@pytest.mark.parametrize("step", ["send_all", "commit"])
async def test_a_writer_that_was_stopped_between_compare_and_commit_overwrites_nothing(
    step: str, settings: Settings, processes: list[Process], tmp_path: Path
) -> None:
    """However long: what it meant was meant for a configuration that is not there any more."""
    await apply_gateway(settings, Gateway(version=1), "", drop_now=True)
    argv = [sys.executable, "-c", STOPS_BEFORE, step, *APPLY[3:], str(file_with(tmp_path, "zombie-1"))]
    stopped = await run(processes, settings.kafka_bootstrap_servers, *argv)
    assert stopped.stdout is not None
    async with asyncio.timeout(60):
        assert await stopped.stdout.readline() == b"stopped\n"
    other = await run(processes, settings.kafka_bootstrap_servers, *APPLY, str(file_with(tmp_path, "other-1")))
    assert await ended(other) == (0, "")
    applied = await read_applied(settings)
    stopped.send_signal(signal.SIGCONT)
    code, said = await ended(stopped)
    assert code == 1, said
    assert LOST.match(said), said
    assert await read_applied(settings) == applied
    assert applied is not None
    assert [c.id for c in applied.gateway.connectors] == ["other-1"]


async def test_a_commit_whose_answer_was_lost_is_found_in_the_log(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = await apply_gateway(settings, Gateway(version=1), "", drop_now=True)
    committing = BatchProducer.commit

    async def unheard(self: BatchProducer) -> None:
        await committing(self)
        raise FatalKafkaError("the answer did not come")

    monkeypatch.setattr(BatchProducer, "commit", unheard)
    changed = base.model_copy(update={"hash": "heard-of-it"})
    await change_config(settings, base.hash, changed)
    assert hash_of(await read_applied(settings)) == "heard-of-it"


async def test_an_expected_hash_that_is_not_applied_is_refused_before_anything_is_made(settings: Settings) -> None:
    await apply_gateway(settings, Gateway(version=1), "", drop_now=True)
    name = f"never-{uuid4().hex[:8]}"
    with pytest.raises(ConfigurationChanged, match=r"was changed by .* nothing applied .* 0123456789ab was expected"):
        await apply_gateway(settings, Gateway(version=1, connectors=(connector(name),)), "", expected="0123456789ab")
    assert dispatch_topic(name) not in await partition_counts(settings)


async def test_a_prune_does_not_take_back_an_apply_that_came_meanwhile(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lasts seconds, between what it has read and what it writes."""
    gone, new = connector("meanwhile-1"), connector("meanwhile-2")
    await apply_gateway(settings, Gateway(version=1, connectors=(gone,)), "")
    await apply_gateway(settings, Gateway(version=1), "", drop_now=True)
    looking = topics._left

    async def slowly(*args: Any) -> str:
        await apply_gateway(settings, Gateway(version=1, connectors=(new,)), "")
        return await looking(*args)

    monkeypatch.setattr(topics, "_left", slowly)
    with pytest.raises(ConfigurationChanged, match="nothing applied"):
        await topics.prune(settings, "meanwhile-1")
    applied = await read_applied(settings)
    assert applied is not None
    assert [c.id for c in applied.gateway.connectors] == ["meanwhile-2"]
    assert dispatch_topic("meanwhile-1") in await partition_counts(settings)


async def test_what_is_being_pruned_is_not_defined_again_and_a_broken_prune_is_finished_by_the_next(
    settings: Settings,
) -> None:
    again = Gateway(version=1, connectors=(connector("broken-1"),))
    await apply_gateway(settings, again, "")
    removed = await apply_gateway(settings, Gateway(version=1), "", drop_now=True)
    marked = begin_pruning(removed, "broken-1", removed.applied_at_ms, "somebody@gone")
    await change_config(settings, removed.hash, marked)  # and there it died
    with pytest.raises(Refused, match="topics of connector broken-1 are being deleted; nothing applied"):
        await apply_gateway(settings, again, "")
    assert "broken-1" in await topics.removed_connectors(settings)
    assert dispatch_topic("broken-1") in await topics.prune(settings, "broken-1")
    applied = await apply_gateway(settings, again, "")
    assert (applied.pruning, dispatch_topic("broken-1") in await partition_counts(settings)) == ((), True)


async def test_a_removed_connector_is_carried_while_its_lanes_or_receipts_are_not_done(
    settings: Settings, unique_name: Callable[[str], str]
) -> None:
    """Its deadline may be over long before its messages are: the retry lane holds them as long as they are valid."""
    nothing = Gateway(version=1)

    async def carried() -> bool:
        applied = await apply_gateway(settings, nothing, "")
        return "slow-1" in {d.connector.id for d in applied.draining}

    await apply_gateway(settings, Gateway(version=1, connectors=(connector("slow-1", receipt_deadline_s=8),)), "")
    await transactions(settings, unique_name("tx"), "mt.segments.slow-1.retry", 1)
    await apply_gateway(settings, nothing, "")
    await asyncio.sleep(8.1)  # its receipt deadline
    assert await carried(), "a message waits in its lane"
    with pytest.raises(Refused, match="still has 1 messages in its lanes"):
        await topics.prune(settings, "slow-1")
    await commit(settings, "throttler", "mt.segments.slow-1.retry", 2)
    async with producing(settings) as producer:
        placed = await producer.send_all([Out(dispatch_topic("slow-1"), b"k", b"{}", partition=0)])
    end = placed[dispatch_topic("slow-1"), 0] + 1
    await commit(settings, "binder", dispatch_topic("slow-1"), end, f'{{"L":{end},"e":1,"f":0}}')
    assert await carried(), "its receipt may come"
    with pytest.raises(Refused, match="dispatched within its receipt deadline"):
        await topics.prune(settings, "slow-1")
    await asyncio.sleep(8.1)
    assert not await carried()


async def test_without_kafka_nothing_is_claimed_to_be_known(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    base = await apply_gateway(settings, Gateway(version=1), "", drop_now=True)
    with pytest.raises(Unreachable, match=r"does not answer"):
        await change_config(nowhere, base.hash, base)
