"""Edge: long work in an event loop, with turns for everything else in between: heartbeats above all."""

import asyncio
from collections.abc import Callable
from typing import Final

from shared.process.clock import monotonic_s

TURN_EVERY_S: Final = 0.005
"""A turn costs some 20 microseconds, and a batch that takes less than this has none."""


class Yielding:
    """Made at the beginning of the work and asked after each piece of it; `advanced` is called with every turn:
    whatever watches the process sees that the work goes on."""

    def __init__(self, clock: Callable[[], float] = monotonic_s, advanced: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._advanced = advanced
        self._due_s = clock() + TURN_EVERY_S

    async def give(self) -> None:
        """Let the loop run once if it has not for `TURN_EVERY_S`."""
        if self._clock() >= self._due_s:
            self._advanced()
            await asyncio.sleep(0)
            self._due_s = self._clock() + TURN_EVERY_S
