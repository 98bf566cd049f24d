"""Edge: what a consumer has fetched and nobody has read yet, without reading it.

aiokafka has no such view, and reading is what must not happen before there is credit: what `getmany` returns is gone
from its buffers. These are the only private names of its fetcher that we use; a test keeps them honest.
"""

import asyncio
from collections.abc import Set
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

HOLD_S: Final = 0.02
"""While something fetched waits to be read the next fetch is held back for at most this long: the cadence of fetches
under load. Ten times the library's default of 0.1 s would be an OTP that waits for a lane nobody reads from."""


class Arrivals:
    """Of a started consumer."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._fetcher: Any = consumer._fetcher
        self._fetcher._prefetch_backoff = HOLD_S

    def buffered(self) -> Set[TopicPartition]:
        """Partitions with records (or an error) that the next `getmany` would return."""
        found: Set[TopicPartition] = self._fetcher._records.keys()
        return found

    def more(self) -> asyncio.Future[None]:
        """Done when something else has been fetched. It may be cancelled."""
        future: asyncio.Future[None] = self._fetcher._create_fetch_waiter()
        return future
