"""Edge: commands about topics and groups, on a real broker."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata

from schemas.gateway.accounts import Account
from schemas.gateway.connectors.smpp import SmppConnector, SmppOptions
from schemas.gateway.file import Gateway
from schemas.gateway.values import SecretRef
from schemas.service_states import ServiceState
from schemas.topics import SERVICE_STATES, dispatch_topic, feedback_topic, segments_topic
from services.cli.commands import dlq, preview, topics
from services.cli.errors import exit_code_of
from services.cli.runtime import KAFKA_VARIABLE
from services.throttler.assignor import ConnectorAssignor
from shared.kafka import seam
from shared.kafka.client import SESSION_TIMEOUT_MS, consuming, group_options, make_consumer, poll
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.kafka.seam import become_dynamic
from shared.local.kafka import EmbeddedKafka
from shared.local.ports import free_port
from shared.operations.backlog import Backlog, answered_below, backlog_of, waiting_messages
from shared.operations.config.apply import apply_gateway, create_topics, read_applied
from shared.operations.errors import OperationError
from shared.operations.kafka_access import producing
from shared.operations.topic_creation import partition_counts
from shared.process.clock import now_ms
from shared.process.settings import Settings

pytestmark = pytest.mark.kafka

Rows = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def settings(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv(KAFKA_VARIABLE, kafka_bootstrap)
    return Settings(kafka_bootstrap_servers=kafka_bootstrap)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Rows:
    """The JSON lines that were printed since the last call."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def connector(connector_id: str, **fields: Any) -> SmppConnector:
    password = SecretRef(env="NOWHERE")
    return SmppConnector(id=connector_id, host="127.0.0.1", port=1, system_id="x", password=password, **fields)


@asynccontextmanager
async def throttler(settings: Settings, instance: str, *, for_good: bool) -> AsyncIterator[AIOKafkaConsumer]:
    """A static member of the throttlers' group, with their own assignor; it leaves as a process does that comes back,
    or `for_good`."""
    options = group_options(settings.model_copy(update={"instance": instance}), "throttler")
    consumer = make_consumer(settings, partition_assignment_strategy=(ConnectorAssignor,), **options)
    consumer.subscribe(topics=["mt.segments.member-1.otp"])
    await consumer.start()
    try:
        await assigned(consumer, 1, or_none=True)
        yield consumer
    finally:
        if for_good:
            become_dynamic(consumer)
        await consumer.stop()


async def assigned(consumer: AIOKafkaConsumer, count: int, *, or_none: bool = False) -> None:
    """Wait until the consumer holds so many partitions."""
    async with asyncio.timeout(40):
        while len(consumer.assignment()) < count:
            await poll(consumer, timeout_ms=50)
            if or_none and seam.group_generation(consumer) > 0:
                return


async def test_a_static_member_leaves_while_others_live_on(settings: Settings, printed: Rows) -> None:
    await create_topics(settings, (connector("member-1"),))
    await topics.members(None, None, as_json=True)  # whatever groups there are, and are not
    printed()
    async with throttler(settings, "stays", for_good=True) as stays:
        async with throttler(settings, "goes", for_good=False):
            pass
        await topics.members(None, None, as_json=True)
        there = {row["instance_id"] for row in printed() if row["group"] == "throttler"}
        assert there >= {"throttler-stays", "throttler-goes"}
        with pytest.raises(OperationError, match="no group has a static member 'throttler-unknown'") as caught:
            await topics.members("throttler-unknown", None, as_json=True)
        assert exit_code_of(caught.value) == 1
        assert "throttler-goes" in caught.value.hint
        assert await topics.members("throttler-goes", None, as_json=True) == 0
        assert printed() == [{"removed": "throttler-goes", "group": "throttler"}]
        await topics.members(None, None, as_json=True)
        left = {row["instance_id"] for row in printed() if row["group"] == "throttler"}
        assert "throttler-stays" in left
        assert "throttler-goes" not in left
        await assigned(stays, 1)


async def test_a_member_that_is_alive_is_not_removed(settings: Settings, printed: Rows) -> None:
    """Two throttlers would dispatch for up to a second."""
    await create_topics(settings, (connector("member-1"),))

    async def beat(host: str, value: bool = True) -> None:
        state = ServiceState(
            service="throttler", instance="lives", pid=1, host=host, beat_at_ms=now_ms(), started_at_ms=now_ms(),
            ready=True, progress_at_ms=now_ms(),
        )  # fmt: skip
        async with producing(settings) as producer:
            await producer.send_all([Out(SERVICE_STATES, b"throttler|lives|1", state.to_json() if value else None)])

    async with throttler(settings, "lives", for_good=False):
        await beat("pod-1")
        with pytest.raises(
            OperationError, match=r"throttler-lives is alive: throttler lives \(pid 1 on pod-1\)"
        ) as told:
            await topics.members("throttler-lives", None, as_json=True)
        assert exit_code_of(told.value) == 1
        assert "stop it first" in told.value.hint
        await beat("pod-1", value=False)  # a clean stop
    assert await topics.members("throttler-lives", None, as_json=True) == 0
    assert printed() == [{"removed": "throttler-lives", "group": "throttler"}]


async def transactions(settings: Settings, name: str, topic: str, count: int) -> None:
    """So many transactions of one record each: as many markers as records."""
    producer = BatchProducer(settings, client_id="test", transactional_id=name)
    await producer.start()
    for _ in range(count):
        await producer.begin()
        await producer.send_all([Out(topic, b"k", b"{}", partition=0)])
        await producer.commit()
    await producer.stop()
    tp = TopicPartition(topic, 0)
    async with consuming(settings) as committed, consuming(settings, isolation_level="read_uncommitted") as written:
        # Kafka answers a commit before it has written its marker
        while await committed.end_offsets([tp]) != await written.end_offsets([tp]):
            await asyncio.sleep(0.02)


async def commit(settings: Settings, group: str, topic: str, offset: int, text: str = "") -> None:
    """As a process of the group would, which has gone since.

    Refused while static members that other tests left behind count as alive: for a session timeout at most.
    """
    tp = TopicPartition(topic, 0)
    consumer = make_consumer(settings, group_id=group)
    await consumer.start()
    try:
        consumer.assign([tp])
        async with asyncio.timeout(2 * SESSION_TIMEOUT_MS / 1000):
            while True:
                with suppress(CommitFailedError):
                    await consumer.commit({tp: OffsetAndMetadata(offset, text)})
                    return
                await asyncio.sleep(0.2)
    finally:
        await consumer.stop()


async def test_transaction_markers_wait_for_nobody(settings: Settings, unique_name: Callable[[str], str]) -> None:
    await create_topics(settings, (connector("marked-1"),))
    lane = segments_topic("marked-1", "retry")
    await transactions(settings, unique_name("tx"), lane, 3)
    assert await waiting_messages(settings, ["marked-1", "unknown-1"]) == {"marked-1": 3}
    await commit(settings, "throttler", lane, 5)  # behind the last record; its marker is what is left
    assert await waiting_messages(settings, ["marked-1"]) == {"marked-1": 0}


async def test_what_is_dispatched_and_not_answered_is_part_of_the_backlog(
    settings: Settings, unique_name: Callable[[str], str]
) -> None:
    await create_topics(settings, (connector("busy-1"),))
    dispatch, feedback = dispatch_topic("busy-1"), feedback_topic("busy-1")
    await transactions(settings, unique_name("tx"), dispatch, 3)
    await transactions(settings, unique_name("tx"), feedback, 1)
    assert await backlog_of(settings, "busy-1") == Backlog(0, 3, 1)
    await commit(settings, "binder", dispatch, 5, '{"L":2,"e":1,"f":0}')  # all are claimed, two are not answered
    assert await backlog_of(settings, "busy-1") == Backlog(0, 2, 1)
    await commit(settings, "binder", dispatch, 5, '{"L":5,"e":1,"f":0}')
    await commit(settings, "throttler", feedback, 1)
    assert (await backlog_of(settings, "busy-1")).sentence() == ""


def test_a_commit_without_a_mark_of_ours_says_only_its_offset() -> None:
    tp = TopicPartition("mt.dispatch.a", 0)
    for text in ("", "x", "[]", '{"L":"x"}', "null", '{"L":9}'):
        assert answered_below({tp: (7, text)}) == {tp: 7}


async def test_prune_takes_what_was_removed_and_has_nothing_left(
    settings: Settings, printed: Rows, unique_name: Callable[[str], str]
) -> None:
    gateway = Gateway(version=1, connectors=(connector("gone-1"), connector("stays-1")))
    remaining = Gateway(version=1, connectors=(connector("stays-1"),))
    await apply_gateway(settings, gateway, "")
    with pytest.raises(OperationError, match="connector gone-1 is configured"):
        await topics.prune("gone-1", None, as_json=True)
    await apply_gateway(settings, remaining, "")
    with pytest.raises(OperationError, match="waits for receipts for another 2880 min"):
        await topics.prune("gone-1", None, as_json=True)
    await apply_gateway(settings, remaining, "", drop_now=True)
    await transactions(settings, unique_name("tx"), dispatch_topic("gone-1"), 2)
    with pytest.raises(OperationError, match="still has 2 segments dispatched and not answered; nothing was deleted"):
        await topics.prune("gone-1", None, as_json=True)
    await commit(settings, "binder", dispatch_topic("gone-1"), 3, '{"L":3,"e":1,"f":0}')
    assert await topics.prune("gone-1", None, as_json=True) == 0
    (row,) = printed()
    assert set(row["deleted"]) >= {dispatch_topic("gone-1"), segments_topic("gone-1", "otp")}
    counts = await partition_counts(settings)
    assert not [name for name in counts if "gone-1" in name]
    assert [name for name in counts if "stays-1" in name]
    applied = await read_applied(settings)
    assert applied is not None
    assert "gone-1" not in {one.connector.id for one in applied.draining}  # others are of other tests
    with pytest.raises(OperationError, match="there are no topics of a connector gone-1"):
        await topics.prune("gone-1", None, as_json=True)


async def test_prune_takes_every_connector_that_was_removed(settings: Settings, printed: Rows) -> None:
    """Whatever other tests have left is among them."""
    gateway = Gateway(version=1, connectors=(connector("all-1"), connector("all-2"), connector("all-3")))
    await apply_gateway(settings, gateway, "")
    await apply_gateway(settings, Gateway(version=1, connectors=gateway.connectors[2:]), "", drop_now=True)
    await apply_gateway(settings, Gateway(version=1), "")
    assert await topics.prune(None, None, as_json=True) == 1
    rows = {row["connector_id"]: row for row in printed()}
    for name in ("all-1", "all-2"):
        assert dispatch_topic(name) in rows[name]["deleted"]
    assert "waits for receipts" in rows["all-3"]["kept"]
    left = [name for name in await partition_counts(settings) if name.startswith("mt.dispatch.all-")]
    assert left == [dispatch_topic("all-3")]


async def test_a_connector_whose_receipts_are_overdue_can_be_pruned_without_a_word(settings: Settings) -> None:
    removed = connector("late-1", receipt_deadline_s=1)
    await apply_gateway(settings, Gateway(version=1, connectors=(removed,)), "")
    await apply_gateway(settings, Gateway(version=1), "")
    async with asyncio.timeout(10):
        while True:
            try:
                assert await topics.prune("late-1", None, as_json=True) == 0
                return
            except OperationError as error:
                assert "waits for receipts" in str(error)  # until its second is over


async def test_every_topic_is_listed_with_its_records(settings: Settings, printed: Rows) -> None:
    """With the time limit of a command: a cluster has hundreds of partitions."""
    await create_topics(settings, tuple(connector(f"many-{n}", max_binds=8) for n in range(4)))
    async with producing(settings) as producer:
        await producer.send_all([Out(segments_topic("many-1", "bulk"), b"k", b"{}") for _ in range(3)])
    assert await topics.show(None, as_json=True) == 0
    rows = {row["topic"]: row for row in printed()}
    assert (rows["mt.segments.many-1.bulk"]["records"], rows["mt.dispatch.many-3"]["partitions"]) == (3, 8)
    assert next(iter(rows)) == "config.gateway"


async def test_an_apply_asks_about_all_topics_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connectors there are: with a hundred an apply took eleven seconds, a question for each topic."""
    await create_topics(settings)
    asked: list[str] = []
    for name in ("describe_topics", "describe_cluster", "create_topics", "create_partitions"):
        monkeypatch.setattr(AIOKafkaAdminClient, name, counted(getattr(AIOKafkaAdminClient, name), asked))
    prefix = f"crowd-{uuid4().hex[:8]}"
    ids = [f"{prefix}-{number}" for number in range(20)]

    def gateway(max_binds: int) -> Gateway:
        connectors = tuple(connector(connector_id, max_binds=max_binds) for connector_id in ids)
        return Gateway(version=1, connectors=connectors)

    await apply_gateway(settings, gateway(1), "", drop_now=True)
    assert asked.count("create_topics") == 1
    assert len(asked) < 20
    asked.clear()
    await apply_gateway(settings, gateway(2), "", drop_now=True)
    assert (asked.count("create_topics"), asked.count("create_partitions")) == (0, 1)
    counts = await partition_counts(settings)
    assert {counts[topic(one)] for one in ids for topic in (dispatch_topic, feedback_topic)} == {2}
    asked.clear()
    applied = await apply_gateway(settings, gateway(1), "", drop_now=True)
    assert set(asked) == {"describe_topics"}, "nothing is to be made"
    assert (await read_applied(settings)) == applied


def counted(method: Callable[..., Awaitable[Any]], asked: list[str]) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **options: Any) -> Any:
        asked.append(method.__name__)
        return await method(*args, **options)

    return call


async def test_a_dead_letter_that_is_not_there(settings: Settings, printed: Rows) -> None:
    await create_topics(settings)
    assert await dlq.replay("mt.requests", [10**9], None, everything=False, as_json=True) == 1
    assert printed() == [{"replayed": 0, "not_there": [10**9]}]


@pytest.fixture(scope="module")
def empty_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker on which nobody has created anything."""
    kafka = EmbeddedKafka(tmp_path_factory.mktemp("empty"), free_port(), short_lived=True)
    kafka.start()
    yield kafka.bootstrap_servers
    kafka.stop()


@pytest.mark.parametrize(
    "command",
    [["topics", "list"], ["config", "show"], ["dlq", "list"], ["status"], ["send", "+447700900123", "x"]],
)
async def test_a_kafka_without_our_topics_is_told_what_to_do(
    empty_kafka: str, command: list[str], tmp_path: Path
) -> None:
    ended = await cli(empty_kafka, tmp_path, *command)
    assert ended[0] == 1, ended
    first, hint = ended[2].splitlines()
    assert first.startswith(f"error: Kafka at {empty_kafka}")
    assert hint == "`smsgw topics create` makes what is missing"


async def test_no_groups_have_no_members(empty_kafka: str, tmp_path: Path) -> None:
    assert await cli(empty_kafka, tmp_path, "topics", "members", "--json") == (0, "", "")


async def test_setup_prepares_an_empty_kafka_any_number_of_times(empty_kafka: str, tmp_path: Path) -> None:
    """The last of the tests with this Kafka: it is not empty afterwards."""
    gateway = Path(__file__).parents[2] / "compose" / "gateway.yaml"
    first = await cli(empty_kafka, tmp_path, "setup", "--config", str(gateway), "--partitions", "2")
    assert first[0] == 0, first
    assert "topics created" in first[1]
    assert "applied: 2 connectors" in first[1]
    again = await cli(empty_kafka, tmp_path, "setup", "--config", str(gateway), "--partitions", "2")
    assert again[0] == 0, again
    assert "no topic is missing" in again[1]


async def test_setup_says_what_is_wrong_in_the_file_before_it_asks_kafka(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("version: 1\nconnectors: []\naccounts: []\nroutes: [{}]\n")
    code, _, said = await cli("127.0.0.1:1", tmp_path, "setup", "--config", str(tmp_path / "gateway.yaml"))
    assert code == 2
    assert "routes" in said


async def test_setup_waits_for_kafka_as_long_as_it_is_told_to(tmp_path: Path) -> None:
    gateway = Path(__file__).parents[2] / "compose" / "gateway.yaml"
    code, _, said = await cli("127.0.0.1:1", tmp_path, "setup", "--config", str(gateway), "--wait", "1")
    assert code == 3
    assert "127.0.0.1:1" in said


async def cli(bootstrap: str, place: Path, *arguments: str) -> tuple[int | None, str, str]:
    """The command as a person runs it: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", *arguments, cwd=place, stdout=PIPE, stderr=PIPE,
        env={"PATH": "", "PYTHONPATH": str(Path(__file__).parents[2]), KAFKA_VARIABLE: bootstrap},
    )  # fmt: skip
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_a_preview_for_a_connector_as_it_is_applied(settings: Settings, printed: Rows) -> None:
    packed = connector("packed-1", options=SmppOptions(gsm7_packed=True, data_coding_map={"gsm7": 241}))
    gateway = Gateway(version=1, connectors=(packed,), accounts=(Account(id="tight", max_segments=1),))
    await apply_gateway(settings, gateway, "", drop_now=True)
    options = preview.PreviewOptions(text="hellohello", connector="packed-1", account="tight")
    assert await preview.run(options, octets=True, as_json=True) == 0
    (shown,) = printed()
    assert (shown["data_coding"], shown["submissions"][0]["short_message"]) == (241, "e8329bfd4697d9ec37")
    too_long = preview.PreviewOptions(text="x" * 161, connector="packed-1", account="tight")
    assert await preview.run(too_long, octets=False, as_json=True) == 1
    assert printed()[0]["reason"] == "text_too_long"
    with pytest.raises(OperationError, match="--connector: 'other' is not defined") as caught:
        await preview.run(preview.PreviewOptions(text="x", connector="other"), octets=False, as_json=True)
    assert caught.value.hint == "defined: packed-1"
