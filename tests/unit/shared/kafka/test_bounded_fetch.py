"""Batches that stand for more than they weigh, records that are too large, and octets that are no records."""

import asyncio
from collections import OrderedDict
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import cramjam
import pytest
from aiokafka import ConsumerRecord
from aiokafka.consumer.fetcher import FetchResult

from schemas.record_limits import KEPT_OCTETS, RECORD_HEADERS_MAX, RECORD_OCTETS_MAX
from shared.kafka.bounded_fetch import LARGE_AT_ONCE, POLL_OCTETS, Allowance, BoundedFetcher, BoundedRecords
from shared.kafka.codecs import GZIP, LZ4, SNAPPY, ZSTD
from shared.kafka.records import dead_letter
from shared.kafka.withheld import Withheld
from tests.unit.shared.kafka.batches import (
    CODECS,
    HEAD,
    PLACE,
    Written,
    batch,
    fetched,
    looking_far_back,
    packed_as,
    raw_snappy,
)

MIB = 1 << 20
GOOD = Written(b"good")
COMPRESSED = CODECS[1:]


def polls(records: BoundedRecords, most: int = 500) -> list[list[ConsumerRecord]]:
    """What each poll gives, up to the end."""
    found, more = [], True
    while more:
        taken, more = records.take(most, Allowance())
        found.append(taken)
    return found


def told(record: ConsumerRecord) -> tuple[str, int, str]:
    """Reason, length and hash, as the dead letter has them."""
    headers = dict(dead_letter(record, reason="other", error="other", at_ms=1, service="ingress").headers)
    return (
        (headers["dlq_reason"] or b"").decode(),
        int(headers["dlq_value_length"] or b""),
        (headers["dlq_value_sha256"] or b"").decode(),
    )


@pytest.mark.parametrize("codec", COMPRESSED)
def test_a_bomb_of_records_within_the_limit_is_given_little_by_little(codec: int) -> None:
    """Eighty megabytes in a few KB, each record of which is one that we must take."""
    bomb = batch(0, *[Written(bytes(MIB - 100))] * 80, codec=codec)
    taken = polls(fetched(bomb + batch(80, GOOD)))
    assert [r.offset for poll in taken for r in poll] == list(range(81))
    assert taken[-1][-1].value == b"good"
    assert all(sum(len(r.value) for r in poll) <= POLL_OCTETS + 2 * MIB for poll in taken)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("octets", [RECORD_OCTETS_MAX, 3 * MIB, 30 * MIB])
def test_a_record_that_is_too_large_comes_without_its_value(codec: int, octets: int) -> None:
    large = b"{" + bytes(octets)
    found = list(fetched(batch(0, GOOD, Written(large, headers=[("x", b"1")]), GOOD, codec=codec) + batch(3, GOOD)))
    assert [(r.offset, r.value) for r in found] == [(0, b"good"), (1, b""), (2, b"good"), (3, b"good")]
    assert told(found[1]) == ("too_large", len(large), sha256(large).hexdigest())
    assert (found[1].key, found[1].headers, found[1].timestamp) == (b"k", (("x", b"1"),), 1_001)
    letter = dead_letter(found[1], reason="other", error="other", at_ms=1, service="ingress")
    assert letter.value == large[:KEPT_OCTETS]
    assert letter.headers[0] == ("x", b"1")


def test_the_limit_is_of_key_value_and_headers_together() -> None:
    rest = RECORD_OCTETS_MAX - len(b"k") - len("x") - len(b"1")
    for codec in CODECS:
        for octets in (rest, rest + 1):
            (found,) = fetched(batch(0, Written(bytes(octets), headers=[("x", b"1")]), codec=codec))
            assert isinstance(found.value, Withheld) == (octets > rest)


@pytest.mark.parametrize("size", [2 * MIB, 20 * MIB])
def test_keys_and_headers_are_cut_too(size: int) -> None:
    records = [
        Written(b"v", key=bytes(size)),
        Written(b"v", headers=[("a", b"1"), ("b", bytes(size)), ("c", b"3")]),
        Written(None, headers=[("b", bytes(size))]),
        Written(b"v", headers=[("", None)] * (RECORD_HEADERS_MAX + 1)),
    ]
    key, header, null, many = fetched(batch(0, *records, codec=ZSTD))
    assert key.key == bytes(KEPT_OCTETS)
    assert dict(dead_letter(key, reason="", error="", at_ms=1, service="s").headers)["dlq_key_length"] == b"%d" % size
    assert header.headers == (("a", b"1"),)
    assert told(header) == told(key) == told(many) == ("too_large", 1, sha256(b"v").hexdigest())
    assert told(null) == ("too_large", 0, sha256().hexdigest())


@pytest.mark.parametrize("codec", COMPRESSED)
def test_what_cannot_be_read_is_one_dead_letter_and_the_batch_behind_it_goes_on(codec: int) -> None:
    whole = batch(5, *[Written(b"%d" % n * 90) for n in range(40)], codec=codec)
    middle = (HEAD + len(whole)) // 2
    for wrong in (b"", b"\0" * 50, whole[HEAD:middle], whole[HEAD : HEAD + 30], whole[HEAD:middle] + b"\xff" * 90):
        octets = packed_as(whole, 0, wrong)
        found = list(fetched(octets + batch(45, GOOD), start=5))
        *before, unread, good = found
        assert [r.offset for r in before] == list(range(5, 5 + len(before)))
        assert (unread.offset, good.offset, good.value) == (5 + len(before), 45, b"good")
        assert told(unread) == ("unreadable_batch", len(octets), sha256(octets).hexdigest())


def test_a_batch_that_says_it_has_more_records_gives_those_it_has() -> None:
    for codec in COMPRESSED:
        whole = batch(0, GOOD, GOOD, codec=codec)
        found = list(fetched(packed_as(whole, 0, whole[HEAD:], 9) + batch(9, GOOD)))
        assert [(r.offset, r.value) for r in found] == [(0, b"good"), (1, b"good"), (2, b""), (9, b"good")]


@pytest.mark.parametrize("codec", [GZIP, LZ4, ZSTD])
def test_what_lies_behind_the_compressed_records_is_nothing_to_us(codec: int) -> None:
    """Kafka takes such batches of lz4; aiokafka would read nothing of them, for ever."""
    whole = batch(0, GOOD, GOOD, codec=codec)
    found = list(fetched(packed_as(whole, 0, whole[HEAD:] + b"anything") + batch(2, GOOD)))
    assert [(r.offset, r.value) for r in found] == [(n, b"good") for n in range(3)]


def test_a_snappy_block_that_claims_gigabytes_is_not_believed() -> None:
    whole = batch(0, GOOD)
    claim = b"\xff\xff\xff\xff\x0f"  # 2 ** 32 - 1 octets
    for packed in (claim, claim + whole[HEAD:], b"\x82SNAPPY\0" + bytes(8) + len(claim).to_bytes(4) + claim):
        (found,) = fetched(packed_as(whole, SNAPPY, packed))
        assert isinstance(found.value, Withheld)
        assert "a block unpacks to more than" in found.value.error
    large = bytes(3 * MIB)
    found, _ = fetched(raw_snappy(batch(0, Written(large), Written(b"good"))))
    assert told(found) == ("too_large", len(large), sha256(large).hexdigest())


def test_zstd_may_not_look_back_as_far_as_it_likes() -> None:
    """A decoder holds all that may be looked back at: 128 MiB and more for whoever asks for it."""
    for octets, reason in ((100_000, None), (30 * MIB, "unreadable_batch")):
        plain = batch(0, *[Written(bytes(octets // 100))] * 100)
        found = list(fetched(looking_far_back(plain) + batch(100, GOOD)))
        assert found[-1].value == b"good"
        assert [told(r)[0] for r in found if isinstance(r.value, Withheld)] == ([reason] if reason else [])


def test_a_bomb_of_records_that_have_nothing_is_given_little_by_little_too() -> None:
    """Each weighs a few octets in its batch, and hundreds in memory."""
    plain = batch(0, *[Written(None, key=None)] * 200_000)
    taken: list[int] = []
    records, more = fetched(packed_as(plain, ZSTD, bytes(cramjam.zstd.compress(plain[HEAD:])))), True
    while more:
        found, more = records.take(None, Allowance())
        taken.append(len(found))
    assert sum(taken) == 200_000
    assert max(taken) < 50_000


def test_compressed_streams_of_nothing_end_it() -> None:
    nothing = bytes(cramjam.zstd.compress(b"")) * 50_000
    (found,) = fetched(packed_as(batch(0, GOOD), ZSTD, nothing + b"x"))
    assert isinstance(found.value, Withheld)
    assert "more than 100 compressed streams" in found.value.error
    blocks = b"\x82SNAPPY\0" + bytes(8) + b"\0\0\0\x01\0" * 100_000
    (found,) = fetched(packed_as(batch(0, GOOD), SNAPPY, blocks + b"x"))
    assert told(found)[0] == "unreadable_batch"


def test_an_aborted_bomb_is_not_unpacked() -> None:
    bomb = batch(0, Written(bytes(50 * MIB)), codec=ZSTD, producer=7)
    records = fetched(bomb + batch(1, GOOD), aborted=[(7, 0)])
    allowance = Allowance()
    taken, more = records.take(None, allowance)
    assert ([r.offset for r in taken], more) == ([1], False)
    assert POLL_OCTETS - allowance.left < 1_000


def test_a_record_that_was_read_is_not_given_again_after_a_seek_into_its_batch() -> None:
    bomb = batch(0, Written(bytes(6 * MIB)), GOOD, Written(bytes(7 * MIB)), GOOD, codec=ZSTD)
    assert [r.offset for r in fetched(bomb, start=1)] == [1, 2, 3]
    assert [r.offset for r in fetched(bomb, start=3)] == [3]


# -- polls ------------------------------------------------------------------------------------------------------------


class Assignment:
    """One that stays."""

    active = True

    def __init__(self) -> None:
        self.states: dict[Any, Any] = {}

    def state_value(self, tp: Any) -> Any:
        return self.states[tp]


class State:
    """The position of a partition."""

    paused = False
    position = 0

    def consumed_to(self, offset: int) -> None:
        self.position = offset


def fetcher_of(*octets: bytes) -> Any:
    """One that has fetched these, each of a partition of its own."""
    fetcher: Any = BoundedFetcher.__new__(BoundedFetcher)
    assignment = Assignment()
    fetcher._records, fetcher._fetch_waiters, fetcher._wait_consume_future = OrderedDict(), set(), None
    fetcher._loop = asyncio.get_running_loop()
    fetcher._closed = False
    fetcher._subscriptions = SimpleNamespace(reassignment_in_progress=False, is_assigned=lambda tp: True)
    for number, found in enumerate(octets):
        tp = PLACE._replace(partition=number)
        assignment.states[tp] = State()
        fetcher._records[tp] = FetchResult(tp, assignment=assignment, partition_records=fetched(found), backoff=1)
    return fetcher


async def test_partitions_share_what_a_poll_unpacks_and_take_turns() -> None:
    """A bomb in each of eight partitions, and behind them a good record in another: it does not wait for them all."""
    bomb = batch(0, *[Written(bytes(900_000))] * 30, codec=ZSTD)
    fetcher = fetcher_of(*[bomb] * 8, batch(0, GOOD))
    taken: list[list[ConsumerRecord]] = []
    while fetcher._records:
        found = await fetcher.fetched_records(())
        taken.append([record for records in found.values() for record in records])
        large = [result._partition_records.in_large_batch for result in fetcher._records.values()]
        assert sum(large) <= LARGE_AT_ONCE
    sizes = [sum(len(r.value) for r in records) for records in taken]
    assert max(sizes) <= POLL_OCTETS + 2 * MIB
    assert sum(map(len, taken)) == 241
    assert next(n for n, records in enumerate(taken) if b"good" in [r.value for r in records]) < 10


async def test_a_poll_goes_on_with_what_it_has_begun_without_waiting_for_a_fetch() -> None:
    """A record of gigabytes takes many polls, and none of them gives anything."""
    fetcher = fetcher_of(batch(0, Written(bytes(100 * MIB)), GOOD, codec=ZSTD))
    fetched_next = fetcher._create_fetch_waiter()
    assert await fetcher.fetched_records((), timeout=0) == {}
    async with asyncio.timeout(20):
        await fetched_next  # whoever waits for a fetch looks again
        found = await fetcher.fetched_records((), timeout=3_600)
        (records,) = found.values()
        assert told(records[0]) == ("too_large", 100 * MIB, sha256(bytes(100 * MIB)).hexdigest())


def test_cramjam_says_so_where_the_room_does_not_suffice() -> None:
    """What the bound on everything that is unpacked in one go stands on."""
    for module in (cramjam.gzip, cramjam.lz4, cramjam.zstd):
        room = memoryview(bytearray(1_000))
        with pytest.raises(cramjam.DecompressionError):
            module.decompress_into(bytes(module.compress(bytes(2_000))), room)
        assert module.decompress_into(bytes(module.compress(b"x" * 1_000)), room) == 1_000
