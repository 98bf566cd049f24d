"""Pure: the messages that were last read from a connector's lanes, to recognise what upstream wrote twice."""

from collections import deque
from collections.abc import Iterable
from typing import Final

LEDGER_SIZE: Final = 100_000
STEPS: Final = 8
"""The oldest go an eighth at a time. Making one big table anew took up to 50 ms, in which every OTP waited."""


class Ledger:
    """At least the last `size` routes (message_id/route_no) read. A replay of the encoder lies far closer than that."""

    __slots__ = ("_step", "_steps")

    def __init__(self, size: int = LEDGER_SIZE) -> None:
        self._step: Final = -(-size // STEPS)
        self._steps: deque[set[str]] = deque([set()], maxlen=-(-size // self._step) + 1)
        """Newest last; the oldest falls off."""

    def __len__(self) -> int:
        return sum(map(len, self._steps))

    def add(self, message_id: str, route_no: int) -> bool:
        """Note a route; False where it is known already (it keeps its place)."""
        key = f"{message_id}/{route_no}"
        for known in self._steps:
            if key in known:
                return False
        if len(self._steps[-1]) >= self._step:
            self._steps.append(set())
        self._steps[-1].add(key)
        return True

    def restore(self, routes: Iterable[tuple[str, int]]) -> None:
        """Note many, oldest first."""
        for message_id, route_no in routes:
            self.add(message_id, route_no)
