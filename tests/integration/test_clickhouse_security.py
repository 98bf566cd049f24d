"""Edge: ClickHouse over TLS, for the recorder and for commands; what is said where it is not trusted, or says no."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.recorder.clickhouse import ClickHouse, ClickHouseUnavailable
from shared.operations.clickhouse_access import clickhouse
from shared.operations.errors import Unreachable
from shared.process.settings import ClickHouseSettings
from tests.secure_kafka import Authority

pytestmark = pytest.mark.clickhouse

SECURITY = Path(__file__).parents[2] / "docs" / "security.md"


@asynccontextmanager
async def behind_tls(url: str, authority: Authority) -> AsyncIterator[str]:
    """The server at `url`, as https on a port of its own."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.sign("clickhouse"))
    place = urlsplit(url)

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while octets := await reader.read(65_536):
                writer.write(octets)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(place.hostname, place.port)
        await asyncio.gather(pipe(reader, inner_writer), pipe(inner_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_the_recorder_and_commands_speak_tls_and_trust_the_file(clickhouse_url: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with behind_tls(clickhouse_url, authority) as url:
        recorder = ClickHouse(url, "default", "", authority.file)
        assert await recorder.rows("SELECT 42") == [(42,)]
        await recorder.close()
        settings = ClickHouseSettings(clickhouse_url=url, clickhouse_cafile=authority.file)
        assert await asyncio.to_thread(_answer, settings) == 42
        stranger = ClickHouse(url, "default", "")
        with pytest.raises(ClickHouseUnavailable, match="does not answer"):
            await stranger.rows("SELECT 42")
        await stranger.close()
        with pytest.raises(Unreachable, match="ClickHouse at https"):
            await asyncio.to_thread(_answer, ClickHouseSettings(clickhouse_url=url))


def _answer(settings: ClickHouseSettings) -> object:
    client = clickhouse(settings)
    try:
        return client.query("SELECT 42").result_rows[0][0]
    finally:
        client.close()


async def test_a_server_that_refuses_a_right_is_told_in_its_words(clickhouse_url: str) -> None:
    recorder = ClickHouse(clickhouse_url, "default", "")
    with pytest.raises(ClickHouseUnavailable, match="Not enough privileges") as caught:
        await recorder.execute("CREATE USER somebody")
    assert caught.value.answered
    await recorder.close()


async def test_the_sql_of_the_page_is_sql(clickhouse_url: str) -> None:
    """The embedded engine has no users, but knows the language; and the grants name every statement of ours."""
    blocks = re.findall(r"```sql\n(.*?)```", SECURITY.read_text(encoding="utf-8"), re.DOTALL)
    statements = [one.strip() for block in blocks for one in block.split(";") if one.strip()]
    assert [one.split()[0] for one in statements] == ["CREATE", "GRANT", "CREATE", "GRANT"]
    recorder = ClickHouse(clickhouse_url, "default", "")
    for statement in statements:
        assert await recorder.rows("SELECT formatQuery({sql:String})", {"sql": statement})
    await recorder.close()
    migrations = Path(__file__).parents[2] / "schemas" / "clickhouse"
    text = "\n".join(file.read_text(encoding="utf-8") for file in migrations.glob("*.sql"))
    verbs = {
        re.sub(r" OR REPLACE| MATERIALIZED", "", verb)
        for verb in re.findall(r"^((?:CREATE|DROP)[A-Z ]*?) (?:IF|sms)", text, re.M)
    }
    assert verbs <= {"CREATE DATABASE", "CREATE TABLE", "CREATE VIEW", "DROP TABLE", "DROP VIEW"}, verbs
    assert verbs <= {verb.strip() for verb in re.split("[,]|GRANT|ON", statements[1].replace("\n", " "))}
