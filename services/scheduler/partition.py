"""Pure: the scheduler's decisions for one partition of `mt.scheduled`.

    scheduled ──▶ waits ──its time has come──▶ given back (mt.due)   ─┐
                    │                                                 ├─▶ gone ──an hour later──▶ forgotten
                    └──its validity is over, or cancelled──▶ ended   ─┘
                                                (mt.statuses)

A message waits once for each `wait_no`: a repeat of one that waits, or is gone, changes nothing.
"""

from typing import Final, Protocol

from schemas.commands import Command
from schemas.scheduled import ScheduledMessage
from schemas.topics import MT_COMMANDS
from schemas.waiting import ORDER_KEY, POSITIONS_KEY, Gone, RememberedOrder, WaitingEntry
from services.scheduler.commands import CANCELLED, Commands
from services.scheduler.entries import Row, changelog_out, gone_mark, row_of
from services.scheduler.orders import Orders, order_key
from services.scheduler.telling import Telling
from shared.kafka.records import In, Out, dead_letter_of_error, traceparent_of
from shared.messages.events import EventMaker

SERVICE: Final = "scheduler"


class Store(Protocol):
    """Entries by key, as they will be when the cycle is committed."""

    positions: dict[str, int]

    def get(self, key: bytes) -> bytes | None:
        """The changelog record of an entry."""

    def put(self, key: bytes, row: Row) -> None:
        """Set or replace an entry."""

    def remove(self, key: bytes) -> None:
        """Remove an entry, if it is there."""

    def due(self, at_ms: int, most: int) -> list[tuple[bytes, bytes]]:
        """Key and record of up to `most` entries with `wake_at_ms` <= `at_ms`, the earliest first."""

    def next_wake_ms(self) -> int | None:
        """The least `wake_at_ms`."""

    def of_key(self, account_id: str, idempotency_key: str) -> list[tuple[bytes, bytes]]:
        """Key and record of the entries of an idempotency key."""

    def of_campaign(self, account_id: str, campaign_id: str, until_ms: int, most: int) -> list[tuple[bytes, bytes]]:
        """The same of what waits of a campaign and was accepted at `until_ms` or before."""

    def beginning_with(self, begin: bytes) -> list[tuple[bytes, bytes]]:
        """The same of all keys that begin so."""

    def waiting(self) -> int:
        """How many messages wait. It counts them."""

    def commit(self) -> None:
        """Whatever was changed so far is lasting."""


class WaitingPartition:
    """What waits in one partition, and what follows since the last `flush`."""

    def __init__(self, number: int, store: Store, events: EventMaker) -> None:
        self.number: Final = number
        self.store: Final = store
        self.waiting = store.waiting()
        self._telling: Final = Telling(events)
        self._orders: Final = Orders(_orders_of(store))
        self._commands: Final = Commands(self, self._orders, self._telling)
        self._outs: list[Out] = []
        self._changed: dict[bytes, bytes | None] = {}
        self._moved = False
        self._unsaved = False
        self._next_ms: int | None = None
        self._known = False

    # -- what comes in ----------------------------------------------------------------------------------------------

    def take(self, record: In, at_ms: int) -> None:
        """One record of `mt.scheduled`."""
        if not self._is_new(record.topic, record.offset):
            return
        try:
            message = ScheduledMessage.from_json(record.value or b"")
        except ValueError as error:
            self._outs.append(dead_letter_of_error(record, error, at_ms=at_ms, service=SERVICE))
            return
        key = message.context.message_id.encode()
        if self._has_had(key, message.wait_no):
            return
        traceparent = (traceparent_of(record) or b"").decode()
        entry = WaitingEntry(message=message, traceparent=traceparent)
        self.replace(key, entry)
        self.waiting += 1
        self._outs += self._telling.scheduled(entry, message, at_ms)
        if self._orders:
            self._commands.meets(key, entry, message, at_ms)
            self._outs += self._commands.take_outs()

    def command(self, record: In, command: Command | None, at_ms: int) -> None:
        """One record of `mt.commands`, of whichever partition of it; None: it is none, or no concern of this one."""
        if not self._is_new(f"{MT_COMMANDS}/{record.partition}", record.offset) or command is None:
            return
        self._commands.take(command, order_key(record.partition, record.offset), record.timestamp, at_ms)
        self._outs += self._commands.take_outs()

    def refuse(self, record: In, error: Exception, at_ms: int) -> None:
        """A record of `mt.commands` that is none, for this partition to say so."""
        if record.offset >= self.store.positions.get(f"{MT_COMMANDS}/{record.partition}", 0):
            self._outs.append(dead_letter_of_error(record, error, at_ms=at_ms, service=SERVICE))

    # -- what time brings -------------------------------------------------------------------------------------------

    def wake(self, at_ms: int, until_ms: int, most: int) -> int:
        """Do what is due at `until_ms` about up to `most` entries, at `at_ms`; returns about how many."""
        if self._orders:
            self._commands.sweep(at_ms)
            self._outs += self._commands.take_outs()
        due_ms = self._next_wake_ms()
        if due_ms is None or due_ms > until_ms:
            return 0
        found = self.store.due(until_ms, most)
        for key, value in found:
            self._wake(key, WaitingEntry.from_json(value), at_ms)
        return len(found)

    def _wake(self, key: bytes, entry: WaitingEntry, at_ms: int) -> None:
        if entry.order is not None:
            self._commands.wake(key, entry.order, at_ms)
            self._outs += self._commands.take_outs()
        elif (message := entry.message) is None:
            self._remove(key)
        elif self._commands.covers(message):
            self._outs += self._telling.ended(entry, message, "cancelled", CANCELLED, at_ms)
            self.end(key, message, "cancelled", at_ms)
        elif message.expires_at_ms <= at_ms:
            self._outs += self._telling.ended(entry, message, "expired", "validity_passed", at_ms)
            self.end(key, message, "expired", at_ms)
        else:
            self._outs += self._telling.due(entry, message, at_ms)
            self.end(key, message, "due", at_ms)

    def next_due_ms(self) -> int | None:
        """When `wake` has something to do, by Kafka's clock."""
        return 0 if self._orders and self._orders.unswept() else self._next_wake_ms()

    def _next_wake_ms(self) -> int | None:
        if not self._known:
            self._next_ms, self._known = self.store.next_wake_ms(), True
        return self._next_ms

    # -- what goes out ----------------------------------------------------------------------------------------------

    def save(self) -> None:
        """What the last `flush` gave out is in Kafka."""
        if self._unsaved:
            self._unsaved = False
            self.store.commit()

    def flush(self) -> list[Out]:
        """Everything that follows since the last call, the changelog included."""
        outs, self._outs = self._outs, []
        self._unsaved = bool(self._changed or self._moved)
        outs += [changelog_out(self.number, key, value) for key, value in self._changed.items()]
        self._changed.clear()
        if self._moved:
            self._moved = False
            positions = WaitingEntry(positions=self.store.positions)
            outs.append(changelog_out(self.number, POSITIONS_KEY, positions.to_json()))
        return outs

    # -- entries, as commands need them -----------------------------------------------------------------------------

    def entry(self, key: bytes) -> WaitingEntry | None:
        value = self.store.get(key)
        return None if value is None else WaitingEntry.from_json(value)

    def of_key(self, account_id: str, idempotency_key: str) -> list[tuple[bytes, WaitingEntry]]:
        return _read(self.store.of_key(account_id, idempotency_key))

    def of_campaign(
        self, account_id: str, campaign_id: str, until_ms: int, most: int
    ) -> list[tuple[bytes, WaitingEntry]]:
        return _read(self.store.of_campaign(account_id, campaign_id, until_ms, most))

    def replace(self, key: bytes, entry: WaitingEntry) -> None:
        value = entry.to_json()
        self.store.put(key, row_of(entry, value))
        self._changed[key] = value
        self._known = False

    def end(self, key: bytes, message: ScheduledMessage, ended: Gone, at_ms: int) -> None:
        self.replace(key, gone_mark(message, ended, at_ms))
        self.waiting -= 1

    def remember(self, key: bytes, order: RememberedOrder | None) -> None:
        if order is None:
            self._orders.remove(key)
            self._remove(key)
        else:
            self._orders.put(key, order)
            self.replace(key, WaitingEntry(order=order))

    def _remove(self, key: bytes) -> None:
        self.store.remove(key)
        self._changed[key] = None
        self._known = False

    def _is_new(self, name: str, offset: int) -> bool:
        """False for a record whose effects the state contains, whatever the group's offsets say."""
        positions = self.store.positions
        if offset < positions.get(name, 0):
            return False
        positions[name] = offset + 1
        self._moved = True
        return True

    def _has_had(self, key: bytes, wait_no: int) -> bool:
        entry = self.entry(key)
        known = None if entry is None else entry.message or entry.gone
        return known is not None and known.wait_no >= wait_no


def _orders_of(store: Store) -> list[tuple[bytes, RememberedOrder]]:
    found = _read(store.beginning_with(ORDER_KEY))
    return [(key, entry.order) for key, entry in found if entry.order is not None]


def _read(found: list[tuple[bytes, bytes]]) -> list[tuple[bytes, WaitingEntry]]:
    return [(key, WaitingEntry.from_json(value)) for key, value in found]
