"""A missing or deleted offset on a real broker of one node: an error of one sentence, except for what never began."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.protocol.admin import DeleteGroupsRequest

from schemas.commit_marks import BinderMark
from schemas.gateway.file import Gateway
from schemas.groups import BINDER_GROUP, JOIN_GROUP, RECORDER_GROUP, THROTTLER_GROUP
from schemas.topics import connector_topics, dispatch_topic, feedback_topic
from services.binder.app import run as run_binder
from services.cli.commands import topics
from services.cli.runtime import KAFKA_VARIABLE
from services.throttler.app import run as run_throttler
from shared.kafka import seam
from shared.kafka.client import administering
from shared.kafka.committed_offsets import committed_with_metadata
from shared.kafka.errors import LostPosition
from shared.kafka.group_requests import leave_group
from shared.local.kafka import EmbeddedKafka
from shared.local.ports import free_port
from shared.membership.beginnings import Beginnings, begun_with
from shared.membership.handler import StageConfig
from shared.membership.stage import Stage
from shared.operations.adoption import AdoptionChoice
from shared.operations.config.apply import apply_gateway, create_topics
from shared.operations.errors import Invalid, Refused
from shared.process.service import EXIT_WRONG_TOPICS, Service, _run
from shared.process.settings import Settings
from tests.integration.flow_rig import Rig
from tests.integration.test_stage import Copy, _produce, _running, _until
from tests.integration.test_throttler import connector

pytestmark = pytest.mark.kafka

Printed = Callable[[], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    kafka = EmbeddedKafka(tmp_path_factory.mktemp("places"), free_port(), short_lived=True)
    kafka.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KAFKA_VARIABLE, kafka.bootstrap_servers)
        yield Settings(kafka_bootstrap_servers=kafka.bootstrap_servers, instance="0", leave_groups=True)
    kafka.stop()


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    async with administering(settings) as admin:
        yield admin


async def _make(settings: Settings, *names: str) -> None:
    await create_topics(settings)
    async with _admin(settings) as admin:
        await admin.create_topics([NewTopic(name, 2, 1) for name in names])


async def _forget(settings: Settings, group: str) -> None:
    """As Kafka does when nobody has been a member for a week."""
    async with _admin(settings) as admin:
        answer = await seam.ask_coordinator(admin, group, DeleteGroupsRequest([group]))
        assert [code for _, code in answer.results] == [0]
    assert await committed_with_metadata(settings, group) == {}


def _rig(settings: Settings) -> Rig:
    rig = Rig(settings.kafka_bootstrap_servers)
    rig.settings = settings
    return rig


class Run:
    """A stage of `group` that copies `source` to `target`, started as often as the test likes."""

    def __init__(self, settings: Settings, group: str, source: str, target: str, *, transactional: bool) -> None:
        self.settings, self.group, self.target = settings, group, target
        self.config = StageConfig(group, (source,), transactional=transactional)

    async def copies(self, count: int) -> None:
        """It copies so many records, and stops in good order."""
        service, handler = Service("test", self.settings), Copy(self.target)
        async with _running(service, Stage(service, self.config, handler)) as task:
            await _until(lambda: handler.seen >= count, task)
        assert handler.seen == count

    async def fails(self, error: type[Exception], match: str) -> None:
        service, handler = Service("test", self.settings), Copy(self.target)
        async with _running(service, Stage(service, self.config, handler)) as task:
            with pytest.raises(error, match=match):
                await asyncio.wait_for(asyncio.shield(task), 30)
        assert handler.seen == 0, "nothing is decided"


class Killed(Exception):
    pass


@pytest.mark.parametrize(("group", "transactional"), [(RECORDER_GROUP, False), (JOIN_GROUP, True)])
async def test_only_what_never_began_is_read_from_its_beginning(
    settings: Settings, printed: Printed, monkeypatch: pytest.MonkeyPatch, group: str, transactional: bool
) -> None:
    source, target = f"source.{group}", f"target.{group}"
    await _make(settings, source, target)
    await _produce(settings.kafka_bootstrap_servers, source, 20)
    run = Run(settings, group, source, target, transactional=transactional)

    async def killed(*_: Any) -> None:
        raise Killed("as by kill -9")

    # killed before its first commit, and between that and its note: it begins again
    with monkeypatch.context() as patch:
        patch.setattr(AIOKafkaConsumer, "commit", killed)
        await run.fails(Killed, "as by kill -9")
    assert await committed_with_metadata(settings, group) == {}
    with monkeypatch.context() as patch:
        patch.setattr(Beginnings, "note", killed)
        await run.fails(Killed, "as by kill -9")
    assert {offset for offset, _ in (await committed_with_metadata(settings, group)).values()} == {0}
    assert await begun_with(settings, group) == set()
    await run.copies(20)
    places = {TopicPartition(source, p) for p in range(2)}
    assert await begun_with(settings, group) == places

    # a partition that is new has never begun
    async with _admin(settings) as admin:
        await admin.create_partitions({source: NewPartitions(3)})
    places.add(TopicPartition(source, 2))
    service, handler = Service("test", settings), Copy(target)
    async with _running(service, Stage(service, run.config, handler)) as task:
        await _until(lambda: service.ready, task)
        with pytest.raises(Refused, match=f"group {group} has members: {group}-0; nothing was changed"):
            await topics.adopt(group, AdoptionChoice("end"), None, dry_run=False, as_json=True)
    assert await begun_with(settings, group) == places

    # all of it has expired
    await _forget(settings, group)
    await run.fails(
        LostPosition, rf"{group} has lost its place in {source}, partition 0: no committed offset, and 2 more"
    )
    with pytest.raises(Invalid, match="an offset is one of a single partition"):
        AdoptionChoice(7)
    assert await topics.adopt(group, AdoptionChoice("beginning"), None, dry_run=True, as_json=True) == 0
    assert [(row["partition"], row["start"], row["end"] >= 10) for row in printed()] == [
        (0, 0, True), (1, 0, True), (2, 0, False),
    ]  # fmt: skip
    await run.fails(LostPosition, "no committed offset")
    assert await topics.adopt(group, AdoptionChoice(4, source, 0), None, dry_run=False, as_json=True) == 0
    await run.fails(
        LostPosition, rf"{source}, partition 1: no committed offset, and 1 more; `smsgw topics adopt {group}`"
    )
    assert await topics.adopt(group, AdoptionChoice("end"), None, dry_run=False, as_json=True) == 0
    with pytest.raises(Refused, match="has its place in every partition that was asked for"):
        await topics.adopt(group, AdoptionChoice("end"), None, dry_run=False, as_json=True)
    printed()
    await run.copies(6)

    # retention has overtaken it: told with the number of what is gone
    await _produce(settings.kafka_bootstrap_servers, source, 20, start=20)
    async with _admin(settings) as admin:
        await admin.delete_records({TopicPartition(source, 1): RecordsToDelete(17)})
    await run.fails(LostPosition, rf"{source}, partition 1: 7 offsets from 10 on were deleted unread")
    assert await topics.adopt(group, AdoptionChoice("beginning"), None, dry_run=False, as_json=True) == 0
    assert [(row["partition"], row["start"]) for row in printed()] == [(1, 17)]
    await run.copies(13)


async def test_a_running_stage_that_is_overtaken_says_what_was_lost(settings: Settings) -> None:
    source, target = "overtaken", "overtaken.target"
    await _make(settings, source, target)
    service, handler = Service("test", settings), Copy(target)
    stage = Stage(service, StageConfig("overtaken", (source,)), handler)
    async with _running(service, stage) as task:
        await _until(lambda: service.ready, task)
        consumer = stage._member.consumer
        assert consumer is not None
        consumer.pause(TopicPartition(source, 0))
        await _produce(settings.kafka_bootstrap_servers, source, 8)
        async with _admin(settings) as admin:
            await admin.delete_records({TopicPartition(source, 0): RecordsToDelete(3)})
        consumer.resume(TopicPartition(source, 0))
        with pytest.raises(LostPosition, match=r"overtaken, partition 0: 3 offsets from 0 on were deleted unread"):
            await asyncio.wait_for(asyncio.shield(task), 30)


async def test_throttler_and_binder_end_with_78_and_pruned_topics_begin_anew(
    settings: Settings,
    printed: Printed,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.operations.topics.FORGET_S", 0.0)  # nobody lives who would have to hear of it
    acme = connector("acme", max_binds=1)
    await apply_gateway(settings, Gateway(version=1, connectors=(acme,)), "")
    own = {"throttler": settings.model_copy(update={"data_dir": tmp_path}), "binder": settings}
    jobs = {"throttler": run_throttler, "binder": run_binder}
    wanted = {
        THROTTLER_GROUP: {TopicPartition(t.name, 0) for t in connector_topics("acme", 1)}
        - {TopicPartition(dispatch_topic("acme"), 0)},
        BINDER_GROUP: {TopicPartition(dispatch_topic("acme"), 0)},
    }
    for name in jobs:
        async with _rig(settings).running(name, jobs[name]), asyncio.timeout(30):
            while await begun_with(settings, name) != wanted[name]:
                await asyncio.sleep(0.1)
        assert (await committed_with_metadata(settings, name)).keys() == wanted[name]
        await _forget(settings, name)
        assert await asyncio.wait_for(_run(name, own[name], jobs[name]), 30) == EXIT_WRONG_TOPICS
        assert f"{name} has lost its place in mt." in caplog.text

    async with _admin(settings) as admin:
        await leave_group(admin, BINDER_GROUP, "binder-0")  # one that fails keeps its place for its next start
    assert await topics.adopt(BINDER_GROUP, AdoptionChoice("end"), None, dry_run=False, as_json=True) == 0
    ((offset, text),) = (await committed_with_metadata(settings, BINDER_GROUP)).values()
    mark = BinderMark.from_text(text)
    assert mark is not None
    assert (offset, mark.answered_below, mark.feedback_from) == (0, 0, 0)
    assert mark.epoch > 0, "answers of an older epoch than the last would count for nothing"
    assert await topics.adopt(THROTTLER_GROUP, AdoptionChoice("end"), None, dry_run=False, as_json=True) == 0
    assert (await committed_with_metadata(settings, THROTTLER_GROUP))[TopicPartition(feedback_topic("acme"), 0)][1]
    printed()

    await apply_gateway(settings, Gateway(version=1), "", drop_now=True)
    await topics.prune("acme", None, as_json=True)
    assert [await begun_with(settings, name) for name in jobs] == [set(), set()]
    await apply_gateway(settings, Gateway(version=1, connectors=(acme,)), "")
    async with _rig(settings).running("throttler", run_throttler), asyncio.timeout(30):
        while await begun_with(settings, THROTTLER_GROUP) != wanted[THROTTLER_GROUP]:
            await asyncio.sleep(0.1)
