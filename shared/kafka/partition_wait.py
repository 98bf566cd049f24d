"""Edge: how a producer waits for partitions that cannot be written to: it says so, and events go elsewhere."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from schemas.topics import LIFECYCLE_EVENTS
from shared.kafka.away import AwayPartition, Place, away_partitions, said_of
from shared.process.settings import Settings

log = logging.getLogger(__name__)

LOOK_S: Final = 2.0
"""How often it is asked what a request waits for. One that is well takes milliseconds."""


class PartitionWait:
    """What one producer waits for. `tell` is told which partition is away, in a sentence, every `LOOK_S`, and "" when
    all goes on."""

    def __init__(self, settings: Settings, tell: Callable[[str], None]) -> None:
        self._settings: Final = settings
        self._tell: Final = tell
        self._told = False
        self._left: dict[int, asyncio.Future[Any]] = {}
        """Partitions of the events that are away, with what lies there until they are back."""

    async def look(self, places: Iterable[Place] | None) -> list[AwayPartition]:
        """Those of `places` (None: of the cluster) that cannot be written to. Tells it."""
        away = await away_partitions(self._settings, None if places is None else set(places))
        if away:
            self._told = True
            self._tell(said_of(away))
        return away

    def over(self) -> None:
        """What was waited for is done."""
        if self._told:
            self._told = False
            self._tell("")

    async def through(self, step: Coroutine[Any, Any, Any]) -> None:
        """Wait for a step that may need any partition: a coordinator's, or those of a transaction before."""
        waiting = asyncio.ensure_future(step)
        try:
            while not (await asyncio.wait([waiting], timeout=LOOK_S))[0]:
                await self.look(None)
            waiting.result()
        finally:
            waiting.cancel()
        self.over()

    def leave(self, partition: int, ack: "asyncio.Future[Any]") -> None:
        """Nobody waits any more for what was sent to a partition of the events: it is written to another one."""
        if partition not in self._left:
            log.warning("%s, partition %d is away; events go to others", LIFECYCLE_EVENTS, partition)
        self._left[partition] = ack
        ack.add_done_callback(_looked_at)

    def elsewhere(self, partition: int, count: int) -> int:
        """`partition` of the events, or the next one that is not away: no event has its place in a certain one, and its
        id tells it from itself."""
        if not self._left:
            return partition
        for back in [place for place, ack in self._left.items() if ack.done()]:
            del self._left[back]
        candidates = ((partition + step) % count for step in range(count))
        return next((place for place in candidates if place not in self._left), partition)


def _looked_at(ack: "asyncio.Future[Any]") -> None:
    if not ack.cancelled() and (error := ack.exception()) is not None:
        log.warning("what was left to a partition of %s lies in another one alone: %r", LIFECYCLE_EVENTS, error)
