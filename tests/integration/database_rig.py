"""Edge: a migrated ClickHouse, and the events of one message as the services write them."""

# ruff: noqa: S608 - the ids in the queries are made here

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from clickhouse_connect.driver.client import Client

from schemas.lifecycle_events import EventWord
from services.recorder.app import migrate
from services.recorder.clickhouse import ClickHouse
from shared.messages.events import EventMaker
from shared.messages.ids import derived_id

Row = dict[str, Any]


class Story:
    """Writes the events of one message as the services do, ten minutes ago."""

    def __init__(self, account_id: str = "shop", segments: int = 1, campaign_id: str = "") -> None:
        self.at_ms = int(time.time() * 1000) - 600_000
        self.message_id = derived_id(self.at_ms, uuid4().hex)
        self.events: list[bytes] = []
        self._about: dict[str, Any] = {
            "accepted_at_ms": self.at_ms, "account_id": account_id, "to": "447700900123", "sender": "SHOP",
            "country": "GB", "lane": "txn", "campaign_id": campaign_id,
        }  # fmt: skip
        self._segments = segments

    def tell(self, service: str, event: EventWord, after_ms: int, **columns: Any) -> "Story":
        columns = {**self._about, "segments": self._segments, **columns}
        made = EventMaker(service, "0").out(
            event,
            occurred_at_ms=self.at_ms + after_ms,
            message_id=self.message_id,
            identity=(after_ms,),
            **columns,
        )
        assert made.value is not None
        self.events.append(made.value)
        return self

    def accepted(self) -> "Story":
        self.tell("ingress", "accepted", 5, idempotency_key="order-1", connector_id="acme-1")
        return self.tell("encoder", "encoded", 20, encoding="gsm7", connector_id="acme-1")

    def submitted(self, after_ms: int = 60, index: int = 1, **columns: Any) -> "Story":
        columns = {"attempt": 1, "connector_id": "acme-1", "encoding": "gsm7", "smsc_message_id": f"id-{index}",
                   "deadline_at_ms": self.at_ms + 172_800_000} | columns  # fmt: skip
        return self.tell("throttler", "submitted", after_ms, segment_index=index, **columns)

    def receipt(self, after_ms: int, index: int = 1, word: EventWord = "receipt", **columns: Any) -> "Story":
        columns = {"attempt": 1, "connector_id": "zeta-9", "status": "delivered", "smsc_error": "000"} | columns
        return self.tell("correlator", word, after_ms, segment_index=index, **columns)

    def status(self, after_ms: int, status: str, final: bool, **columns: Any) -> "Story":
        columns = {"connector_id": "acme-1", "status": status, "final": final} | columns
        return self.tell("correlator", "status", after_ms, **columns)


class Database:
    """The migrated database, and questions about one message."""

    def __init__(self, clickhouse: ClickHouse, client: Client) -> None:
        self.clickhouse = clickhouse
        self._client = client

    async def all(self, query: str) -> list[Row]:
        return list(self._client.query(query).named_results())

    async def rows_read(self, query: str) -> int:
        """Rows of tables that a query reads."""
        return int(self._client.query(query).summary["read_rows"])

    async def one(self, view: str, message_id: str) -> Row:
        rows = await self.all(f"SELECT * FROM sms.{view} WHERE message_id = '{message_id}'")
        assert len(rows) == 1, rows
        return rows[0]

    async def of(self, view: str, story: Story) -> list[Row]:
        return await self.all(f"SELECT * FROM sms.{view} WHERE message_id = '{story.message_id}'")


@asynccontextmanager
async def migrated(url: str, client: Callable[..., Client]) -> AsyncIterator[Database]:
    """The database at `url`, with all migrations."""
    clickhouse = ClickHouse(url, "default", "")
    await migrate(clickhouse)
    yield Database(clickhouse, client())
    await clickhouse.close()
