"""Fixtures of the integration tests."""

from collections.abc import AsyncIterator, Callable

import pytest
from clickhouse_connect.driver.client import Client

from tests.integration.database_rig import Database, migrated


@pytest.fixture(autouse=True)
def a_machine_that_stands_still_is_no_zombie(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services run in this very process here. On a machine that stands still for five seconds they would rightly end;
    what they do about a sleep is tested with processes of their own, and by the unit tests of the watch.
    """
    monkeypatch.setattr("shared.membership.heartbeat.FRESH_FOR_S", 30.0)


@pytest.fixture
async def database(clickhouse_url: str, clickhouse_client: Callable[..., Client]) -> AsyncIterator[Database]:
    """The embedded ClickHouse, migrated; shared with other tests, so ask about your own messages."""
    async with migrated(clickhouse_url, clickhouse_client) as found:
        yield found
