"""Edge: how often a consumer asks for records.

A round trip of a stage costs 1-2 ms of CPU whatever it carries, so under load records are allowed to gather. aiokafka
sends the next fetch as soon as the last one was taken; having the broker gather (`fetch_min_bytes`) costs an empty
answer at the end of every period without a record, and the first record after a silence waits for that end. Here the
next fetch is held back instead, and is a long poll.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

from shared.kafka.seam import Fetch, replace_fetch
from shared.process.clock import monotonic_s


class FetchPace:
    """Holds back the next fetch of a started consumer until `pause_s` after the last one that brought something.

    Each broker has a pace of its own. A fetch that is held back asks for the positions of before; whoever seeks
    meanwhile loses nothing, because aiokafka drops the answer and asks again.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        pause_s: float,
        *,
        clock: Callable[[], float] = monotonic_s,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pause_s: Final = pause_s
        self._clock: Final = clock
        self._sleep: Final = sleep
        self._not_before_s: defaultdict[Any, float] = defaultdict(float)
        replace_fetch(consumer, self._replacing)

    def _replacing(self, fetch: Fetch) -> Fetch:
        async def paced(assignment: Any, node_id: Any, request: Any) -> bool:
            return await self._paced(fetch, assignment, node_id, request)

        return paced

    async def _paced(self, fetch: Fetch, assignment: Any, node_id: Any, request: Any) -> bool:
        wait_s = self._not_before_s[node_id] - self._clock()
        if wait_s > 0:
            try:
                await self._sleep(wait_s)
            except asyncio.CancelledError:
                return False  # as aiokafka does: the partitions were taken away, or the consumer ends
        brought: bool = await fetch(assignment, node_id, request)
        if brought:
            self._not_before_s[node_id] = self._clock() + self._pause_s
        return brought
