"""Fixtures of the integration tests."""

from collections.abc import AsyncIterator, Callable

import pytest
from clickhouse_connect.driver.client import Client

from tests.integration.database_rig import Database, migrated


@pytest.fixture
async def database(clickhouse_url: str, clickhouse_client: Callable[..., Client]) -> AsyncIterator[Database]:
    """The embedded ClickHouse, migrated; shared with other tests, so ask about your own messages."""
    async with migrated(clickhouse_url, clickhouse_client) as found:
        yield found
