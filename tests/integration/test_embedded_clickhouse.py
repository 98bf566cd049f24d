"""The embedded ClickHouse as its clients see it: clickhouse-connect, and HTTP by hand."""

# ruff: noqa: S608 - the names of tables are made here

import gzip
import http.client
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from shared.local.clickhouse.compression import pack
from shared.local.clickhouse.frames import FrameDecoder, frame
from tests.fixtures_clickhouse import ClickHouseProcess

pytestmark = pytest.mark.clickhouse

Reply = tuple[int, dict[str, str], bytes]
Ask = Callable[..., Reply]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    """An embedded server, also where SMSGW_CLICKHOUSE_URL names another one."""
    with ClickHouseProcess(tmp_path_factory.mktemp("clickhouse ?&%20")) as process:
        assert process.url, process.wait()[1]
        yield process
        assert process.stop() == (0, "")


@pytest.fixture
def client(server: ClickHouseProcess) -> Iterator[Client]:
    client = clickhouse_connect.get_client(host="127.0.0.1", port=server.port)
    client.command("CREATE DATABASE IF NOT EXISTS test")
    yield client
    client.close()


@pytest.fixture
def table(client: Client) -> str:
    """A new, empty table of a number and a text."""
    name = f"test.t_{uuid4().hex}"
    client.command(f"CREATE TABLE {name} (a UInt64, s String) ENGINE = MergeTree ORDER BY a")
    return name


@pytest.fixture
def ask(server: ClickHouseProcess) -> Ask:
    """One HTTP request by hand: `ask(body, headers, method=..., **query)` gives status, headers, octets."""

    def send(
        body: bytes | str = b"", headers: dict[str, str] | None = None, method: str = "POST", **query: str
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        octets = body.encode() if isinstance(body, str) else body
        connection.request(method, "/?" + urlencode(query), body=octets, headers=headers or {})
        answer = connection.getresponse()
        reply = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return reply

    return send


def count(client: Client, table: str) -> int:
    return int(str(client.command(f"SELECT count() FROM {table}")))


class TestClient:
    """What clickhouse_connect does, unchanged."""

    def test_native_insert_and_query(self, client: Client, table: str) -> None:
        client.insert(table, [[i, str(i)] for i in range(70_000)], column_names=["a", "s"])
        result = client.query(f"SELECT sum(a), uniqExact(s) FROM {table} WHERE a < {{limit:UInt64}}", {"limit": 60_000})
        assert result.result_rows == [(sum(range(60_000)), 60_000)]

    def test_json_rows(self, client: Client, table: str) -> None:
        rows = b'{"a":1,"s":"x","unknown":[1]}\n{"a":2}'
        summary = client.raw_insert(
            table, insert_block=rows, fmt="JSONEachRow", settings={"input_format_skip_unknown_fields": 1}
        )
        assert summary.written_rows == 2
        assert client.query(f"SELECT * FROM {table} ORDER BY a").result_rows == [(1, "x"), (2, "")]

    def test_values_and_insert_select(self, client: Client, table: str) -> None:
        client.command(f"INSERT INTO {table} VALUES (1, 'a;b'), (1 + 1, concat('x', 'y'));")
        client.command(f"INSERT INTO {table} SELECT a + 10, s FROM {table}")
        assert client.query(f"SELECT * FROM {table} ORDER BY a").result_rows == [
            (1, "a;b"), (2, "xy"), (11, "a;b"), (12, "xy"),
        ]  # fmt: skip

    def test_a_result_without_rows_still_has_columns(self, client: Client, table: str) -> None:
        assert client.query(f"SELECT a, s AS text FROM {table}").column_names == ("a", "text")
        assert client.query("SHOW TABLES LIKE 'x'").column_names == ("name",)

    def test_blocks_are_streamed(self, client: Client) -> None:
        with client.query_row_block_stream("SELECT number FROM numbers(300000)") as stream:
            sizes = [len(block) for block in stream]
        assert sum(sizes) == 300_000
        assert len(sizes) > 1

    @pytest.mark.parametrize(
        ("sql", "code", "name"),
        [
            ("SELECT nope", 47, "UNKNOWN_IDENTIFIER"),
            ("SELECT * FROM test.nope", 60, "UNKNOWN_TABLE"),
            ("SELEC 1", 62, "SYNTAX_ERROR"),
            ("SELECT * FROM file('/etc/hostname', 'LineAsString')", 497, "ACCESS_DENIED"),
            ("SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", 497, "ACCESS_DENIED"),
            ("SYSTEM SHUTDOWN", 497, "ACCESS_DENIED"),
            ("SELECT 1 INTO OUTFILE '/tmp/x'", 344, "SUPPORT_IS_DISABLED"),
            (
                "SELECT sleepEachRow(0.2) FROM numbers(20) SETTINGS max_execution_time = 0.3, max_block_size = 1",
                159,
                "TIMEOUT_EXCEEDED",
            ),
        ],
    )
    def test_errors_have_class_code_and_name(self, client: Client, sql: str, code: int, name: str) -> None:
        with pytest.raises(DatabaseError, match=name) as caught:
            client.query(sql)
        assert f"code: {code}" in str(caught.value)

    def test_memory_is_capped_and_the_server_lives_on(self, client: Client) -> None:
        with pytest.raises(DatabaseError, match="MEMORY_LIMIT_EXCEEDED"):
            client.query("SELECT groupArray(repeat('x', 1000)) FROM numbers(3000000)")
        assert client.command("SELECT 1") == 1

    def test_a_query_that_does_not_fit_into_memory_goes_on_on_disk(self, client: Client) -> None:
        sql = "SELECT count() FROM (SELECT number FROM numbers(4000000) GROUP BY number, toString(number))"
        limits = {"max_bytes_before_external_group_by": 30_000_000, "max_memory_usage": 400_000_000, "max_threads": 2}
        assert client.query(sql, settings=limits).result_rows == [(4_000_000,)]

    def test_an_error_after_the_first_block_ends_the_stream(self, client: Client) -> None:
        sql = "SELECT throwIf(number = 1500000) FROM numbers(2000000) SETTINGS max_block_size = 10000"
        with pytest.raises((StreamFailureError, DatabaseError), match="FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"):
            client.query(sql)

    def test_a_bad_row_is_named_and_nothing_is_written(self, client: Client, table: str) -> None:
        with pytest.raises(DatabaseError, match=r"\(at row 2\)"):
            client.raw_insert(table, insert_block=b'{"a":1}\n{"a":"q"}', fmt="JSONEachRow")
        assert count(client, table) == 0

    @pytest.mark.parametrize(
        ("target", "error"),
        [
            ("(a UInt64, CONSTRAINT small CHECK a < 100) ENGINE = MergeTree ORDER BY a", "VIOLATED_CONSTRAINT"),
            ("(a UInt64) ENGINE = MergeTree PARTITION BY a ORDER BY a", "TOO_MANY_PARTS"),
        ],
    )
    @pytest.mark.parametrize("through_view", [False, True])
    def test_what_fails_behind_the_parser_is_reported(
        self, client: Client, target: str, error: str, through_view: bool
    ) -> None:
        """chdb's own streaming insert answers success to these, and writes nothing."""
        name = f"test.t_{uuid4().hex}"
        client.command(f"CREATE TABLE {name} {target}")
        door = name
        if through_view:
            door = f"{name}_in"
            client.command(f"CREATE TABLE {door} (a UInt64) ENGINE = Null")
            client.command(f"CREATE MATERIALIZED VIEW {name}_mv TO {name} AS SELECT a FROM {door}")
        rows = b"\n".join(b'{"a":%d}' % number for number in range(150))
        with pytest.raises(DatabaseError, match=error):
            client.raw_insert(door, insert_block=rows, fmt="JSONEachRow")
        assert count(client, name) == 0

    def test_sessions_keep_their_temporary_tables(self, client: Client) -> None:
        client.command("CREATE TEMPORARY TABLE mine (a UInt8)")
        client.command("INSERT INTO mine VALUES (7)")
        assert client.command("SELECT a FROM mine") == 7

    def test_eight_threads(self, server: ClickHouseProcess, client: Client, table: str) -> None:
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                mine = clickhouse_connect.get_client(host="127.0.0.1", port=server.port)
                for _ in range(3):
                    mine.insert(table, [[number, "x"]] * 500, column_names=["a", "s"])
                    mine.query(f"SELECT s, count() FROM {table} GROUP BY s")
                mine.close()
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert count(client, table) == 8 * 3 * 500


class TestSessions:
    """Settings of the query string belong to one request, also within a session."""

    def test_settings_do_not_leak(self, ask: Ask) -> None:
        show = "SELECT getSetting('max_threads'), getSetting('max_block_size'), currentDatabase()"
        assert ask("SET max_block_size = 77", session_id="leak")[0] == 200
        before = ask(show, session_id="leak")[2].split()
        inside = ask(show, session_id="leak", max_threads="3", max_block_size="99", database="system")[2].split()
        assert inside == [b"3", b"99", b"system"]
        assert ask(show, session_id="leak")[2].split() == before
        assert before[1] == b"77"
        assert ask(show)[2].split()[1] != b"77"

    def test_settings_are_undone_after_an_error_and_after_a_stream(self, ask: Ask) -> None:
        for sql in ("SELECT nope", "SELECT number FROM numbers(100000) FORMAT Native"):
            ask(sql, session_id="undo", max_block_size="99")
            assert (
                ask("SELECT changed FROM system.settings WHERE name = 'max_block_size'", session_id="undo")[2] == b"0\n"
            )

    def test_an_insert_token_is_not_remembered(self, ask: Ask, client: Client) -> None:
        name = f"test.t_{uuid4().hex}"
        client.command(
            f"CREATE TABLE {name} (a UInt8) ENGINE = MergeTree ORDER BY a "
            "SETTINGS non_replicated_deduplication_window = 10"
        )
        ask(f"INSERT INTO {name} FORMAT CSV\n1", session_id="token", insert_deduplication_token="t")
        ask(f"INSERT INTO {name} FORMAT CSV\n2", session_id="token")
        ask(f"INSERT INTO {name} FORMAT CSV\n3", session_id="token")
        assert count(client, name) == 3

    def test_a_busy_session_is_locked(self, ask: Ask) -> None:
        slow = threading.Thread(
            target=ask, args=("SELECT sleepEachRow(0.5) FROM numbers(8) SETTINGS max_block_size = 1",),
            kwargs={"session_id": "busy", "wait_end_of_query": "1"},
        )  # fmt: skip
        slow.start()
        while True:  # until the slow query runs
            running = ask("SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow(0.5)%'")[2]
            if int(running) >= 2:  # it, and this question itself
                break
        status, headers, _ = ask("SELECT 1", session_id="busy")
        assert (status, headers["x-clickhouse-exception-code"]) == (400, "373")
        slow.join()
        assert ask("SELECT 1", session_id="busy")[2] == b"1\n"

    def test_session_check_wants_an_existing_session(self, ask: Ask) -> None:
        assert ask("SELECT 1", session_id=uuid4().hex, session_check="1")[1]["x-clickhouse-exception-code"] == "372"

    def test_read_only_and_writing_requests_share_no_connection(self, ask: Ask, table: str) -> None:
        assert ask(method="GET", query="SELECT 1", session_id="mixed")[0] == 200
        assert ask(f"INSERT INTO {table} VALUES (1, '')", session_id="mixed")[0] == 200
        assert (
            ask(method="GET", query=f"DROP TABLE {table}", session_id="mixed")[1]["x-clickhouse-exception-code"]
            == "164"
        )


class TestHttp:
    """Requests by hand, as curl and other drivers make them."""

    def test_health(self, ask: Ask, server: ClickHouseProcess) -> None:
        assert ask(method="GET")[2] == b"Ok.\n"
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/ping")
        assert connection.getresponse().read() == b"Ok.\n"
        connection.request("GET", "/nope")
        assert connection.getresponse().status == 404
        connection.close()

    def test_get_reads_and_does_not_write(self, ask: Ask, table: str) -> None:
        assert ask(method="GET", query="SELECT 1 + 1")[2] == b"2\n"
        for sql in (
            f"INSERT INTO {table} VALUES (1, '')",
            f"DROP TABLE {table}",
            "SET readonly = 0",
            "KILL QUERY WHERE 0",
        ):
            assert ask(method="GET", query=sql)[1]["x-clickhouse-exception-code"] == "164", sql

    def test_output_formats(self, ask: Ask) -> None:
        status, headers, body = ask("SELECT 1 AS a FORMAT JSONCompact")
        assert (status, headers["x-clickhouse-format"], json.loads(body)["data"]) == (200, "JSONCompact", [[1]])
        assert ask("SELECT 1 AS a", default_format="JSONEachRow")[2] == b'{"a":1}\n'
        assert ask("SELECT 1", {"X-ClickHouse-Format": "CSV"})[2] == b"1\n"
        assert "x-clickhouse-format" not in ask("CREATE DATABASE IF NOT EXISTS test")[1]

    def test_statement_in_the_query_string_and_data_in_the_body(self, ask: Ask, client: Client, table: str) -> None:
        status, headers, _ = ask("1,a\n2,b\n", query=f"INSERT INTO {table} FORMAT CSV")
        assert (status, json.loads(headers["x-clickhouse-summary"])["written_rows"]) == (200, "2")
        assert count(client, table) == 2

    @pytest.mark.parametrize("encoding", ["gzip", "zstd", "lz4"])
    def test_packed_bodies_and_answers(self, ask: Ask, client: Client, table: str, encoding: str) -> None:
        rows = b"".join(b"%d,x\n" % i for i in range(2000))
        reply = ask(pack(encoding, rows), {"Content-Encoding": encoding}, query=f"INSERT INTO {table} FORMAT CSV")
        assert reply[0] == 200, reply
        assert count(client, table) == 2000
        headers = {"Accept-Encoding": encoding}
        status, answered, body = ask("SELECT 'abc'", headers, enable_http_compression="1")
        assert (status, answered["content-encoding"], body) == (200, encoding, pack(encoding, b"abc\n"))

    def test_a_packed_body_that_ends_too_early_writes_nothing(self, ask: Ask, client: Client, table: str) -> None:
        body = gzip.compress(b"1,x\n" * 1000)[:-4]
        reply = ask(body, {"Content-Encoding": "gzip"}, query=f"INSERT INTO {table} FORMAT CSV")
        assert reply[1]["x-clickhouse-exception-code"] == "33"
        assert count(client, table) == 0

    def test_framed_bodies_and_answers(self, ask: Ask, client: Client, table: str) -> None:
        rows = b"".join(b"%d,x\n" % i for i in range(2000))
        assert ask(frame(rows), query=f"INSERT INTO {table} FORMAT CSV", decompress="1")[0] == 200
        for sql in (f"SELECT count() FROM {table}", f"SELECT count() FROM {table} FORMAT TSVWithNames"):
            answer = FrameDecoder().feed(ask(sql, compress="1")[2])
            assert answer.splitlines()[-1] == b"2000"
        damaged = bytearray(frame(rows))
        damaged[3] ^= 1
        reply = ask(bytes(damaged), query=f"INSERT INTO {table} FORMAT CSV", decompress="1")
        assert reply[1]["x-clickhouse-exception-code"] == "40"

    def test_a_client_that_goes_away_in_an_insert_leaves_nothing(
        self, ask: Ask, client: Client, server: ClickHouseProcess, table: str
    ) -> None:
        head = f"POST /?{urlencode({'query': f'INSERT INTO {table} FORMAT CSV'})} HTTP/1.1\r\nHost: x\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            raw.sendall(head.encode() + b"Content-Length: 10000000\r\n\r\n" + b"1,x\n" * 500_000)
        while int(ask(f"SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO {table}%'")[2]):
            pass  # until the server has noticed
        assert count(client, table) == 0
        assert ask(f"INSERT INTO {table} VALUES (1, '')")[0] == 200
        assert count(client, table) == 1

    def test_a_client_that_stops_reading_a_stream_stops_the_query(self, ask: Ask, server: ClickHouseProcess) -> None:
        sql = "SELECT number, 'gone' FROM numbers(1000000000) FORMAT TSV"
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            raw.sendall(f"GET /?{urlencode({'query': sql})} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert raw.recv(100).startswith(b"HTTP/1.1 200")
        while int(ask("SELECT count() FROM system.processes WHERE query LIKE '%1000000000%'")[2]) > 1:
            pass  # the question itself is one of them

    def test_nothing_at_all_and_unknown_settings(self, ask: Ask) -> None:
        assert ask("  \n")[2] == b"Ok.\n"
        assert ask("SELECT 1", no_such_setting="1")[1]["x-clickhouse-exception-code"] == "115"

    def test_multipart_bodies_are_refused_with_a_sentence(self, ask: Ask) -> None:
        status, headers, body = ask("--x", {"Content-Type": "multipart/form-data; boundary=x"})
        assert (status, headers["x-clickhouse-exception-code"]) == (501, "48")
        assert b"multipart" in body

    def test_what_a_client_chose_begins_no_header_of_its_own(self, ask: Ask) -> None:
        status, headers, _ = ask("SELECT 1", query_id="a\r\nx-forged: 1", default_format="CSV")
        assert (status, headers["x-clickhouse-query-id"]) == (200, "a\\r\\nx-forged: 1")
        assert "x-forged" not in headers
        assert headers["x-content-type-options"] == "nosniff"

    def test_wrong_user(self, ask: Ask) -> None:
        reply = ask("SELECT 1", {"X-ClickHouse-User": "root", "X-ClickHouse-Key": "x"})
        assert (reply[0], reply[1]["x-clickhouse-exception-code"]) == (403, "516")


class TestProcess:
    """Starting and ending."""

    def test_data_survives_kill_9_and_a_clean_stop(self, tmp_path: Path) -> None:
        for expected, number in ((0, signal.SIGKILL), (1000, signal.SIGTERM), (2000, signal.SIGINT)):
            with ClickHouseProcess(tmp_path) as server:
                client = clickhouse_connect.get_client(host="127.0.0.1", port=server.port)
                client.command("CREATE DATABASE IF NOT EXISTS test")
                client.command("CREATE TABLE IF NOT EXISTS test.t (a UInt64) ENGINE = MergeTree ORDER BY a")
                assert count(client, "test.t") == expected
                client.insert("test.t", [[i] for i in range(1000)], column_names=["a"])
                client.close()
                status, errors = server.stop(number)
                assert (status, errors) == (-signal.SIGKILL if number == signal.SIGKILL else 0, "")

    def test_a_directory_in_use_is_one_sentence(self, server: ClickHouseProcess) -> None:
        directory = Path(server.first_line.partition("data in ")[2].strip())
        with ClickHouseProcess(directory) as second:
            assert second.first_line == ""
            sentence = f"The data directory {directory} is in use by process {server.process.pid}.\n"
            assert second.wait() == (1, sentence)

    def test_a_taken_port_is_one_sentence(self, server: ClickHouseProcess, tmp_path: Path) -> None:
        with ClickHouseProcess(tmp_path, port=server.port) as second:
            sentence = f"ClickHouse cannot listen on 127.0.0.1 port {server.port}: Address already in use.\n"
            assert second.wait() == (1, sentence)
            assert list(tmp_path.iterdir()) == []
