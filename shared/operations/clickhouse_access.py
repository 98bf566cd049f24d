"""Edge: how operations reach ClickHouse; one sentence where it does not answer."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

import schemas
from shared.operations.errors import Unreachable
from shared.process.settings import ClickHouseSettings

_OF_THE_SYSTEM: Final = re.compile(r"\[Errno -?\d+\] ([^\'\")]+)")
_MIGRATIONS: Final = Path(schemas.__file__).parent / "clickhouse"
_APPLIED: Final = "SELECT leftPad(toString(number), 4, '0') || '_' || name FROM sms.schema_migrations FINAL"


def clickhouse(settings: ClickHouseSettings) -> Client:
    """A client; raises `Unreachable`."""
    try:
        return clickhouse_connect.get_client(
            dsn=settings.clickhouse_url,
            interface=urlsplit(settings.clickhouse_url).scheme,
            ca_cert=str(settings.clickhouse_cafile) if settings.clickhouse_cafile is not None else None,
            username=settings.clickhouse_user,
            password=settings.clickhouse_password,
            autogenerate_session_id=False,
            connect_timeout=3,
        )
    except (ClickHouseError, OSError) as error:
        raise Unreachable(f"ClickHouse at {settings.clickhouse_url} does not answer: {reason_of(error)}") from error


@contextmanager
def clickhouse_errors(settings: ClickHouseSettings) -> Iterator[None]:
    """Turns what a query raises into one sentence. Raises `Unreachable`."""
    try:
        yield
    except ClickHouseError as error:
        raise Unreachable(f"ClickHouse at {settings.clickhouse_url}: {reason_of(error)}") from error


def ask(
    client: Client, settings: ClickHouseSettings, query: str, parameters: dict[str, Any], within_s: int
) -> list[dict[str, Any]]:
    """The rows of a small result, by name of column. Raises `Unreachable`, also where it took longer."""
    with clickhouse_errors(settings):
        found = client.query(query, parameters=parameters, settings={"max_execution_time": within_s})
        return [dict(row) for row in found.named_results()]


def reason_of(error: Exception) -> str:
    """Why ClickHouse did not answer, without what HTTP libraries wrap around it; else its own first line."""
    text = str(error)
    if found := _OF_THE_SYSTEM.search(text):
        return found[1].lower()
    if "timed out" in text:
        return "no answer in time"
    return (text or repr(error)).splitlines()[0][:300]


def clickhouse_problem(settings: ClickHouseSettings) -> str:
    """Empty when ClickHouse answers and every migration of this version has run."""
    try:
        client = clickhouse(settings)
    except Unreachable as error:
        return str(error).splitlines()[0][:200]
    try:
        applied = {str(name) for (name,) in client.query(_APPLIED).result_rows}
    except ClickHouseError:
        return "the migrations of ClickHouse have not run yet"
    finally:
        client.close()
    missing = [name for name in migrations() if name not in applied]
    return f"migrations of ClickHouse have not run yet: {', '.join(missing)}" if missing else ""


def migrations() -> list[str]:
    """Those of this version, in order, as the recorder calls them: `0001_events`."""
    return sorted(file.stem for file in _MIGRATIONS.glob("*.sql"))
