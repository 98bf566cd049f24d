"""Pure: what becomes of a command in one partition.

    cancel, cancel_campaign   of what waits: ended as `cancelled`
    reschedule                of what waits: another time
    of what does not          an event, and nothing else

A command about a message id concerns the partition of that id alone; one about a key or a campaign every partition, and
where none has anything of it, none says so.
"""

from typing import Final, Protocol

from schemas.commands import Command
from schemas.requests import rfc3339_ms
from schemas.scheduled import ScheduledMessage
from schemas.waiting import Gone, RememberedOrder, WaitingEntry
from services.scheduler.orders import REMEMBERED_MS, UNKNOWN_AFTER_MS, Orders
from services.scheduler.telling import Telling
from shared.kafka.records import Out
from shared.messages.admission import SCHEDULE_AHEAD_MAX_MS, SCHEDULE_PAST_MS

CANCELLED: Final = "cancelled_by_command"
SWEEP_MAX: Final = 1_000
"""Messages of a campaign that are ended in one cycle."""


class WaitingEntries(Protocol):
    """What a partition lets its commands do."""

    def entry(self, key: bytes) -> WaitingEntry | None:
        """The entry of a message."""

    def of_key(self, account_id: str, idempotency_key: str) -> list[tuple[bytes, WaitingEntry]]:
        """The entries of messages with that key."""

    def of_campaign(
        self, account_id: str, campaign_id: str, until_ms: int, most: int
    ) -> list[tuple[bytes, WaitingEntry]]:
        """Up to `most` entries of messages of a campaign that wait, and were accepted at `until_ms` or before."""

    def replace(self, key: bytes, entry: WaitingEntry) -> None:
        """Another entry in place of one that waits."""

    def end(self, key: bytes, message: ScheduledMessage, ended: Gone, at_ms: int) -> None:
        """The message does not wait any more."""

    def remember(self, key: bytes, order: RememberedOrder | None) -> None:
        """Keep an order, or None: forget it."""


class Commands:
    """The commands of one partition."""

    def __init__(self, entries: WaitingEntries, orders: Orders, telling: Telling) -> None:
        self._entries: Final = entries
        self._orders: Final = orders
        self._telling: Final = telling
        self._outs: list[Out] = []

    def take(self, command: Command, key: bytes, given_at_ms: int, at_ms: int) -> None:
        """One command; `key` is that of its order, `given_at_ms` the time of its record."""
        order = RememberedOrder(command=command, given_at_ms=given_at_ms, forget_at_ms=given_at_ms + REMEMBERED_MS)
        if command.command == "cancel_campaign":
            self._entries.remember(key, order.model_copy(update={"swept": False}))
            return
        found = self._named(command)
        over = [self._meet(message_key, entry, key, order, at_ms) for message_key, entry in found].count(True) > 0
        if not found and command.message_id is not None:
            order = order.model_copy(update={"answer_at_ms": at_ms + UNKNOWN_AFTER_MS})
        if order.forget_at_ms > at_ms and not over:
            self._entries.remember(key, order)
        elif order.answer_at_ms:
            reason = "unknown_message"
            self._outs.append(self._telling.too_late(command, key, command.message_id or "", reason, at_ms))

    def _named(self, command: Command) -> list[tuple[bytes, WaitingEntry]]:
        if command.message_id is None:
            return self._entries.of_key(command.account_id, command.idempotency_key or "")
        key = command.message_id.encode()
        entry = self._entries.entry(key)
        return [] if entry is None else [(key, entry)]

    def _meet(self, message_key: bytes, entry: WaitingEntry, key: bytes, order: RememberedOrder, at_ms: int) -> bool:
        """A command that finds its message; whether nothing more can come of it."""
        command, message_id = order.command, message_key.decode()
        if (message := entry.message) is None:
            return self._of_gone(entry, message_id, key, command, at_ms)
        if message.context.account_id != command.account_id:
            self._outs.append(self._telling.ignored(command, key, message_id, "other_account", at_ms))
        elif message.context.accepted_at_ms > order.given_at_ms:
            self._outs.append(self._telling.ignored(command, key, message_id, "later_message", at_ms))
        else:
            self.apply(message_key, entry, message, key, order, at_ms)
        return True

    def _of_gone(self, entry: WaitingEntry, message_id: str, key: bytes, command: Command, at_ms: int) -> bool:
        """It may be given to the scheduler once more, and then a cancel holds."""
        gone = entry.gone
        if gone is None or gone.account_id != command.account_id:
            self._outs.append(self._telling.ignored(command, key, message_id, "other_account", at_ms))
        elif gone.ended == "cancelled":
            self._outs.append(self._telling.ignored(command, key, message_id, "already_cancelled", at_ms))
        else:
            self._outs.append(self._telling.too_late(command, key, message_id, gone.ended, at_ms))
            return command.command == "reschedule"
        return True

    def take_outs(self) -> list[Out]:
        """What has followed since the last call."""
        outs, self._outs = self._outs, []
        return outs

    def apply(
        self,
        message_key: bytes,
        entry: WaitingEntry,
        message: ScheduledMessage,
        key: bytes,
        order: RememberedOrder,
        at_ms: int,
    ) -> bool:
        """Carry a command out on a message that waits; whether it waits no more."""
        if order.command.command == "reschedule":
            self._move(message_key, entry, message, key, order, at_ms)
            return False
        self._outs += self._telling.ended(entry, message, "cancelled", CANCELLED, at_ms)
        self._entries.end(message_key, message, "cancelled", at_ms)
        return True

    def _move(
        self,
        message_key: bytes,
        entry: WaitingEntry,
        message: ScheduledMessage,
        key: bytes,
        order: RememberedOrder,
        at_ms: int,
    ) -> None:
        command = order.command
        send_at_ms = rfc3339_ms(command.send_at or "") or 0
        latest_ms = message.context.accepted_at_ms + SCHEDULE_AHEAD_MAX_MS
        if not order.given_at_ms - SCHEDULE_PAST_MS <= send_at_ms <= latest_ms:
            reason = "schedule_out_of_range"
            self._outs.append(self._telling.ignored(command, key, message_key.decode(), reason, at_ms))
            return
        began_ms = max(message.send_at_ms, message.context.accepted_at_ms)
        valid_ms = message.expires_at_ms - began_ms if command.validity_s is None else command.validity_s * 1000
        moved = message.model_copy(
            update={
                "send_at_ms": send_at_ms,
                "due_at_ms": send_at_ms,
                "expires_at_ms": max(send_at_ms, order.given_at_ms) + valid_ms,
                "why": "send_at",
            }
        )
        following = entry.model_copy(update={"message": moved, "moves": entry.moves + 1})
        self._entries.replace(message_key, following)
        self._outs += self._telling.scheduled(following, moved, at_ms)

    def meets(self, message_key: bytes, entry: WaitingEntry, message: ScheduledMessage, at_ms: int) -> None:
        """A message has come: carry out what was ordered about it before."""
        for key, order in list(self._orders.about(message.context)):
            if order.answer_at_ms:
                self._entries.remember(key, order.model_copy(update={"answer_at_ms": 0}))
            if self.apply(message_key, entry, message, key, order, at_ms):
                return
            if order.command.command == "reschedule":
                self._entries.remember(key, None)
            found = self._entries.entry(message_key)
            if found is None or found.message is None:
                return
            entry, message = found, found.message

    def covers(self, message: ScheduledMessage) -> bool:
        """Whether a message that waits is to be cancelled, though its campaign has not been looked through yet."""
        return any(order.command.command != "reschedule" for _, order in self._orders.about(message.context))

    def sweep(self, at_ms: int) -> None:
        """Go on with campaigns that are being cancelled."""
        left = SWEEP_MAX
        for key, order in self._orders.unswept():
            command = order.command
            found = self._entries.of_campaign(command.account_id, command.campaign_id or "", order.given_at_ms, left)
            for message_key, entry in found:
                if entry.message is not None:
                    self.apply(message_key, entry, entry.message, key, order, at_ms)
            left -= len(found)
            if left <= 0:
                return
            self._entries.remember(key, order.model_copy(update={"swept": True}))

    def wake(self, key: bytes, order: RememberedOrder, at_ms: int) -> None:
        """The time has come to answer an order, or to forget it."""
        command = order.command
        if not order.swept:
            return
        if order.forget_at_ms <= at_ms:
            self._entries.remember(key, None)
            return
        self._outs.append(self._telling.too_late(command, key, command.message_id or "", "unknown_message", at_ms))
        keep = command.command == "cancel"
        self._entries.remember(key, order.model_copy(update={"answer_at_ms": 0}) if keep else None)
