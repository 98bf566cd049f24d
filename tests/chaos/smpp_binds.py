"""Pure: which connections are bound at an SMSC, read from the first PDUs on them; and how many at once."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

_HEADER: Final = Struct("!4I")
_BINDS: Final = frozenset({0x01, 0x02, 0x09})
_RESPONSE: Final = 0x8000_0000
_PDU_MAX: Final = 65_536


@dataclass(slots=True)
class BindWatch:
    """Of one connection. Feed it what either side sends; `system_id` is who asked, `bound` whether the SMSC agreed.

    It listens until the SMSC has answered the first bind, and to nothing after that.
    """

    system_id: str = ""
    bound: bool = False
    _asked: bytearray = field(default_factory=bytearray)
    _answered: bytearray = field(default_factory=bytearray)
    _done: bool = False

    def from_client(self, octets: bytes) -> None:
        if self._done or self.system_id:
            return
        self._asked += octets
        for command, _, body in _pdus(self._asked):
            if command in _BINDS:
                self.system_id = body.partition(b"\0")[0].decode("ascii", "replace")

    def from_smsc(self, octets: bytes) -> bool:
        """True where these octets made it a bind."""
        if self._done:
            return False
        self._answered += octets
        for command, status, _ in _pdus(self._answered):
            if command & _RESPONSE and command & ~_RESPONSE in _BINDS:
                self._done, self.bound = True, status == 0
        return self.bound


def _pdus(buffer: bytearray) -> Iterable[tuple[int, int, bytes]]:
    """Command, status and body of every whole PDU, taken out of the buffer."""
    while len(buffer) >= _HEADER.size:
        length, command, status, _ = _HEADER.unpack_from(buffer)
        if not _HEADER.size <= length <= _PDU_MAX:
            buffer.clear()
            return
        if len(buffer) < length:
            return
        body = bytes(buffer[_HEADER.size : length])
        del buffer[:length]
        yield command, status, body


@dataclass(frozen=True, slots=True)
class BindChange:
    """A connection became a bind (+1) or ended as one (-1), by a clock that never goes back, in seconds."""

    at_s: float
    system_id: str
    by: int


@dataclass(frozen=True, slots=True)
class Excess:
    """More binds than a connector may have, from when to when (infinite: still), and how many at most."""

    system_id: str
    from_s: float
    to_s: float
    binds: int


def excesses(changes: Iterable[BindChange], allowed: dict[str, int]) -> list[Excess]:
    """Every stretch of time in which a system_id had more binds than `allowed`."""
    now: dict[str, int] = defaultdict(int)
    began: dict[str, tuple[float, int]] = {}
    found: list[Excess] = []
    for change in changes:
        one = change.system_id
        now[one] += change.by
        if now[one] > allowed.get(one, 0):
            since, most = began.get(one, (change.at_s, 0))
            began[one] = (since, max(most, now[one]))
        elif one in began:
            since, most = began.pop(one)
            found.append(Excess(one, since, change.at_s, most))
    found += [Excess(one, since, float("inf"), most) for one, (since, most) in began.items()]
    return found
