"""Edge: what a process appends after its successor has begun never comes to anything (docs/guarantees.md).

A real process is stopped between its last look and the socket, the configuration changes, a successor takes over, and
the process wakes. The tests of the fence by itself stand first.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.gateway.accounts import Account
from schemas.submissions import Submission
from services.encoder.app import run as run_encoder
from services.ingress.app import run as run_ingress
from services.ingress.place import home_partition
from shared.kafka import fence as fences
from shared.kafka.client import consuming
from shared.kafka.errors import FatalKafkaError
from shared.kafka.fence import fence
from shared.kafka.leader_epochs import leader_epochs
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.kafka.replay import LogReader
from shared.membership.output import AtLeastOnce
from shared.process.clock import now_ms
from tests.integration.flow_rig import Rig, Watch
from tests.unit.ingress.scene import applied, request
from tests.unit.submissions import submission

pytestmark = [pytest.mark.kafka]

COUNT = 30


@pytest.fixture
async def topics(kafka_bootstrap: str, unique_name: Callable[[str], str]) -> tuple[str, str]:
    made = unique_name("one"), unique_name("two")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    config = {"message.timestamp.type": "LogAppendTime"}
    await admin.create_topics([NewTopic(name, 2, 1, topic_configs=config) for name in made])
    await admin.close()
    return made


def _places(*topics: str) -> set[TopicPartition]:
    return {TopicPartition(topic, number) for topic in topics for number in range(2)}


async def test_a_fenced_producer_appends_nothing_anywhere_and_nobody_sees_the_fence(
    kafka_bootstrap: str, topics: tuple[str, str], unique_name: Callable[[str], str]
) -> None:
    settings = Rig(kafka_bootstrap).settings
    one, two = topics
    before, after = (BatchProducer(settings, client_id="x", writer_id=unique_name(name)) for name in ("a", "b"))
    await before.start()
    await after.start()
    began_ms = now_ms()
    await before.send_all([Out(one, None, b"in time", (), 0)])
    assert abs(before.appended_at_ms - began_ms) < 60_000
    assert await fence(settings, before.writer, _places(one, two))
    for place in _places(one, two):  # also where it never wrote
        with pytest.raises(FatalKafkaError):
            await before.send_all([Out(place.topic, None, b"late", (), place.partition)])
    await after.send_all([Out(one, None, b"of the successor", (), 0)])
    assert await fence(settings, before.writer, _places(one, two)), "a second fence changes nothing"
    await after.send_all([Out(one, None, b"and more", (), 0)])
    async with consuming(
        settings, one, two, auto_offset_reset="earliest", isolation_level="read_uncommitted"
    ) as reader:
        seen: list[bytes] = []
        while len(seen) < 3:
            seen += [r.value for found in (await reader.getmany(timeout_ms=500)).values() for r in found]
    assert seen == [b"in time", b"of the successor", b"and more"]
    await before.stop()
    await after.stop()


async def test_a_name_that_is_kept_stays_and_one_that_was_fenced_is_told_so(
    kafka_bootstrap: str, topics: tuple[str, str], unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.kafka.produce.KEEP_NAME_S", -1.0)
    settings = Rig(kafka_bootstrap).settings
    producer = BatchProducer(settings, client_id="x", writer_id=unique_name("a"))
    await producer.start()
    for number in range(3):  # each time in the middle of what it writes
        await producer.send_all([Out(topics[0], None, b"%d" % number, (), 0)])
    assert await fence(settings, producer.writer, _places(*topics))
    with pytest.raises(FatalKafkaError, match="took over"):
        await producer.send_all([Out(topics[0], None, b"late", (), 0)])
    await producer.stop()


async def test_a_partition_that_is_gone_does_not_hold_up_a_fence(
    kafka_bootstrap: str, topics: tuple[str, str], unique_name: Callable[[str], str]
) -> None:
    settings = Rig(kafka_bootstrap).settings
    producer = BatchProducer(settings, client_id="x", writer_id=unique_name("a"))
    await producer.start()
    assert await fence(settings, producer.writer, _places(topics[0], unique_name("gone")))
    with pytest.raises(FatalKafkaError):
        await producer.send_all([Out(topics[0], None, b"late", (), 1)])
    await producer.stop()


async def test_a_fence_is_repeated_where_a_partition_had_no_leader_for_a_moment(
    kafka_bootstrap: str, topics: tuple[str, str], unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka leaves the marker out there and says that all is done: made here by leaving the partition out."""
    settings = Rig(kafka_bootstrap).settings
    without_leader = TopicPartition(topics[1], 1)
    abort, moments = fences._Coordinator.abort, iter([{without_leader: 7}, {without_leader: 9}])

    async def leaves_one_out(self: Any, registered: Any, partitions: set[TopicPartition]) -> None:
        await abort(self, registered, partitions - {without_leader})
        monkeypatch.setattr(fences._Coordinator, "abort", abort)

    async def epochs(client: Any, partitions: set[TopicPartition]) -> Mapping[TopicPartition, int]:
        return await leader_epochs(client, partitions) | next(moments, {})

    monkeypatch.setattr(fences._Coordinator, "abort", leaves_one_out)
    monkeypatch.setattr(fences, "leader_epochs", epochs)
    producer = BatchProducer(settings, client_id="x", writer_id=unique_name("a"))
    await producer.start()
    assert await fence(settings, producer.writer, _places(*topics))
    with pytest.raises(FatalKafkaError):
        await producer.send_all([Out(without_leader.topic, None, b"late", (), without_leader.partition)])
    await producer.stop()


@asynccontextmanager
async def _asleep(rig: Rig, service: str, prefix: str, tmp_path: Path) -> AsyncIterator["Sleeper"]:
    """The service as a process of its own, once it has stopped itself in a produce."""
    environment = os.environ | {
        "SMSGW_KAFKA_BOOTSTRAP_SERVERS": rig.settings.kafka_bootstrap_servers,
        "SMSGW_INSTANCE": "1",
        "SMSGW_DATA_DIR": str(tmp_path),
        "SMSGW_HTTP_PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.sleeper", service, prefix, env=environment
    )
    try:
        async with asyncio.timeout(40):
            while _state(process.pid) != "T":  # nobody tells that a process has stopped
                await asyncio.sleep(0.02)
        yield Sleeper(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class Sleeper:
    """A stopped process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def wakes(self) -> int:
        """Wake it; its exit code."""
        self._process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(30):
            return await self._process.wait()


async def _all(rig: Rig, *topics: str) -> list[ConsumerRecord]:
    """Everything in these topics."""
    found: list[ConsumerRecord] = []
    async with LogReader(rig.settings, lambda: None) as reader:
        await reader.read(await reader.since(topics, 0), found.append)
    return found


@pytest.fixture
def account(unique_name: Callable[[str], str]) -> str:
    return unique_name("a")[-40:]


async def test_what_ingress_decided_before_it_slept_is_void(kafka_bootstrap: str, account: str, tmp_path: Path) -> None:
    """The account is taken away meanwhile; the successor's rejections stand, keyed or not, moved or not."""
    route = {"to": [{"connector": "acme"}]}
    with_account = applied(route, accounts=[Account(id=account, default_sender="SHOP")])
    async with Rig(kafka_bootstrap) as rig, Watch(rig.settings, "mt.statuses") as watch:
        await rig.apply(with_account)
        keyed = [request(account_id=account, idempotency_key=f"order-{n}") for n in range(COUNT)]
        await rig.send("mt.requests", *keyed, *(request(account_id=account, text=f"n {n}") for n in range(COUNT)))
        async with _asleep(rig, "ingress", "mt.submissions", tmp_path) as sleeper:
            await rig.apply(applied(route, accounts=[]))
            async with rig.running("ingress", run_ingress):
                await watch.until(lambda: len(_finals(watch, account)) >= 2 * COUNT)
                assert await sleeper.wakes() != 0
                await rig.apply(with_account)
                await rig.send("mt.requests", request(account_id=account, to="1"))  # behind everything
                await watch.until(lambda: len(_finals(watch, account)) >= 2 * COUNT + 1)
        submissions = _submissions_of(await _all(rig, "mt.submissions"), account)
        keys = await _all(rig, "ingress.keys")
    assert submissions == []
    finals = _finals(watch, account)
    assert len(finals) == len({final["message_id"] for final in finals}) == 2 * COUNT + 1
    assert [final for final in finals if final["reason"] not in ("unknown_account", "invalid_destination")] == []
    mine = {final["message_id"] for final in finals}
    assert [key for key in keys if (key.value or b"")[35:71].decode() in mine] == []


def _submissions_of(records: list[ConsumerRecord], account: str) -> list[Submission]:
    """Others use the topic, too, and not everything in it is a submission."""
    return [Submission.from_json(r.value) for r in records if r.value and f'"{account}"'.encode() in r.value]


def _finals(watch: Watch, account: str) -> list[dict[str, Any]]:
    return [s for s in watch.values("mt.statuses") if s["account_id"] == account and s["final"]]


async def test_what_the_encoder_decided_before_it_slept_is_void(
    kafka_bootstrap: str, account: str, tmp_path: Path
) -> None:
    """The connector drains meanwhile: the successor hands its messages back for another route."""
    connector = f"c-{account[-8:]}"
    given = [
        submission(
            message_id=f"01a0c450-6c7b-782c-8acb-{int(account[-8:], 16):08x}{n:04x}",
            account_id=account,
            accepted_at_ms=now_ms(),
            expires_at_ms=now_ms() + 600_000,
            connector_id=connector,
        )
        for n in range(COUNT)
    ]
    mine = {s.context.message_id for s in given}
    lane = f"mt.segments.{connector}.txn"
    async with Rig(kafka_bootstrap) as rig, Watch(rig.settings, "mt.reroutes") as watch:
        await rig.apply(applied({"to": [{"connector": connector}]}, connectors=[connector]))
        await rig.producer.send_all(Out("mt.submissions", s.context.to.encode(), s.to_json()) for s in given)
        async with _asleep(rig, "encoder", lane, tmp_path) as sleeper:
            await rig.apply(applied({"to": [{"connector": "beta"}]}, connectors=["beta"], draining=[connector]))
            async with rig.running("encoder", run_encoder):
                await watch.until(lambda: len(_keys(watch, mine)) >= COUNT)
                assert await sleeper.wakes() != 0
        assert await _all(rig, lane) == [], "the lane is this test's own"
    assert sorted(_keys(watch, mine)) == sorted(mine)


def _keys(watch: Watch, mine: set[str]) -> list[str]:
    return [key for r in watch.records["mt.reroutes"] if (key := (r.key or b"").decode()) in mine]


async def test_a_moved_request_is_moved_once_over_a_crash_of_the_mover(
    kafka_bootstrap: str, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commits are lost with the process, and the account is away when its successor reads the requests again."""
    with_account = applied({"to": [{"connector": "acme"}]}, accounts=[Account(id=account, default_sender="SHOP")])
    keys = [f"order-{n}" for n in range(COUNT)]
    async with Rig(kafka_bootstrap) as rig, Watch(rig.settings, "mt.requests", "mt.submissions") as watch:

        def copies() -> list[ConsumerRecord]:
            return [r for r in watch.records["mt.requests"] if account.encode() in (r.value or b"") and r.headers]

        def mine() -> list[Submission]:
            return _submissions_of(watch.records["mt.submissions"], account)

        await rig.apply(with_account)
        away = [
            Out(
                "mt.requests",
                None,
                request(account_id=account, idempotency_key=key),
                (),
                (home_partition(account, key, 4) + 1) % 4,
            )
            for key in keys
        ]
        with monkeypatch.context() as patched:
            patched.setattr(AtLeastOnce, "commit", _no_commit)
            async with rig.running("ingress", run_ingress, crash=True):
                await rig.producer.send_all(away)
                await watch.until(lambda: len(mine()) == COUNT)
        await rig.apply(applied({"to": [{"connector": "acme"}]}, accounts=[]))
        async with rig.running("ingress", run_ingress):
            behind = request(account_id=account, to="1", text="behind everything")
            async with Watch(rig.settings, "mt.statuses") as statuses:
                await rig.producer.send_all([Out("mt.requests", None, behind, (), n) for n in range(4)])
                await statuses.until(lambda: len(_finals(statuses, account)) >= 4)
            assert {s["reason"] for s in _finals(statuses, account)} == {"invalid_destination"}
    assert len(copies()) == len(mine()) == COUNT


async def _no_commit(_output: AtLeastOnce) -> None:
    """A commit that never reaches the broker."""


async def test_a_topic_of_an_earlier_version_is_dated_by_kafka_from_now_on(kafka_bootstrap: str, account: str) -> None:
    """What an operator has set of it stays."""
    connector = f"c-{account[-8:]}"
    lane = f"mt.segments.{connector}.txn"
    async with Rig(kafka_bootstrap) as rig:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(lane, 1, 1, topic_configs={"retention.ms": "999999999"})])
        await rig.create(applied({"to": [{"connector": connector}]}, connectors=[connector]))
        async with asyncio.timeout(10):
            while (
                "LogAppendTime" not in (found := await _config_of(admin, lane)).values()
            ):  # the broker hears of it later
                await asyncio.sleep(0.05)
        await admin.close()
    assert (found["message.timestamp.type"], found["retention.ms"]) == ("LogAppendTime", "999999999")


async def _config_of(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    ((_, _, _, _, entries),) = answer.resources
    return {entry[0]: entry[1] for entry in entries}
