"""Edge: a `Schedule` with one timer of the event loop; nothing is armed while nothing waits."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from services.simulator.schedule import Schedule

TICK_S = 0.005
"""Delays are kept to this: the finer, the fewer answers share a write."""

DueT = TypeVar("DueT")


class Timer(Generic[DueT]):
    """Calls `on_due` with all that is due, in the event loop that runs when it is made. Times are the loop's."""

    def __init__(self, on_due: Callable[[list[DueT]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_due = on_due
        self._schedule: Schedule[DueT] = Schedule(TICK_S)
        self._handle: asyncio.TimerHandle | None = None

    def add(self, now: float, wait_s: float, item: DueT) -> None:
        """Keep the item for `wait_s` from `now`."""
        if self._schedule.add(now, wait_s, item):
            self._arm()

    def stop(self) -> list[DueT]:
        """Take everything out; nothing is called any more until something is added."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        return self._schedule.take_all()

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        due_at = self._schedule.next_due()
        self._handle = None if due_at is None else self._loop.call_at(due_at, self._fire)

    def _fire(self) -> None:
        self._handle = None
        # The loop may fire a little early by its clock's resolution; what is due within it is due.
        due = self._schedule.take_due(self._loop.time() + 0.001)
        try:
            if due:
                self._on_due(due)
        finally:
            self._arm()
