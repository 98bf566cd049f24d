"""Edge: what strangers may write into the public topics costs ingress no memory and no partition, on a real broker."""

import asyncio
import os
import random
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete
from aiokafka.protocol.produce import ProduceRequest

from schemas.gateway.accounts import Account
from schemas.groups import INGRESS_GROUP, INGRESS_OTP_GROUP
from schemas.record_limits import KEPT_OCTETS
from schemas.submissions import Submission
from schemas.topics import MT_REQUESTS, MT_REQUESTS_OTP, MT_SUBMISSIONS, MT_SUBMISSIONS_OTP, dlq_of
from shared.kafka.client import administering
from shared.kafka.codecs import GZIP, LZ4, SNAPPY, ZSTD
from shared.kafka.committed_offsets import committed_with_metadata
from shared.kafka.records import dead_letter
from shared.kafka.replay import read_range
from shared.process.settings import Settings
from tests.integration.flow_rig import Rig, Watch
from tests.unit.ingress.scene import Record, applied, request
from tests.unit.shared.kafka.batches import HEAD, Written, batch, looking_far_back, packed_as, raw_snappy

pytestmark = [pytest.mark.kafka, pytest.mark.long]

MIB = 1 << 20
RESIDENT_MAX_KB = 400 * 1024
PARTITIONS = 4
FLOWS = {MT_REQUESTS: MT_SUBMISSIONS, MT_REQUESTS_OTP: MT_SUBMISSIONS_OTP}


class Bomb(NamedTuple):
    """A batch, and the dead letters that it must become: reason, octets and hash of each; None: taken as it came."""

    octets: bytes
    letters: tuple[tuple[str, int, str], ...]


def _of(value: bytes) -> tuple[str, int, str]:
    return "too_large", len(value), sha256(value).hexdigest()


def bombs(records: int) -> list[Bomb]:
    """One of each kind."""
    within = bytes(MIB - 64)
    large = {octets: bytes(octets * MIB) for octets in (2, 20, 100)}
    unreadable = looking_far_back(batch(0, *[Written(within)] * 200))
    spliced = batch(0, Written(large[2]), codec=LZ4)
    return [
        Bomb(batch(0, *[Written(within)] * records, codec=ZSTD), (("not_an_object", len(within), ""),) * records),
        Bomb(batch(0, Written(large[100]), codec=ZSTD), (_of(large[100]),)),
        Bomb(batch(0, *[Written(large[20])] * 30, codec=ZSTD), (_of(large[20]),) * 30),
        Bomb(batch(0, Written(large[100]), codec=GZIP), (_of(large[100]),)),
        Bomb(batch(0, Written(large[20]), codec=SNAPPY), (_of(large[20]),)),
        Bomb(raw_snappy(batch(0, Written(large[20]))), (_of(large[20]),)),
        Bomb(batch(0, Written(large[20]), Written(large[20]), codec=LZ4), (_of(large[20]),) * 2),
        Bomb(batch(0, Written(b"v", key=large[20]), codec=ZSTD), (_of(b"v"),)),
        Bomb(batch(0, Written(b"v", headers=[("h", large[20])]), codec=ZSTD), (_of(b"v"),)),
        Bomb(batch(0, Written(b"v", headers=[("", None)] * 500_000), codec=ZSTD), (_of(b"v"),)),
        Bomb(packed_as(spliced, 0, spliced[HEAD:] + b"behind the end"), (_of(large[2]),)),
        Bomb(unreadable, (("unreadable_batch", len(unreadable), ""),)),
    ]


class Stranger:
    """A client that writes whatever octets it likes."""

    def __init__(self, settings: Settings) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap_servers, request_timeout_ms=120_000
        )

    async def __aenter__(self) -> "Stranger":
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def write(self, topic: str, partition: int, octets: bytes) -> int:
        """Returns the offset of the batch."""
        await self._producer.partitions_for(topic)
        leader = self._producer.client.cluster.leader_for_partition(TopicPartition(topic, partition))
        asked = ProduceRequest(None, -1, 120_000, [(topic, [(partition, octets)])])
        ((_, ((_, error, offset, *_),)),) = (await self._producer.client.send(leader, asked)).topics
        assert error == 0
        return int(offset)


async def _forget(settings: Settings, last: dict[TopicPartition, int]) -> None:
    """Delete the requests up to `last`, and all dead letters: other tests read these topics too.

    Not what lies behind: groups have committed no further, and markers may lie there.
    """
    ends = {tp: RecordsToDelete(before_offset=offset + 1) for tp, offset in last.items()}
    ends |= {TopicPartition(dlq_of(topic), 0): RecordsToDelete(before_offset=-1) for topic in FLOWS}
    async with administering(settings) as admin:
        await admin.delete_records(ends)


async def _committed(settings: Settings, last: dict[TopicPartition, int]) -> None:
    """Wait until the records before `last` and that one are committed: what a successor began again is done too."""
    async with asyncio.timeout(120):
        while True:
            offsets: dict[TopicPartition, tuple[int, str]] = {}
            for group in (INGRESS_GROUP, INGRESS_OTP_GROUP):
                offsets |= await committed_with_metadata(settings, group)
            if all(offsets.get(tp, (0, ""))[0] > offset for tp, offset in last.items()):
                return
            await asyncio.sleep(0.2)


@asynccontextmanager
async def ingress(bootstrap: str, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = os.environ | {
        "SMSGW_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "SMSGW_INSTANCE": "b0",
        "SMSGW_LEAVE_GROUPS": "1",
    }
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services", "ingress", env=environment, stderr=stderr
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _peak_kb(process: asyncio.subprocess.Process) -> int:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _told(letter: ConsumerRecord) -> tuple[str, int, str]:
    headers = {name: (value or b"").decode() for name, value in letter.headers}
    length = int(headers.get("dlq_value_length", len(letter.value or b"")))
    return headers["dlq_reason"], length, headers.get("dlq_value_sha256", "")


def _place(letter: ConsumerRecord) -> tuple[str, int, int]:
    headers = {name: (value or b"").decode() for name, value in letter.headers}
    return headers["dlq_topic"], int(headers["dlq_partition"]), int(headers["dlq_offset"])


@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
async def test_bombs_among_requests_are_dead_letters_at_bounded_memory(
    kafka_bootstrap: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    """In every partition of both topics at once; the process is killed in the middle, and the next one goes on."""
    account = unique_name("a")[-40:]
    records = int(os.environ.get("SMSGW_TEST_BOMB_RECORDS", "80"))
    good: dict[str, set[str]] = defaultdict(set)
    expected: dict[tuple[str, int, int], tuple[str, int, str]] = {}
    written: dict[TopicPartition, int] = {}
    topics = (*FLOWS, *FLOWS.values(), *map(dlq_of, FLOWS))
    async with (
        Rig(kafka_bootstrap) as rig,
        Watch(rig.settings, *topics[2:]) as watch,
        Stranger(rig.settings) as stranger,
    ):
        await rig.apply(applied(accounts=[Account(id=account, default_sender="SHOP")]))
        all_bombs = bombs(records)

        async def write_good(topic: str, partition: int) -> None:
            text = f"{topic} {partition} {len(good[topic])}"
            good[topic].add(text)
            octets = batch(0, Written(request(account_id=account, text=text)), codec=ZSTD)
            written[TopicPartition(topic, partition)] = await stranger.write(topic, partition, octets)

        for topic in FLOWS:
            for n, bomb in enumerate(all_bombs):
                partition = n % PARTITIONS
                await write_good(topic, partition)
                first = await stranger.write(topic, partition, bomb.octets)
                for delta, letter in enumerate(bomb.letters):
                    expected[topic, partition, first + delta] = letter
                await write_good(topic, partition)

        def letters() -> dict[tuple[str, int, int], ConsumerRecord]:
            return {_place(letter): letter for topic in FLOWS for letter in watch.records[dlq_of(topic)]}

        def passed(topic: str) -> set[str]:
            found = map(Submission.model_validate, watch.values(FLOWS[topic]))
            return {orjson.loads(s.content)["text"] for s in found if s.context.account_id == account}

        peaks = []
        async with ingress(kafka_bootstrap, tmp_path / "log") as process:
            await watch.until(lambda: sum(map(len, watch.records.values())) > len(expected) // 3, 120)
            peaks.append(_peak_kb(process))
            process.kill()
        async with ingress(kafka_bootstrap, tmp_path / "log") as process:
            await watch.until(
                lambda: letters().keys() >= expected.keys() and all(passed(t) == good[t] for t in FLOWS), 240
            )
            await _committed(rig.settings, written)
            peaks.append(_peak_kb(process))
        found = letters()
        await _forget(rig.settings, written)
    assert max(peaks) < RESIDENT_MAX_KB
    for place, (reason, octets, digest) in expected.items():
        told = _told(found[place])
        assert told[:2] == (reason, octets), place
        assert not digest or told[2] == digest, place
        if reason != "not_an_object":
            assert len(found[place].value or b"") <= KEPT_OCTETS
    assert found.keys() == expected.keys()


async def test_a_dead_letter_that_its_topic_would_refuse_is_cut(
    kafka_bootstrap: str, unique_name: Callable[[str], str]
) -> None:
    """Whatever the topic's limit is: the producer would stop at it, and whoever comes next."""
    topic = unique_name("mt.requests")
    value = random.Random(1).randbytes(900_000)
    async with Rig(kafka_bootstrap) as rig:
        async with administering(rig.settings) as admin:
            await admin.create_topics([NewTopic(f"{topic}.dlq", 1, 1, topic_configs={"max.message.bytes": "500000"})])
        letters = [
            dead_letter(Record(value[:size], topic=topic), reason="r", error="e", at_ms=1, service="s")
            for size in (400_000, 900_000, 10)
        ]
        await rig.producer.send_all(letters)
        async with aclosing(read_range(rig.settings, f"{topic}.dlq", 0)) as batches:
            whole, cut, small = [record async for batch in batches for record in batch]
    assert (whole.value, small.value) == (value[:400_000], value[:10])
    assert cut.value == value[:KEPT_OCTETS]
    assert _told(cut) == ("r", 900_000, sha256(value).hexdigest())
    assert not {"dlq_value_length"} & {name for record in (whole, small) for name, _ in record.headers}
