"""Edge: ClickHouse for tests: the address in SMSGW_CLICKHOUSE_URL, else one of the session's own.

That one is embedded, or in a container (`tests.fixtures_containers`).
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from tests.fixtures_containers import CLICKHOUSE_PASSWORD, CLICKHOUSE_USER, back_end, clickhouse_container

CLICKHOUSE_VARIABLE = "SMSGW_CLICKHOUSE_URL"
_READY = re.compile(r"listens on (http://\S+), data in")


class ClickHouseProcess:
    """An embedded server as a child process; use it as a context manager."""

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        """``port`` 0 lets the server take a free one; ``url`` says which."""
        command = [sys.executable, "-m", "shared.local.clickhouse", "--data-dir", str(data_dir), "--port", str(port)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SMSGW_")}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        found = _READY.search(self.first_line)
        self.url = found[1] if found else ""

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End the process with a signal; return its exit status and what it wrote to standard error."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors

    def __enter__(self) -> "ClickHouseProcess":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture(scope="session")
def clickhouse_url() -> Iterator[str]:
    """`http://host:port` of a ClickHouse that answers. Started by the first test that asks for it, shared by all."""
    chosen = back_end(CLICKHOUSE_VARIABLE)
    if chosen == "external":
        yield os.environ[CLICKHOUSE_VARIABLE]
        return
    if chosen == "containers":
        with clickhouse_container() as address, pytest.MonkeyPatch.context() as patch:
            patch.setenv("SMSGW_CLICKHOUSE_USER", CLICKHOUSE_USER)
            patch.setenv("SMSGW_CLICKHOUSE_PASSWORD", CLICKHOUSE_PASSWORD)
            yield address
        return
    with (
        tempfile.TemporaryDirectory(prefix="smsgw-test-clickhouse-", ignore_cleanup_errors=True) as folder,
        ClickHouseProcess(Path(folder)) as server,
    ):
        assert server.url, f"the embedded ClickHouse did not start: {server.wait()[1]}"
        yield server.url
        server.stop()


@pytest.fixture
def clickhouse_client(clickhouse_url: str) -> Iterator[Callable[..., Client]]:
    """A function that connects to the shared server; takes `get_client`'s options. Closed at the end."""
    clients: list[Client] = []

    def connect(**options: Any) -> Client:
        address = urlsplit(clickhouse_url)
        user = os.environ.get("SMSGW_CLICKHOUSE_USER", "default")
        password = os.environ.get("SMSGW_CLICKHOUSE_PASSWORD", "")
        client = clickhouse_connect.get_client(
            host=address.hostname, port=address.port or 8123, username=user, password=password, **options
        )
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.close()
