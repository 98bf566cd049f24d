"""Pure: the messages that were last read from a connector's lanes, to recognise what upstream wrote twice."""

from collections.abc import Iterable
from typing import Final

LEDGER_SIZE: Final = 100_000


class Ledger:
    """The last `size` routes (message_id/route_no) read. A replay of the encoder lies far closer than that."""

    __slots__ = ("_seen", "_size")

    def __init__(self, size: int = LEDGER_SIZE) -> None:
        self._size = size
        self._seen: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, message_id: str, route_no: int) -> bool:
        """Note a route; False where it is known already (it keeps its place)."""
        key = f"{message_id}/{route_no}"
        if key in self._seen:
            return False
        self._seen[key] = None
        # In steps: the first key of a dict that only shrinks at its front is slow to find.
        if len(self._seen) > self._size + self._size // 8:
            self._seen = dict.fromkeys(list(self._seen)[-self._size :])
        return True

    def restore(self, routes: Iterable[tuple[str, int]]) -> None:
        """Note many, oldest first."""
        for message_id, route_no in routes:
            self.add(message_id, route_no)
