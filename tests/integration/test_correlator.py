"""Edge: the correlator on a real broker: pairs, folds and deadlines over crashes, restarts and rebalances."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from schemas.gateway.connectors.smpp import SmppConnector, SmppOptions
from schemas.gateway.file import AppliedConfig, Gateway
from schemas.gateway.values import SecretRef
from schemas.topics import (
    JOINS,
    LIFECYCLE_EVENTS,
    MO_MESSAGES,
    MT_OUTCOMES,
    MT_STATUSES,
    RECEIPTS,
    SMSC_INBOUND,
    SUBMIT_RESULTS,
    dlq_of,
)
from services.correlator.app import run
from services.correlator.join.partition import JoinPartition
from services.correlator.state.changelog import Changelog
from shared.kafka.errors import FatalKafkaError
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.messages.events import EventMaker
from shared.messages.ids import derived_id
from shared.process.clock import now_ms
from shared.process.settings import Settings
from shared.sms.smsc_message_id import normalised
from tests.integration.flow_rig import Rig, Watch
from tests.unit.correlator.making import outcome, raw_inbound, raw_receipt, submit_result

pytestmark = [pytest.mark.kafka]

HOUR_MS = 3_600_000
WORDS = ("DELIVRD", "UNDELIV", "EXPIRED", "REJECTD", "ENROUTE")


class Traffic:
    """Messages of one test: their records, and what of the output belongs to them."""

    def __init__(self, name: str, watch: Watch) -> None:
        self.provider = name
        self.watch = watch
        self.started_ms = now_ms()

    def message_id(self, number: int) -> str:
        return derived_id(self.started_ms, self.provider, number)

    def result(self, number: int, index: int = 1, **changes: Any) -> Out:
        fields: dict[str, Any] = {"deadline_at_ms": now_ms() + HOUR_MS, "accepted_at_ms": self.started_ms}
        result = submit_result(
            number, message_id=self.message_id(number), provider=self.provider, index=index, **(fields | changes)
        )
        return Out(SUBMIT_RESULTS, self._key(number, index), result.to_json())

    def receipt(self, number: int, stat: str = "DELIVRD", index: int = 1, **changes: Any) -> Out:
        receipt = raw_receipt(f"{number}-{index}", stat, provider=self.provider, received_at_ms=now_ms(), **changes)
        return Out(RECEIPTS, self._key(number, index), receipt.to_json())

    def _key(self, number: int, index: int) -> bytes:
        return f"{self.provider}|{normalised(f'{number}-{index}')}".encode()

    def finals(self) -> dict[int, list[str]]:
        """The words of the final statuses by message number."""
        numbers = {self.message_id(n): n for n in range(2_000)}
        found: dict[int, list[str]] = {}
        for status in self.watch.values(MT_STATUSES):
            if status["final"] and status["message_id"] in numbers:
                found.setdefault(numbers[status["message_id"]], []).append(status["status"])
        return found

    async def until_final(self, numbers: Iterable[int], timeout_s: float = 30) -> dict[int, str]:
        """Wait until these have ended; the only final status of each."""
        wanted = set(numbers)
        await self.watch.until(lambda: wanted <= self.finals().keys(), timeout_s)
        return {number: "".join(words) for number, words in self.finals().items()}


@pytest.fixture
def name(unique_name: Callable[[str], str]) -> str:
    return unique_name("p")[-40:]


def _watch(rig: Rig) -> Watch:
    dlqs = [dlq_of(topic) for topic in (SUBMIT_RESULTS, RECEIPTS, SMSC_INBOUND, MT_OUTCOMES)]
    return Watch(rig.settings, MT_STATUSES, MO_MESSAGES, LIFECYCLE_EVENTS, JOINS, *dlqs)


async def _send(rig: Rig, outs: list[Out], batch: int = 37) -> None:
    for start in range(0, len(outs), batch):
        await rig.producer.send_all(outs[start : start + batch])


async def test_every_message_ends_once_over_crashes_in_the_middle(kafka_bootstrap: str, name: str) -> None:
    async with Rig(kafka_bootstrap) as rig, _watch(rig) as watch:
        traffic = Traffic(name, watch)
        count = 600
        single = [n for n in range(count) if n % 3]
        outs: list[Out] = []
        for number in range(count):
            segments = 1 if number in single else 2
            for index in range(1, segments + 1):
                pair = [
                    traffic.result(number, index, segments=segments),
                    traffic.receipt(number, WORDS[(number + index) % 4], index),
                ]
                outs += pair[:: -1 if number % 2 else 1]
        sending = asyncio.create_task(_send(rig, outs))
        for seen in (50, 200):
            async with rig.running("correlator", run, crash=True):
                await watch.until(lambda seen=seen: len(traffic.finals()) > seen)  # type: ignore[misc]  # bound now
        await sending
        async with rig.running("correlator", run):
            finals = await traffic.until_final(range(count))
            # whatever a restart repeats would come now: one more of everything, and then this last one
            await rig.producer.send_all([traffic.result(count), traffic.receipt(count)])
            finals = await traffic.until_final([count])
        expected = ["delivered", "undeliverable", "expired", "undeliverable"]
        assert all(finals[n] == expected[(n + 1) % 4] for n in single)
        assert Counter(finals[n] for n in range(0, count, 3)) == {
            "partially_delivered": 100,
            "undeliverable": 100,
        }
        mine = {traffic.message_id(number) for number in range(count + 1)}  # the broker is shared with other tests
        words = Counter(e["event"] for e in watch.values(LIFECYCLE_EVENTS) if e["message_id"] in mine)
        assert words["receipt"] == len(outs) // 2 + 1
        assert words["late_receipt"] == 0


async def test_headers_of_clients_stop_nothing(kafka_bootstrap: str, name: str) -> None:
    async with Rig(kafka_bootstrap) as rig, _watch(rig) as watch, rig.running("correlator", run):
        traffic = Traffic(name, watch)
        values: list[bytes | None] = [None, b"x" * 1_000_000, "ключ".encode()]
        for number, value in enumerate(values):
            for out in (traffic.result(number), traffic.receipt(number)):
                await rig.producer.send_all([out._replace(headers=(("traceparent", value),))])
        assert set((await traffic.until_final(range(len(values)))).values()) == {"delivered"}


async def test_deadlines_are_met_while_nothing_else_happens(kafka_bootstrap: str, name: str) -> None:
    async with Rig(kafka_bootstrap) as rig, _watch(rig) as watch, rig.running("correlator", run):
        traffic = Traffic(name, watch)
        deadline_ms = now_ms() + 2_000
        await _send(
            rig,
            [
                traffic.result(1, deadline_at_ms=deadline_ms),
                traffic.result(2, deadline_at_ms=deadline_ms),
                traffic.receipt(2),
                traffic.result(3, deadline_at_ms=deadline_ms, receipt="all"),
                traffic.receipt(3, "ENROUTE"),
            ],
        )
        finals = await traffic.until_final([1, 2, 3], timeout_s=10)
        assert now_ms() <= deadline_ms + 5_000
        assert finals == {1: "receipt_missing", 2: "delivered", 3: "receipt_missing"}
        await rig.producer.send_all([traffic.receipt(1)])
        await watch.until(
            lambda: (
                ("late_receipt", traffic.message_id(1))
                in {(e["event"], e["message_id"]) for e in watch.values(LIFECYCLE_EVENTS)}
            )
        )
        assert traffic.finals()[1] == ["receipt_missing"]


async def test_a_receipt_in_time_counts_although_the_correlator_was_away_at_the_deadline(
    kafka_bootstrap: str, name: str
) -> None:
    async with Rig(kafka_bootstrap) as rig, _watch(rig) as watch:
        traffic = Traffic(name, watch)
        async with rig.running("correlator", run):
            deadline_ms = now_ms() + 4_000
            await _send(rig, [traffic.result(n, deadline_at_ms=deadline_ms) for n in (1, 2)])
            await watch.until(lambda: sum(r.key.startswith(name.encode()) for r in watch.records[JOINS]) == 2)
        await rig.producer.send_all([traffic.receipt(1)])
        assert now_ms() <= deadline_ms
        await asyncio.sleep(max(0, deadline_ms + 100 - now_ms()) / 1000)  # the deadline is a time: nothing to await
        await rig.producer.send_all([traffic.receipt(2)])
        async with rig.running("correlator", run):
            assert await traffic.until_final([1, 2]) == {1: "delivered", 2: "receipt_missing"}


async def test_a_closed_mark_is_forgotten_although_there_is_always_more_to_read(
    kafka_bootstrap: str, name: str
) -> None:
    async with Rig(kafka_bootstrap) as rig, _watch(rig) as watch, rig.running("correlator", run):
        traffic = Traffic(name, watch)
        away = asyncio.Event()

        async def keep_busy() -> None:
            number = 100
            while not away.is_set():
                number += 1
                await rig.producer.send_all([traffic.result(number, index) for index in range(1, 21)])

        busy = asyncio.create_task(keep_busy())
        key = f"{name}|1-1".encode()
        await rig.producer.send_all([traffic.result(1, deadline_at_ms=now_ms() - 25 * HOUR_MS)])
        assert await traffic.until_final([1]) == {1: "receipt_missing"}
        await watch.until(lambda: {r.key: r.value for r in watch.records[JOINS]}.get(key) is None)
        away.set()
        await busy


async def test_a_closed_mark_is_forgotten_behind_a_transaction_marker(kafka_bootstrap: str, name: str) -> None:
    """The throttler writes results in transactions: the log then ends with a marker that is no record."""
    async with Rig(kafka_bootstrap) as rig, _watch(rig) as watch, rig.running("correlator", run):
        traffic = Traffic(name, watch)
        throttler = BatchProducer(rig.settings, client_id="t", transactional_id=name)
        await throttler.start()
        try:
            await throttler.begin()
            await throttler.send_all([traffic.result(1, deadline_at_ms=now_ms() - 25 * HOUR_MS)])
            await throttler.commit()
            assert await traffic.until_final([1]) == {1: "receipt_missing"}
            await rig.producer.send_all([traffic.result(2), traffic.receipt(2)])
            await traffic.until_final([2])
            # decided and forgotten in one transaction, or in two: never kept
            key = f"{name}|1-1".encode()
            await watch.until(lambda: {r.key: r.value for r in watch.records[JOINS]}.get(key) is None)
        finally:
            await throttler.stop()


async def test_state_follows_its_partitions_to_another_member_and_back(kafka_bootstrap: str, name: str) -> None:
    other = Settings(kafka_bootstrap_servers=kafka_bootstrap, instance="1")
    async with Rig(kafka_bootstrap) as rig, _watch(rig) as watch, rig.running("correlator", run) as first:
        traffic = Traffic(name, watch)
        await _send(rig, [traffic.result(n) for n in range(90)])
        await _send(rig, [traffic.receipt(n) for n in range(30)])
        await traffic.until_final(range(30))
        second = Rig(kafka_bootstrap)
        second.settings = other
        async with second.running("correlator", run) as joined:
            async with asyncio.timeout(30):
                while not (joined.state(0).assignment and first.state(0).assignment and first.ready):
                    await asyncio.sleep(0.05)
            await _send(rig, [traffic.receipt(n) for n in range(60)])
            await traffic.until_final(range(60))
        await _send(rig, [traffic.receipt(n) for n in range(30, 90)])
        finals = await traffic.until_final(range(90))
        assert set(finals.values()) == {"delivered"}
        mine = {traffic.message_id(n) for n in range(90)}
        words = Counter(e["event"] for e in watch.values(LIFECYCLE_EVENTS) if e["message_id"] in mine)
        assert (words["receipt"], words["late_receipt"]) == (90, 60)


async def test_handset_messages_configuration_and_bad_records(kafka_bootstrap: str, name: str) -> None:
    connector = SmppConnector(
        id="acme-1",
        host="127.0.0.1",
        port=2775,
        system_id="x",
        password=SecretRef(env="X"),
        options=SmppOptions(receipt_map={"ok": "DELIVRD"}),
    )
    config = AppliedConfig(hash=name, applied_at_ms=0, gateway=Gateway(version=1, connectors=(connector,)))
    async with Rig(kafka_bootstrap) as rig, _watch(rig) as watch, rig.running("correlator", run) as service:
        traffic = Traffic(name, watch)
        changed = service.gateway.changed()
        await rig.producer.send_all([rig.config_out(config)])
        await changed
        bad = [
            Out(topic, name.encode(), b"nonsense") for topic in (SUBMIT_RESULTS, RECEIPTS, SMSC_INBOUND, MT_OUTCOMES)
        ]
        refused = outcome(2, word="undeliverable", message_id=traffic.message_id(2), segments=1, reason="smsc_refused")
        inbound = raw_inbound(b"STOP", data_coding=0xF1, destination_addr=name)
        await rig.producer.send_all(
            [
                *bad,
                traffic.result(1),
                traffic.receipt(1, "Ok"),
                Out(MT_OUTCOMES, traffic.message_id(2).encode(), refused.to_json()),
                Out(SMSC_INBOUND, name.encode(), inbound.to_json()),
            ]
        )
        assert await traffic.until_final([1, 2]) == {1: "delivered", 2: "undeliverable"}
        await watch.until(
            lambda: (
                any(m["to"] == name for m in watch.values(MO_MESSAGES))
                and all(any(r.key == name.encode() for r in watch.records[dlq_of(o.topic)]) for o in bad)
            )
        )
        message = next(m for m in watch.values(MO_MESSAGES) if m["to"] == name)
        assert (message["text"], message["keyword"], message["complete"]) == ("STOP", "STOP", True)


async def test_a_long_message_of_a_handset_over_a_crash_and_one_that_is_never_whole(
    kafka_bootstrap: str, name: str
) -> None:
    connector = SmppConnector(
        id="acme-1",
        host="127.0.0.1",
        port=2775,
        system_id="x",
        password=SecretRef(env="X"),
        options=SmppOptions(inbound_timeout_s=1),
    )
    config = AppliedConfig(hash=name, applied_at_ms=0, gateway=Gateway(version=1, connectors=(connector,)))

    def part(number: int, text: bytes, ref: int = 7, connector_id: str = "acme-2") -> Out:
        head = bytes((5, 0, 3, ref, 2, number))
        raw = raw_inbound(head + text, esm_class=0x40, destination_addr=name, connector_id=connector_id)
        return Out(SMSC_INBOUND, name.encode(), raw.to_json())

    async with Rig(kafka_bootstrap) as rig, _watch(rig) as watch:

        def told() -> list[tuple[str, bool]]:
            return [(m["text"], m["complete"]) for m in watch.values(MO_MESSAGES) if m["to"] == name]

        await rig.producer.send_all([rig.config_out(config)])
        async with rig.running("correlator", run, crash=True):
            await rig.producer.send_all([part(2, b"two"), part(1, b"alone", 8, "acme-1")])
            await watch.until(lambda: told() == [("alone", False)])
        await rig.producer.send_all([part(2, b"two"), part(1, b"one "), part(2, b"two"), part(1, b"one ")])
        async with rig.running("correlator", run):
            await rig.producer.send_all([part(2, b" no more", 8, "acme-1")])
            await watch.until(lambda: len(told()) >= 3)
            assert sorted(told()) == [("alone", False), ("alone no more", True), ("one two", True)]
            ids = {m["text"]: m["mo_id"] for m in watch.values(MO_MESSAGES) if m["to"] == name}
            assert ids["alone"] == ids["alone no more"]


async def test_state_is_kept_over_a_rebalance_only_when_nobody_else_wrote(kafka_bootstrap: str, name: str) -> None:
    async with Rig(kafka_bootstrap) as rig:
        join = JoinPartition(2, EventMaker("correlator", "0"))
        held = {2: join}
        changelog = Changelog(rig.settings, JOINS, held, lambda n: JoinPartition(n, EventMaker("correlator", "0")))
        await changelog.assigned([2])
        join = held[2]
        await changelog.revoked()
        await changelog.assigned([2])
        assert held[2] is join
        await changelog.revoked()
        await rig.producer.send_all([Out(JOINS, b"positions", b'{"positions":{"x":7}}', (), 2)])
        await changelog.assigned([2])
        assert held[2] is not join
        assert held[2].table.positions == {"x": 7}
        await changelog.revoked()
        await changelog.assigned([])
        assert held == {}
        await rig.producer.send_all([Out(JOINS, b"positions", None, (), 2)])


async def test_a_changelog_that_cannot_be_read_says_where_and_what_to_do(kafka_bootstrap: str, name: str) -> None:
    """State of another version is not guessed at; which record it is must be known to whoever takes it away."""
    key = name.encode()
    async with Rig(kafka_bootstrap) as rig:
        await rig.producer.send_all([Out(JOINS, key, b"garbage", partition=0)])
        try:
            with pytest.raises(
                FatalKafkaError, match=rf"{JOINS}, partition 0, offset \d+, key b'{name}'.*takes it away"
            ):
                async with rig.running("correlator", run):
                    pass
        finally:
            await rig.producer.send_all([Out(JOINS, key, None, partition=0)])
        async with rig.running("correlator", run) as service:
            assert service.ready
