"""Edge: ingress on a real broker: what comes in is decided once, over configurations, copies and crashes."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.commit_marks import StageMark
from schemas.gateway.accounts import Account
from schemas.gateway.file import AppliedConfig
from schemas.optouts import OptOut
from schemas.submissions import Submission
from services.ingress import restore
from services.ingress.app import run
from services.ingress.place import home_partition
from services.ingress.restore import require_log_append_time
from shared.kafka.committed_offsets import committed_with_metadata
from shared.kafka.errors import FatalKafkaError
from shared.kafka.records import Out
from shared.kafka.replay import read_range
from shared.membership.mistakes import TooManyMistakes
from shared.membership.output import AtLeastOnce
from shared.messages.idempotency import changelog_value, key_hash
from shared.messages.ids import derived_id
from shared.messages.reroutes import reroute_out
from shared.process.clock import now_ms
from shared.process.service import Service
from tests.integration.flow_rig import Rig, Watch, events
from tests.unit.ingress.scene import applied, request
from tests.unit.shared.kafka.test_header_names import CraftedBuilder
from tests.unit.shared.kafka.test_records import TRACE

pytestmark = [pytest.mark.kafka]

OUTPUT = (
    "mt.submissions",
    "mt.submissions.otp",
    "mt.statuses",
    "mt.requests.dlq",
    "mt.reroutes.dlq",
    "lifecycle.events",
)


def _config(account: str, connector: str = "acme", **more: Any) -> AppliedConfig:
    route = {"to": [{"connector": connector}, {"connector": "gamma"}], "policy": "first"}
    return applied(route, accounts=[Account(id=account, default_sender="SHOP")], **more)


@pytest.fixture
def account(unique_name: Callable[[str], str]) -> str:
    """One of its own for each test: topics and groups are shared."""
    return unique_name("a")[-40:]


def _of(watch: Watch, topic: str, account: str) -> list[dict[str, Any]]:
    return [value for value in watch.values(topic) if value["account_id"] == account]


def _submissions(watch: Watch, account: str, topic: str = "mt.submissions") -> list[Submission]:
    found = [Submission.model_validate(value) for value in watch.values(topic)]
    return [submission for submission in found if submission.context.account_id == account]


async def test_every_kind_of_request_ends_where_it_belongs(kafka_bootstrap: str, account: str) -> None:
    async with Rig(kafka_bootstrap) as rig, Watch(rig.settings, *OUTPUT) as watch:
        await rig.apply(_config(account))
        opt_out = OptOut(account_id=account, to="447700900666", since_ms=0)
        await rig.producer.send_all([Out("config.optouts", f"{account}|447700900666".encode(), opt_out.to_json())])
        async with rig.running("ingress", run) as service:
            good = [request(account_id=account, text=f"n {n}", metadata={"n": str(n)}) for n in range(200)]
            await rig.send("mt.requests", *good)
            await rig.send("mt.requests.otp", request(account_id=account, text="code 1"))
            await rig.send(
                "mt.requests",
                f"not json {account}".encode(),
                request(account_id=account, to="447700900666"),
                request(account_id=account, to="12ab", receipt="all"),
                request(account_id=account, receipt="all", text="all"),
            )
            await watch.until(
                lambda: (
                    len(_submissions(watch, account)) >= 201
                    and len(_submissions(watch, account, "mt.submissions.otp")) >= 1
                    and len(_of(watch, "mt.statuses", account)) >= 3
                    and len(watch.records["mt.requests.dlq"]) >= 1
                )
            )
            assert service.gateway.hash == "h"
        committed = await committed_with_metadata(rig.settings, "ingress")
    submissions = _submissions(watch, account)
    assert sorted(s.context.metadata.get("n", "") for s in submissions) == sorted([*map(str, range(200)), ""])
    assert {s.connector_id for s in submissions} == {"acme"}
    assert [s.context.lane for s in _submissions(watch, account, "mt.submissions.otp")] == ["otp"]
    statuses = {(s["status"], s.get("reason")) for s in _of(watch, "mt.statuses", account)}
    assert statuses == {("rejected", "opted_out"), ("rejected", "invalid_destination"), ("accepted", None)}
    (dead,) = watch.records["mt.requests.dlq"]
    assert dead.value == f"not json {account}".encode()
    ids = [s.context.message_id for s in submissions]
    assert len(events(watch, "accepted", ids)) == 201
    assert "mt.requests" in {tp.topic for tp in committed}
    marks = [StageMark.from_text(text) for _, text in committed.values()]
    assert all(mark is not None and mark.writer is None for mark in marks), "what was given back has no writer"
    assert now_ms() - 60_000 < max(mark.appended_at_ms for mark in marks if mark) < now_ms() + 60_000


async def test_a_new_configuration_is_followed_without_a_restart(kafka_bootstrap: str, account: str) -> None:
    async with Rig(kafka_bootstrap) as rig, Watch(rig.settings, *OUTPUT) as watch:
        await rig.apply(_config("somebody"))
        async with rig.running("ingress", run) as service:
            await rig.send("mt.requests", request(account_id=account))
            await watch.until(lambda: bool(_of(watch, "mt.statuses", account)))
            await rig.apply(_config(account, "beta"))
            await service.gateway.sync()
            await rig.send("mt.requests", request(account_id=account))
            await watch.until(lambda: bool(_submissions(watch, account)))
    assert _of(watch, "mt.statuses", account)[0]["reason"] == "unknown_account"
    assert _submissions(watch, account)[0].connector_id == "beta"


async def test_a_key_holds_over_restarts_and_from_any_partition(kafka_bootstrap: str, account: str) -> None:
    """The first record carries no record key, so most likely it lies in the wrong partition and is moved."""
    async with Rig(kafka_bootstrap) as rig, Watch(rig.settings, *OUTPUT, "ingress.keys", "mt.requests") as watch:
        await rig.apply(_config(account))
        body = request(account_id=account, idempotency_key="order-1", text="once")
        home = home_partition(account, "order-1", 4)
        await rig.producer.send_all([Out("mt.requests", None, body, (), (home + 1) % 4)])
        async with rig.running("ingress", run):
            await watch.until(lambda: len(_submissions(watch, account)) == 1)
        async with rig.running("ingress", run):
            await rig.send("mt.requests", body, key=f"{account}:order-1".encode())
            await rig.send("mt.requests", request(account_id=account, idempotency_key="order-1", text="other"))
            first = _submissions(watch, account)[0].context.message_id
            await watch.until(lambda: len(events(watch, "duplicate", [first])) == 1)
            await watch.until(lambda: len(_of(watch, "mt.statuses", account)) == 1)
    assert len(_submissions(watch, account)) == 1
    assert _of(watch, "mt.statuses", account)[0]["reason"] == "idempotency_conflict"
    assert {r.partition for r in watch.records["ingress.keys"]} == {home}
    original = next(r for r in watch.records["mt.requests"] if r.partition != home and r.value == body)
    assert _submissions(watch, account)[0].context.accepted_at_ms == original.timestamp


async def test_what_was_decided_before_a_crash_is_not_decided_again(
    kafka_bootstrap: str, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commits are lost with the process; the configuration changes meanwhile; more requests come in."""
    async with Rig(kafka_bootstrap) as rig, Watch(rig.settings, *OUTPUT) as watch:
        await rig.apply(_config(account))
        bodies = [request(account_id=account, text=f"n {n}", metadata={"n": str(n)}) for n in range(60)]
        bodies += [request(account_id=account, to="1", metadata={"n": "bad"})]
        with monkeypatch.context() as patched:
            patched.setattr(AtLeastOnce, "commit", _no_commit)
            async with rig.running("ingress", run, crash=True):
                await rig.send("mt.requests", *bodies)
                await watch.until(
                    lambda: len(_submissions(watch, account)) + len(_of(watch, "mt.statuses", account)) == 61
                )
        ids = [s.context.message_id for s in _submissions(watch, account)]
        assert len(ids) == 60
        await rig.apply(_config(account, "beta"))
        await rig.send("mt.requests", *(request(account_id=account, metadata={"n": f"new {n}"}) for n in range(20)))
        async with rig.running("ingress", run):
            await watch.until(lambda: len(_submissions(watch, account)) >= 80)
            await watch.until(lambda: len(events(watch, "accepted", ids)) >= 120)
        submissions = _submissions(watch, account)
    assert len({s.context.message_id for s in submissions}) == len(submissions) == 80
    assert {s.connector_id for s in submissions if not s.context.metadata["n"].startswith("new")} == {"acme"}
    assert {s.connector_id for s in submissions if s.context.metadata["n"].startswith("new")} == {"beta"}
    assert len({s["status_id"] for s in _of(watch, "mt.statuses", account)}) == 1
    assert len({e["event_id"] for e in events(watch, "accepted", ids)}) == 60


async def _no_commit(_output: AtLeastOnce) -> None:
    """A commit that never reaches the broker."""


async def test_a_reroute_gets_the_next_connector_or_ends(kafka_bootstrap: str, account: str) -> None:
    async with Rig(kafka_bootstrap) as rig, Watch(rig.settings, *OUTPUT) as watch:
        await rig.apply(_config(account))
        async with rig.running("ingress", run):
            await rig.send("mt.requests", request(account_id=account))
            await watch.until(lambda: bool(_submissions(watch, account)))
            first = _submissions(watch, account)[0]
            for given in (first, first.model_copy(update={"route_no": 1, "connector_id": "gamma", "tried": ["acme"]})):
                reroute = reroute_out(
                    given, queued=True, status="undeliverable", reason="smsc_refused", occurred_at_ms=now_ms()
                )
                await rig.send("mt.reroutes", reroute.value or b"", key=first.context.message_id.encode())
            await rig.send("mt.reroutes", b"{}")
            await watch.until(
                lambda: bool(_of(watch, "mt.statuses", account)) and bool(watch.records["mt.reroutes.dlq"])
            )
    second = _submissions(watch, account)[1]
    assert (second.route_no, second.connector_id, second.tried) == (1, "gamma", ["acme"])
    (status,) = _of(watch, "mt.statuses", account)
    assert (status["final"], status["reason"], status["message_id"]) == (True, "smsc_refused", first.context.message_id)
    assert dict(watch.records["mt.reroutes.dlq"][0].headers)["dlq_field"] == b"context"


async def test_a_topic_that_clients_may_date_is_refused(
    kafka_bootstrap: str, unique_name: Callable[[str], str]
) -> None:
    name = unique_name("dated")
    async with Rig(kafka_bootstrap) as rig:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(name, 1, 1)])
        await admin.close()
        await require_log_append_time(rig.settings, ["mt.requests", "mt.requests.otp"])
        with pytest.raises(FatalKafkaError, match=rf"{name} has message.timestamp.type=CreateTime"):
            await require_log_append_time(rig.settings, ["mt.requests", name])


async def test_a_restore_that_takes_longer_than_a_dead_loop_may_comes_to_its_end(
    kafka_bootstrap: str, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are read back slowly while requests wait, for three times as long as the watchdog would wait."""
    stuck_ms, step_s = 3_000, 0.35
    unread = read_range

    async def slowly(*args: Any, **options: Any) -> AsyncGenerator[list[ConsumerRecord], None]:
        async for batch in unread(*args, **options):
            yield batch
            await asyncio.sleep(step_s)

    keys = [
        Out(
            "ingress.keys",
            key_hash(account, str(n)).hex().encode(),
            changelog_value(derived_id(now_ms(), n), b"b" * 16, now_ms(), n),
            (),
            n % 4,
        )
        for n in range(60_000)
    ]
    async with Rig(kafka_bootstrap) as rig, Watch(rig.settings, *OUTPUT) as watch:
        await rig.apply(_config(account))
        for start in range(0, len(keys), 20_000):
            await rig.producer.send_all(keys[start : start + 20_000])
        await rig.send("mt.requests", *(request(account_id=account, text=f"n {n}") for n in range(20)))
        monkeypatch.setattr(restore, "read_range", slowly)
        monkeypatch.setattr("shared.process.service.STUCK_MS", stuck_ms)
        began_ms = now_ms()
        service = Service("ingress", rig.settings)
        worst = 0

        async def look() -> None:
            nonlocal worst
            while True:
                looked_ms = now_ms()
                await asyncio.sleep(0.02)  # not counted: the whole process may stand still meanwhile
                worst = max(worst, looked_ms - now_ms() + service.stuck_ms)

        looking = asyncio.create_task(look())
        async with rig.running("ingress", run, service=service):
            took_ms = now_ms() - began_ms
            await watch.until(lambda: len(_submissions(watch, account)) == 20)
        looking.cancel()
    assert took_ms > 3 * stuck_ms
    assert worst < stuck_ms


async def test_headers_of_clients_stop_nothing(kafka_bootstrap: str, account: str) -> None:
    """Null, two of half a megabyte, no ASCII, on what is taken, moved, rejected and a dead letter."""
    values: list[bytes | None] = [None, b"x" * 500_000, "ключ".encode(), b""]
    async with Rig(kafka_bootstrap) as rig, Watch(rig.settings, *OUTPUT) as watch:
        await rig.apply(_config(account))
        partition = (home_partition(account, "k0", 4) + 1) % 4
        async with rig.running("ingress", run):
            for number, value in enumerate(values):
                headers = (("traceparent", value), ("origin_partition", value), ("dlq_topic", None))
                for body in (
                    request(account_id=account, idempotency_key=f"k{number}"),
                    request(account_id=account, to="1"),
                    b"not json " + account.encode(),
                ):
                    await rig.producer.send_all([Out("mt.requests", None, body, headers, partition)])
            await watch.until(
                lambda: (
                    len(_submissions(watch, account)) == len(values)
                    and len(_of(watch, "mt.statuses", account)) == len(values)
                    and sum(account.encode() in r.value for r in watch.records["mt.requests.dlq"]) == len(values)
                )
            )
    assert not any(r.headers for topic in ("mt.submissions", "mt.statuses") for r in watch.records[topic])


async def test_a_header_name_that_is_no_text_stops_nothing(
    kafka_bootstrap: str, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka takes any octets; aiokafka's reader does not, and would be stopped at this record for ever."""
    async with Rig(kafka_bootstrap) as rig, Watch(rig.settings, *OUTPUT) as watch:
        await rig.apply(_config(account))
        wrong = (("a__", b"1"), ("traceparent", TRACE))
        values = [request(account_id=account), b"not json " + account.encode(), request(account_id=account, to="1")]
        outs = [Out("mt.requests", b"k", value, headers) for headers in ((), wrong, ()) for value in values]
        monkeypatch.setattr("aiokafka.producer.message_accumulator.DefaultRecordBatchBuilder", CraftedBuilder)
        await rig.producer.send_all(outs)
        monkeypatch.undo()
        async with rig.running("ingress", run):
            await watch.until(
                lambda: (
                    len(_submissions(watch, account)) == 3
                    and len(_of(watch, "mt.statuses", account)) == 3
                    and sum(account.encode() in r.value for r in watch.records["mt.requests.dlq"]) == 3
                )
            )
    letters = [r for r in watch.records["mt.requests.dlq"] if account.encode() in r.value]
    theirs = [header for r in letters for header in r.headers if not header[0].startswith("dlq_")]
    assert [header for header in theirs if header[0] != "traceparent"] == [(r"a\xff\xc3", b"1")]
    assert Counter(r.headers for r in watch.records["mt.submissions"] if account.encode() in r.value) == {
        (): 2,
        (("traceparent", TRACE),): 1,
    }


async def test_huge_values_do_not_stop_the_partition(kafka_bootstrap: str, account: str) -> None:
    """All of a megabyte that the broker takes: as garbage, and as a request that would have to be moved."""
    async with Rig(kafka_bootstrap) as rig, Watch(rig.settings, *OUTPUT) as watch:
        await rig.apply(_config(account))
        home = home_partition(account, "k", 4)
        noise = random.Random(1).randbytes(1_048_400)
        padded = request(account_id=account, idempotency_key="k", pad=noise[:500_000].hex())
        async with rig.running("ingress", run):
            partition = (home + 1) % 4
            values = [noise, padded, request(account_id=account, text="y" * 65_536), request(account_id=account)]
            for value in values:
                await rig.producer.send_all([Out("mt.requests", None, value, (), partition)])
            await watch.until(lambda: len(_submissions(watch, account)) == 2)
            await watch.until(lambda: len(watch.records["mt.requests.dlq"]) == 1)
    assert noise in [r.value for r in watch.records["mt.requests.dlq"]]
    (status,) = _of(watch, "mt.statuses", account)
    assert (status["reason"], status["field"]) == ("invalid_field", "idempotency_key")


async def test_a_bug_does_not_turn_the_topic_into_dead_letters(
    kafka_bootstrap: str, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After twenty in a row it stops, and stops again when it is started again; nothing behind is lost."""

    def stumble(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    async def send(count: int) -> None:
        values = [request(account_id=account, text=f"n {n}") for n in range(count)]
        await rig.producer.send_all(Out("mt.requests", None, value, (), 1) for value in values)

    def letters() -> int:
        return len([r for r in watch.records["mt.requests.dlq"] if account.encode() in r.value])

    async with Rig(kafka_bootstrap) as rig, Watch(rig.settings, *OUTPUT) as watch:
        await rig.apply(_config(account))
        with monkeypatch.context() as patched:
            patched.setattr("services.ingress.decision.RequestDecider.decide", stumble)
            async with rig.running("ingress", run):
                await send(15)
                await watch.until(lambda: letters() == 15)
            for _ in range(2):
                await send(5)  # the fifth is the twentieth
                with pytest.raises(TooManyMistakes, match="20 records in a row"):
                    async with rig.running("ingress", run) as service:
                        await asyncio.wait_for(service.stopping.wait(), 30)
        async with rig.running("ingress", run):
            await watch.until(lambda: len(_submissions(watch, account)) == 10)
            assert letters() == 15
