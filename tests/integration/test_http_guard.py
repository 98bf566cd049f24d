"""Every HTTP port of ours, asked as programs ask, and as a page in a browser would."""

import asyncio
import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.simulator.control import ControlServer
from services.simulator.scenario import parse_scenario
from services.simulator.server import Simulator
from services.simulator.submit_log import SubmitLog
from shared.process.health_server import HealthServer
from shared.process.http_guard import HttpGuard
from tests.fixtures_clickhouse import ClickHouseProcess

Asked = tuple[int, str]

BROWSERS = [
    {"Host": "evil.example.com"},
    {"Host": "evil.example.com:8123"},
    {"Host": "127.0.0.1.evil.example.com"},
    {"Host": "127.0.0.1@evil.example.com"},
    {"Host": ""},
    {"Origin": "https://evil.example.com"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:3000"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example.com", "Sec-Fetch-Site": "same-origin"},
]
PROGRAMS = [
    {},
    {"Host": "127.0.0.1"},
    {"Host": "localhost:8123"},
    {"Host": "[::1]:80"},
    {"Host": "10.1.2.3:9000"},
    {"Host": "smsgw-binder:9000"},
    {"Host": "smsgw-binder.smsgw.svc.cluster.local"},
    {"Sec-Fetch-Site": "none"},
]


def ask(port: int, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Asked:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with ClickHouseProcess(tmp_path_factory.mktemp("guarded")) as process:
        assert process.url, process.wait()[1]
        yield process.port


@pytest.mark.clickhouse
def test_no_page_reads_from_or_writes_to_the_embedded_clickhouse(clickhouse: int) -> None:
    for headers in BROWSERS:
        for method in ("GET", "POST"):
            status, said = ask(clickhouse, method, "/?query=SELECT+42", headers)
            assert (status, "42\n" in said) == (403, False), headers
        status, _ = ask(clickhouse, "POST", "/", headers | {"Content-Type": "text/plain"}, b"CREATE DATABASE stolen")
        assert status == 403, headers
    for headers in PROGRAMS:
        assert ask(clickhouse, "POST", "/", headers, b"SELECT 42") == (200, "42\n"), headers
    assert ask(clickhouse, "POST", "/", {}, b"SELECT count() FROM system.databases WHERE name = 'stolen'") == (
        200,
        "0\n",
    )
    assert ask(clickhouse, "GET", "/ping", {"Host": "evil.example.com"})[0] == 200


def test_metrics_are_for_programs_and_health_is_for_everybody() -> None:
    server = HealthServer("127.0.0.1", 0, {"/livez": lambda: (True, "fine")})
    server.start()
    try:
        for headers in BROWSERS:
            status, said = ask(server.port, "GET", "/metrics", headers)
            assert (status, "smsgw_" in said) == (403, False), headers
            assert ask(server.port, "GET", "/livez", headers) == (200, "fine\n")
        for headers in PROGRAMS:
            status, said = ask(server.port, "GET", "/metrics", headers)
            assert (status, "smsgw_records_in" in said) == (200, True), headers
    finally:
        server.stop()


async def test_no_page_makes_the_simulator_do_anything(tmp_path: Path) -> None:
    scenario = parse_scenario("version: 1\naccounts: [{system_id: shop}]")
    simulator = Simulator(scenario, SubmitLog(tmp_path / "log"), {}, lambda _: None)
    control = ControlServer(simulator, 0)
    cut = b'{"system_id": "shop"}'
    try:
        for headers in BROWSERS:
            for method, path, body in (("POST", "/disconnect", cut), ("GET", "/stats", b"")):
                status, said = await asyncio.to_thread(ask, control.port, method, path, headers, body)
                assert (status, "accepted" in said, "binds_cut" in said) == (403, False, False), headers
        for headers in PROGRAMS:
            status, said = await asyncio.to_thread(ask, control.port, "POST", "/disconnect", headers, cut)
            assert (status, "binds_cut" in said) == (200, True), headers
    finally:
        await control.stop()


def test_names_that_are_listed_may_be_asked_and_ask() -> None:
    guard = HttpGuard({"ch.example.com"}, "Box.example.com")
    assert guard.refusal("CH.example.com.:8123", None, None) == ""
    assert guard.refusal("box.example.com", None, None) == ""
    assert guard.refusal("127.0.0.1", "https://ch.example.com", "cross-site") == ""
    assert "may list it" in guard.refusal("ch.example.org", None, None)
    assert "may list their host" in guard.refusal("127.0.0.1", "https://box.example.com", None)
    assert "\x1b" not in guard.refusal("\x1b[31m.com", None, None)
