"""Pure: the state of one partition as packed bytes by key, and the changelog records that keep it.

The record of a key is its packed bytes inside a JSON object, so writing and restoring decode nothing; what is only kept
to be recognised (`ColdForm`) is held in fewer octets than that. The positions of
the inputs lie in the same changelog: state and positions are read back from one log, whatever the group's committed
offsets say at that moment, and a record that the state already contains is recognised.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, NamedTuple, TypeVar

import orjson

from schemas.wire import Wire
from services.correlator.state.cold_map import ColdMap
from shared.kafka.records import Out

T = TypeVar("T")


class ColdForm(NamedTuple, Generic[T]):
    """How values that are hardly looked at again are held: packed ones begin with `mark`, and are worth a try.

    `shrink` gives None for a value that has no such form; `grow(shrink(value)) == value`.
    """

    mark: bytes
    shrink: Callable[[T], bytes | None]
    grow: Callable[[bytes], T]


def _prefix(version: int, field: str) -> bytes:
    return b'{"schema_version":%d,"%b":' % (version, field.encode())


class StateTable(Generic[T]):
    """Values of type T by key. `field` names the packed value in the record, which is one of `model`.

    `positions_key` is no key of a value.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        *,
        model: type[Wire],
        field: str,
        positions_key: bytes,
        pack: Callable[[T], bytes],
        unpack: Callable[[bytes], T],
        cold: ColdForm[T],
    ) -> None:
        self._topic: Final = topic
        self._partition: Final = partition
        self._model: Final = model
        self._field: Final = field
        self._prefix: Final = _prefix(model.CURRENT_VERSION, field)
        self._earlier: Final = tuple(_prefix(version, field) for version in range(1, model.CURRENT_VERSION))
        self._positions_key: Final = positions_key
        self._pack: Final = pack
        self._unpack: Final = unpack
        self._form: Final = cold
        self._packed: dict[bytes, bytes] = {}
        self._cold: Final = ColdMap()
        self._changed: dict[bytes, T | None] = {}
        self._moved = False
        self.positions: dict[str, int] = {}

    def __len__(self) -> int:
        """Keys held, as of the last flush."""
        return len(self._packed) + len(self._cold)

    def get(self, key: bytes) -> T | None:
        """The value now; one that is mutable must be `put` again after a change."""
        if key in self._changed:
            return self._changed[key]
        packed = self._packed.get(key)
        if packed is not None:
            return self._unpack(packed)
        cold = self._cold.get(key)
        return None if cold is None else self._form.grow(cold)

    def put(self, key: bytes, value: T | None) -> None:
        """Set the value, or remove it (None)."""
        self._changed[key] = value

    def packed(self, key: bytes) -> bytes:
        """The bytes of a value as `pack` makes them; empty when there is none."""
        if key in self._changed:
            value = self._changed[key]
            return b"" if value is None else self._pack(value)
        packed = self._packed.get(key)
        if packed is None and (cold := self._cold.get(key)) is not None:
            packed = self._pack(self._form.grow(cold))
        return packed or b""

    def items(self) -> Iterator[tuple[bytes, T]]:
        """Every key with its value, as of the last flush."""
        for key, packed in self._packed.items():
            yield key, self._unpack(packed)
        for key, cold in self._cold.items():
            yield key, self._form.grow(cold)

    def read_to(self, topic: str, offset: int) -> bool:
        """Whether the input record at `offset` is new; False for one whose effects the state contains."""
        if offset < self.positions.get(topic, 0):
            return False
        self.positions[topic] = offset + 1
        self._moved = True
        return True

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take in one record of the changelog, in order; raises ValueError for one of another version or shape."""
        if key == self._positions_key:
            self.positions = {} if value is None else orjson.loads(value)["positions"]
        elif value is None:
            self._remove(key)
        else:
            packed = self._of_today(value)[len(self._prefix) : -1]
            self._hold(key, packed, self._unpack(packed) if packed.startswith(self._form.mark) else None)

    def _of_today(self, value: bytes) -> bytes:
        """The record as it would be written today."""
        if value.startswith(self._prefix):
            return value
        if not value.startswith(self._earlier):
            raise ValueError(f"{self._topic}: not a record of this version or an earlier one: {value[:60]!r}")
        packed: Any = self._model.from_earlier(orjson.loads(value))[self._field]
        return self._prefix + orjson.dumps(packed) + b"}"

    def flush(self) -> list[Out]:
        """The changelog records of everything that has changed since the last call, each key once."""
        outs: list[Out] = []
        for key, value in self._changed.items():
            if value is not None:
                record = self._prefix + self._pack(value) + b"}"
                # A copy: what the encoder returns keeps the 4 KiB that it was written into.
                packed = record[len(self._prefix) : -1]
                self._hold(key, packed, value if packed.startswith(self._form.mark) else None)
                outs.append(Out(self._topic, key, record, (), self._partition))
            elif self._remove(key):
                outs.append(Out(self._topic, key, None, (), self._partition))
        self._changed.clear()
        if self._moved:
            self._moved = False
            positions = orjson.dumps({"schema_version": self._model.CURRENT_VERSION, "positions": self.positions})
            outs.append(Out(self._topic, self._positions_key, positions, (), self._partition))
        return outs

    def _hold(self, key: bytes, packed: bytes, perhaps_cold: T | None) -> None:
        small = self._form.shrink(perhaps_cold) if perhaps_cold is not None else None
        if small is not None and self._cold.put(key, small):
            self._packed.pop(key, None)
            return
        self._cold.pop(key)
        self._packed[key] = packed

    def _remove(self, key: bytes) -> bool:
        return self._packed.pop(key, None) is not None or self._cold.pop(key)
