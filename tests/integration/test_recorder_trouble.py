"""A ClickHouse in trouble, a real one, costs no event: the recorder waits, says so, and all of them go in."""

# ruff: noqa: S608 - the ids in the queries are made here

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from services.recorder.app import migrate
from services.recorder.clickhouse import INSERT_SETTINGS, ClickHouse
from services.recorder.probe import PROBE_ID
from services.recorder.recording import Recording
from shared.messages.events import EventMaker
from shared.messages.ids import derived_id
from tests.fixtures_clickhouse import ClickHouseProcess
from tests.integration.clickhouse_proxy import Canned, exception, proxied
from tests.unit.recorder.clickhouse_double import FakeHost, NoPauses, letters_of

pytestmark = pytest.mark.clickhouse

EVENTS = EventMaker("ingress", "0")
Trouble = Callable[[str], Awaitable[None]]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own: its tables are taken away."""
    with ClickHouseProcess(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server.url


@pytest.fixture
async def clickhouse(url: str) -> AsyncIterator[ClickHouse]:
    clickhouse = ClickHouse(url, "default", "")
    await migrate(clickhouse)
    yield clickhouse
    await clickhouse.close()


class Recorder:
    """The recording of one account's events into a ClickHouse."""

    _accounts = 0

    def __init__(self, clickhouse: ClickHouse) -> None:
        Recorder._accounts += 1
        self.account = f"account-{Recorder._accounts}"
        self.clickhouse = clickhouse
        self.host = FakeHost()
        self.patience = NoPauses(self.host)
        self.now_ms = int(time.time() * 1000)

    def event(self, number: int, *, days_ago: int = 0, detail: str = "") -> bytes:
        at_ms = self.now_ms - days_ago * 86_400_000
        message_id = derived_id(at_ms, self.account, number)
        made = EVENTS.out("accepted", occurred_at_ms=at_ms, message_id=message_id, accepted_at_ms=at_ms,
                          account_id=self.account, detail=detail)  # fmt: skip
        assert made.value is not None
        return made.value

    async def record(self, values: Sequence[bytes], limit: int = 20) -> list[int]:
        """Returns the places of those that became dead letters."""
        return list(await letters_of(Recording(self.clickhouse, self.patience, limit), values, self.now_ms))

    @asynccontextmanager
    async def recording(self, values: Sequence[bytes], limit: int = 20) -> AsyncIterator[None]:
        """Recording `values`, from the time that the recorder waits; all go in when the trouble is over."""
        task = asyncio.create_task(self.record(values, limit))
        try:
            async with asyncio.timeout(30):
                while not self.host.last_error:
                    assert not task.done(), task.result()
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)  # it may try some more times
            assert not task.done()
            yield
            assert await asyncio.wait_for(task, 30) == []
            assert self.host.last_error == ""
        finally:
            task.cancel()

    async def counted(self, clickhouse: ClickHouse) -> tuple[int, int, int]:
        """Events, messages, and those of the probe, as analysts see them."""
        query = (
            f"SELECT (SELECT count() FROM sms.events WHERE message_id IN (SELECT message_id FROM sms.message_state "
            f"WHERE account_id = '{self.account}')), (SELECT count() FROM sms.message_state WHERE account_id = "
            f"'{self.account}'), (SELECT count() FROM sms.events WHERE event = 'probe') + (SELECT count() FROM "
            f"sms.message_state WHERE account_id = 'probe') + (SELECT count() FROM sms.stats_1h WHERE account_id = "
            f"'probe') + (SELECT count() FROM sms.segment_state WHERE message_id = '{PROBE_ID}')"
        )
        ((events, messages, probes),) = await clickhouse.rows(query)
        return events, messages, probes


HTML = b"<html><body>no such thing here</body></html>"
ANSWERS = [
    *(exception(code, name) for code, name in (
        (285, "TOO_FEW_LIVE_REPLICAS"), (286, "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE"),
        (244, "UNEXPECTED_ZOOKEEPER_ERROR"), (745, "SERVER_OVERLOADED"), (1001, "STD_EXCEPTION"),
        (1002, "UNKNOWN_EXCEPTION"), (198, "DNS_ERROR"), (74, "CANNOT_READ_FROM_FILE_DESCRIPTOR"),
        (76, "CANNOT_OPEN_FILE"), (290, "LIMIT_EXCEEDED"), (307, "TOO_MANY_BYTES"), (27, "CANNOT_PARSE_INPUT"),
    )),
    *(Canned(status, HTML) for status in (200, 401, 403, 404, 413, 502, 503, 504)),
    Canned(0), Canned(0, after=True),
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.headers.get("X-ClickHouse-Exception-Code") or (
    f"http-{answer.status}{'-after' * answer.after}"))  # fmt: skip
async def test_whatever_is_answered_for_it(clickhouse: ClickHouse, url: str, answer: Canned) -> None:
    with proxied(url) as proxy:
        through = ClickHouse(proxy.url, "default", "")
        recorder = Recorder(through)
        proxy.script = lambda body: answer
        async with recorder.recording([recorder.event(number) for number in range(50)]):
            proxy.script = lambda body: None
        assert await recorder.counted(clickhouse) == (50, 50, 0)
        await through.close()


async def test_without_the_right_to_create_it_says_so_and_goes_on_when_it_has_it(url: str) -> None:
    with proxied(url) as proxy:
        refused = asyncio.Event()
        loop = asyncio.get_running_loop()

        def refuse(_: bytes) -> Canned:
            loop.call_soon_threadsafe(refused.set)
            return exception(497, "ACCESS_DENIED")

        proxy.verb, proxy.script = b"CREATE", refuse
        host, through = FakeHost(), ClickHouse(proxy.url, "default", "")
        migrating = asyncio.create_task(NoPauses(host).until_done(lambda: migrate(through)))
        await asyncio.wait_for(refused.wait(), 10)
        while not host.last_error:
            await asyncio.sleep(0)
        assert "ACCESS_DENIED" in host.last_error
        proxy.script = lambda body: None
        await asyncio.wait_for(migrating, 30)
        assert host.last_error == ""
        await through.close()


async def test_a_server_that_is_sick_every_other_time(clickhouse: ClickHouse, url: str) -> None:
    """Two replicas behind a load balancer, one of them read-only."""
    turn = 0

    def every_other(body: bytes) -> Canned | None:
        nonlocal turn
        turn += 1
        return exception(242, "TABLE_IS_READ_ONLY") if turn % 2 else None

    with proxied(url) as proxy:
        through = ClickHouse(proxy.url, "default", "")
        recorder, script = Recorder(through), every_other
        proxy.script = script
        assert await recorder.record([recorder.event(number) for number in range(4)], limit=1) == []
        assert await recorder.counted(clickhouse) == (4, 4, 0)
        await through.close()


async def test_bad_rows_of_a_well_server(clickhouse: ClickHouse) -> None:
    """One that we see, and one whose fault only ClickHouse sees: an error that is on nobody's list."""
    recorder = Recorder(clickhouse)
    unseen = recorder.event(1)[:-1] + b',"attempt":1,"attempt":' + b"1" * 400 + b"}"
    values = [recorder.event(0), unseen, b"hello", *(recorder.event(n) for n in range(2, 40))]
    bad = await recorder.record(values)
    assert 2 in bad
    events, messages, probes = await recorder.counted(clickhouse)
    assert (events, messages, probes) == (41 - len(bad), 41 - len(bad), 0)
    (stored,) = await clickhouse.rows("SELECT uniqExact(event_id) FROM sms.event_log WHERE event = 'probe'")
    assert stored == (1,)


TABLES = [
    ("DETACH TABLE sms.event_log", "ATTACH TABLE sms.event_log", "code: 60"),
    ("RENAME TABLE sms.message_log TO sms.away", "RENAME TABLE sms.away TO sms.message_log", "code: 60"),
    ("RENAME TABLE sms.events_raw TO sms.away", "RENAME TABLE sms.away TO sms.events_raw", "code: 60"),
    ("ALTER TABLE sms.event_log ADD CONSTRAINT ours CHECK attempt > 100",
     "ALTER TABLE sms.event_log DROP CONSTRAINT ours", "code: 469"),
    ("ALTER TABLE sms.event_log ADD CONSTRAINT ours CHECK event = 'probe'",
     "ALTER TABLE sms.event_log DROP CONSTRAINT ours", "it takes the recorder's own row, but 3 events in a row"),
]  # fmt: skip


@pytest.mark.parametrize(("harm", "mend", "said"), TABLES, ids=[harm for harm, _, _ in TABLES])
async def test_tables_in_trouble(clickhouse: ClickHouse, harm: str, mend: str, said: str) -> None:
    recorder = Recorder(clickhouse)
    await clickhouse.execute(harm)
    async with recorder.recording([recorder.event(number) for number in range(30)], limit=3):
        assert said in recorder.host.last_error
        await clickhouse.execute(mend)
    assert await recorder.counted(clickhouse) == (30, 30, 0)


async def test_one_partition_in_trouble(clickhouse: ClickHouse) -> None:
    """The probe goes where the rows go: today's partition takes rows, that of three days ago does not."""
    recorder = Recorder(clickhouse)
    old = [recorder.event(number, days_ago=3) for number in range(4)]
    new = [recorder.event(number) for number in range(4, 8)]
    await clickhouse.execute("OPTIMIZE TABLE sms.event_log FINAL")
    await clickhouse.execute("SYSTEM STOP MERGES")
    try:
        for value in old:
            assert await recorder.record([value]) == []
        await clickhouse.execute("ALTER TABLE sms.event_log MODIFY SETTING parts_to_throw_insert = 4")
        async with recorder.recording([value for pair in zip(new, old, strict=True) for value in pair]):
            assert "code: 252" in recorder.host.last_error
            await clickhouse.execute("ALTER TABLE sms.event_log RESET SETTING parts_to_throw_insert")
    finally:
        await clickhouse.execute("ALTER TABLE sms.event_log RESET SETTING parts_to_throw_insert")
        await clickhouse.execute("SYSTEM START MERGES")
    assert await recorder.counted(clickhouse) == (8, 8, 0)


async def test_read_only(clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(clickhouse)
    monkeypatch.setitem(INSERT_SETTINGS, "readonly", 1)
    async with recorder.recording([recorder.event(number) for number in range(30)]):
        assert "code: 164" in recorder.host.last_error
        monkeypatch.delitem(INSERT_SETTINGS, "readonly")
    assert await recorder.counted(clickhouse) == (30, 30, 0)


async def test_memory_for_small_blocks_only(clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(clickhouse)
    values = [recorder.event(number, detail="x" * 100) for number in range(20_000)]
    # one event takes 15 MiB, mostly buffers of four tables; 20,000 take 34
    monkeypatch.setitem(INSERT_SETTINGS, "max_memory_usage", 20 << 20)
    refused = 0
    insert = clickhouse.insert

    async def counting(values: Sequence[bytes]) -> None:
        nonlocal refused
        try:
            await insert(values)
        except Exception as error:
            assert "code: 241" in str(error)
            refused += 1
            raise

    monkeypatch.setattr(clickhouse, "insert", counting)
    assert await recorder.record(values, limit=1) == []
    assert refused > 0
    assert await recorder.counted(clickhouse) == (20_000, 20_000, 0)


async def test_no_memory_at_all(clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(clickhouse)
    monkeypatch.setitem(INSERT_SETTINGS, "max_memory_usage", 1 << 10)
    async with recorder.recording([recorder.event(number) for number in range(30)]):
        assert "code: 241" in recorder.host.last_error
        monkeypatch.delitem(INSERT_SETTINGS, "max_memory_usage")
    assert await recorder.counted(clickhouse) == (30, 30, 0)


async def test_more_days_than_a_block_may_have(clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(clickhouse)
    monkeypatch.setitem(INSERT_SETTINGS, "max_partitions_per_insert_block", 10)
    assert await recorder.record([recorder.event(number, days_ago=number) for number in range(50)], limit=1) == []
    assert await recorder.counted(clickhouse) == (50, 50, 0)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 24 MB, while one may be mounted here."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a disk that is full needs the right to mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_disk_full_and_away_and_back(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as folder, ClickHouseProcess(folder) as server:
        clickhouse = ClickHouse(server.url, "default", "")
        await migrate(clickhouse)
        recorder = Recorder(clickhouse)
        filling = folder / "somebody-elses"
        with filling.open("wb") as file:  # all of it
            try:
                while True:
                    file.write(os.urandom(65_536))
                    file.flush()
            except OSError:
                pass
        async with recorder.recording([recorder.event(number, detail="x" * 300) for number in range(2_000)]):
            told = recorder.host.last_error
            server.stop(signal.SIGKILL)
            filling.unlink()
            with ClickHouseProcess(folder, server.port):
                async with asyncio.timeout(30):
                    while recorder.host.last_error:
                        await asyncio.sleep(0.05)
                assert await recorder.counted(clickhouse) == (2_000, 2_000, 0)
        assert "space" in told.lower() or "NOT_ENOUGH_SPACE" in told, told
        await clickhouse.close()
