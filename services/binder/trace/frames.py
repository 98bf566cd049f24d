"""Pure: what tracing asks of a kind of connector: rings of frames, and somebody who can read them."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

TracedFrame: TypeAlias = tuple[float, str, bytes]
"""One frame as it was seen: the connection's seconds, `in` or `out`, the octets."""

TraceTap: TypeAlias = Callable[[float, str, bytes], None]


class FrameRing(Protocol):
    """The last frames of a connection. `tap` sees every frame as it passes."""

    octets_max: int
    tap: TraceTap | None

    def blocks(self, since: float = ...) -> list[list[TracedFrame]]:
        """What is kept and not older than `since`, oldest first."""


class FrameSource(Protocol):
    """One connection of a bind."""

    @property
    def ring(self) -> FrameRing: ...
    @property
    def mode(self) -> str:
        """What it is within its bind, as a trace tells it."""

    @property
    def short_mode(self) -> str:
        """The same in at most 3 characters."""

    @property
    def is_closed(self) -> bool: ...
    def segment_id(self, direction: str, frame: bytes) -> str:
        """The id of the segment that a frame belongs to, as long as that is known; else ""."""


class Description(Protocol):
    """A frame for the eye; the fields are those of `schemas.traces.TraceLine`."""

    @property
    def command(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def sequence_number(self) -> int: ...
    @property
    def fields(self) -> tuple[tuple[str, str], ...]: ...
    def line(self) -> str:
        """One line, in columns."""


class FollowedIds(Protocol):
    """The ids that the other side gave to what is followed, over all binds of a connector."""

    def add(self, message_id: str) -> None: ...


class FrameFilter(Protocol):
    """What one request wants of one connection."""

    def recall(self, direction: str, frame: bytes) -> None:
        """Look through what has passed, before `wants` goes through it."""

    def wants(self, direction: str, frame: bytes, message_id: str) -> bool:
        """Whether to show this frame; `message_id` is that of the segment it belongs to, "" where that is not known."""


class FrameReader(Protocol):
    """Reads the frames of a bind."""

    def new_ids(self) -> FollowedIds: ...
    def new_filter(self, msisdn: str, message_id: str, ids: Any) -> FrameFilter:
        """With neither `msisdn` nor `message_id` it wants everything. `ids` are from `new_ids`."""

    def describe(self, direction: str, frame: bytes, *, redact: bool, with_octets: bool) -> Description: ...
