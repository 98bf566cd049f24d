"""Edge: what is traced (binds and their connections), and what each request sees of it."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from schemas.trace_requests import TraceRequest
from services.binder.trace.frames import FollowedIds, FrameFilter, FrameReader, FrameRing, FrameSource

LINES_PER_S: Final = 500
LINES_BURST: Final = 1000
"""Lines at once, of one request and connection: more than a person can read, and no burden for the bind. What is above
is counted and not shown."""


class LinkTrace:
    """The frames of one bind: a ring for each of its connections. `reader` knows what they mean."""

    def __init__(
        self,
        connector_id: str,
        partition: int,
        peer: str,
        reader: FrameReader,
        opened: Callable[["TracedConnection"], None],
    ) -> None:
        self.connector_id: Final = connector_id
        self.partition: Final = partition
        self.peer: Final = peer
        self.reader: Final = reader
        self.connections: list[TracedConnection] = []
        self._opened = opened

    def add(self, source: FrameSource) -> None:
        """A connection of the bind begins."""
        self.connections.append(TracedConnection(self, source))
        self._opened(self.connections[-1])

    def open_connections(self) -> list["TracedConnection"]:
        return [connection for connection in self.connections if not connection.source.is_closed]


@dataclass(slots=True, eq=False)
class TracedConnection:
    """One connection, and who looks at it, by the key of the request."""

    link: LinkTrace
    source: FrameSource
    views: dict[str, "View"] = field(default_factory=dict)

    @property
    def ring(self) -> FrameRing:
        return self.source.ring


@dataclass(slots=True, eq=False)
class Viewing:
    """One request at work in this process."""

    request: TraceRequest
    timer: asyncio.TimerHandle
    over: bool = False
    followed: FollowedIds | None = None

    def ids(self, reader: FrameReader) -> FollowedIds:
        """The ids it follows; one set for all binds, because a receipt may come on any of them."""
        ids = self.followed = self.followed or reader.new_ids()
        for one in self.request.smsc_message_ids:
            ids.add(one)
        return ids


@dataclass(slots=True, eq=False)
class View:
    """What one request sees of one connection. `held`: frames that wait until what was before them has been shown."""

    viewing: Viewing
    filter: FrameFilter
    offset_ms: float
    """Wall clock less the connection's time."""
    began: bool = False
    held: deque[tuple[float, str, bytes, str]] | None = None
    allowance: float = LINES_BURST
    allowed_at: float = 0.0
    skipped: int = 0

    def may_show(self, at: float) -> bool:
        """Whether there is room for one more line now; what has none is counted."""
        self.allowance = min(LINES_BURST, self.allowance + max(0.0, at - self.allowed_at) * LINES_PER_S)
        self.allowed_at = max(at, self.allowed_at)
        if self.allowance < 1:
            self.skipped += 1
            return False
        self.allowance -= 1
        return True
