"""Pure: the scheduler's decisions for one partition of `mt.scheduled`.

    scheduled ──▶ waits ──its time has come──▶ given back (mt.due)   ─┐
                    │                                                 ├─▶ gone ──an hour later──▶ forgotten
                    └─────its validity is over──▶ ended (mt.statuses) ┘

A message waits once for each `wait_no`: a repeat of one that waits, or is gone, changes nothing.
"""

from typing import Final, Protocol

from schemas.scheduled import ScheduledMessage
from schemas.topics import MT_DUE
from schemas.waiting import POSITIONS_KEY, Gone, WaitingEntry
from services.scheduler.entries import Row, changelog_out, gone_mark, headers_of, row_of
from shared.kafka.records import In, Out, dead_letter_of_error, traceparent_of
from shared.messages.events import EventMaker, columns_of
from shared.messages.statuses import status_outs

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

    def commit(self) -> None:
        """Whatever was changed so far is lasting."""


class WaitingPartition:
    """What waits in one partition, and what follows since the last `flush`."""

    def __init__(self, number: int, store: Store, events: EventMaker, waiting: int = 0) -> None:
        """`waiting`: how many messages of `store` wait."""
        self.number: Final = number
        self.waiting = waiting
        self.store: Final = store
        self._events: Final = events
        self._outs: list[Out] = []
        self._changed: dict[bytes, bytes | None] = {}
        self._moved = False
        self._unsaved = False
        self._next_ms: int | None = None
        self._known = False

    def take(self, record: In, at_ms: int) -> None:
        """One record of `mt.scheduled`."""
        if not self._is_new(record):
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
        self._put(key, entry)
        self.waiting += 1
        self._tell_scheduled(entry, message, at_ms)

    def wake(self, at_ms: int, most: int) -> int:
        """Do what is due at `at_ms` about up to `most` entries; returns about how many."""
        if not self._is_due(at_ms):
            return 0
        found = self.store.due(at_ms, most)
        for key, value in found:
            entry = WaitingEntry.from_json(value)
            if (message := entry.message) is None:
                self._remove(key)
            elif message.expires_at_ms <= at_ms:
                self._expire(key, entry, message, at_ms)
            else:
                self._give_back(key, entry, message, at_ms)
        return len(found)

    def next_due_ms(self) -> int | None:
        """When `wake` has something to do, by Kafka's clock."""
        if not self._known:
            self._next_ms, self._known = self.store.next_wake_ms(), True
        return self._next_ms

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

    def _is_new(self, record: In) -> bool:
        """False for a record whose effects the state contains, whatever the group's offsets say."""
        positions = self.store.positions
        if record.offset < positions.get(record.topic, 0):
            return False
        positions[record.topic] = record.offset + 1
        self._moved = True
        return True

    def _has_had(self, key: bytes, wait_no: int) -> bool:
        value = self.store.get(key)
        if value is None:
            return False
        entry = WaitingEntry.from_json(value)
        known = entry.message or entry.gone
        return known is not None and known.wait_no >= wait_no

    def _tell_scheduled(self, entry: WaitingEntry, message: ScheduledMessage, at_ms: int) -> None:
        context, headers = message.context, headers_of(entry)
        self._outs.append(
            self._events.out(
                "scheduled",
                occurred_at_ms=at_ms,
                message_id=context.message_id,
                identity=(message.wait_no,),
                headers=headers,
                accepted_at_ms=context.accepted_at_ms,
                route_no=message.route_no,
                reason=message.why,
                deadline_at_ms=message.due_at_ms,
                **columns_of(context),
            )
        )
        if context.receipt == "all":
            self._outs += status_outs(
                self._events,
                context,
                "scheduled",
                final=False,
                occurred_at_ms=at_ms,
                route_no=message.route_no,
                headers=headers,
                repeat="" if message.wait_no == 1 else str(message.wait_no),
            )

    def _give_back(self, key: bytes, entry: WaitingEntry, message: ScheduledMessage, at_ms: int) -> None:
        context, headers = message.context, headers_of(entry)
        self._outs.append(Out(MT_DUE, key, message.to_json(), headers))
        self._outs.append(
            self._events.out(
                "due",
                occurred_at_ms=at_ms,
                message_id=context.message_id,
                identity=(message.wait_no,),
                headers=headers,
                accepted_at_ms=context.accepted_at_ms,
                route_no=message.route_no,
                latency_ms=max(0, at_ms - message.due_at_ms),
            )
        )
        self._end(key, message, "due", at_ms)

    def _expire(self, key: bytes, entry: WaitingEntry, message: ScheduledMessage, at_ms: int) -> None:
        self._outs += status_outs(
            self._events,
            message.context,
            "expired",
            final=True,
            occurred_at_ms=at_ms,
            route_no=message.route_no,
            reason="validity_passed",
            headers=headers_of(entry),
        )
        self._end(key, message, "expired", at_ms)

    def _end(self, key: bytes, message: ScheduledMessage, ended: Gone, at_ms: int) -> None:
        self._put(key, gone_mark(message, ended, at_ms))
        self.waiting -= 1

    def _put(self, key: bytes, entry: WaitingEntry) -> None:
        value = entry.to_json()
        self.store.put(key, row_of(entry, value))
        self._changed[key] = value
        self._known = False

    def _remove(self, key: bytes) -> None:
        self.store.remove(key)
        self._changed[key] = None
        self._known = False

    def _is_due(self, at_ms: int) -> bool:
        due_ms = self.next_due_ms()
        return due_ms is not None and due_ms <= at_ms
