"""Pure: what the scheduler tells of a message: its events and statuses, as records."""

from typing import Final

from schemas.commands import Command
from schemas.lifecycle_events import EventWord
from schemas.scheduled import ScheduledMessage
from schemas.statuses import FinalStatus
from schemas.topics import MT_DUE
from schemas.waiting import ORDER_KEY, WaitingEntry
from services.scheduler.entries import headers_of
from shared.kafka.records import Out
from shared.messages.events import EventMaker, columns_of
from shared.messages.statuses import status_outs

TOO_LATE: Final[dict[str, EventWord]] = {"cancel": "cancel_too_late", "reschedule": "reschedule_too_late"}


class Telling:
    """Makes the records of one process."""

    def __init__(self, events: EventMaker) -> None:
        self._events: Final = events

    def scheduled(self, entry: WaitingEntry, message: ScheduledMessage, at_ms: int) -> list[Out]:
        """That it waits, or (`entry.moves`) that it waits for another time now."""
        context, headers = message.context, headers_of(entry)
        repeat = "" if (message.wait_no, entry.moves) == (1, 0) else f"{message.wait_no}.{entry.moves}"
        outs = [
            self._events.out(
                "rescheduled" if entry.moves else "scheduled",
                occurred_at_ms=at_ms,
                message_id=context.message_id,
                identity=(message.wait_no, entry.moves),
                headers=headers,
                accepted_at_ms=context.accepted_at_ms,
                route_no=message.route_no,
                reason=message.why,
                deadline_at_ms=message.due_at_ms,
                **columns_of(context),
            )
        ]
        if context.receipt == "all":
            outs += status_outs(
                self._events,
                context,
                "scheduled",
                final=False,
                occurred_at_ms=at_ms,
                route_no=message.route_no,
                headers=headers,
                repeat=repeat,
            )
        return outs

    def due(self, entry: WaitingEntry, message: ScheduledMessage, at_ms: int) -> list[Out]:
        """The message, given back."""
        context, headers = message.context, headers_of(entry)
        event = self._events.out(
            "due",
            occurred_at_ms=at_ms,
            message_id=context.message_id,
            identity=(message.wait_no,),
            headers=headers,
            accepted_at_ms=context.accepted_at_ms,
            route_no=message.route_no,
            latency_ms=max(0, at_ms - message.due_at_ms),
        )
        return [Out(MT_DUE, context.message_id.encode(), message.to_json(), headers), event]

    def ended(
        self, entry: WaitingEntry, message: ScheduledMessage, status: FinalStatus, reason: str, at_ms: int
    ) -> list[Out]:
        """Its one final status."""
        return list(
            status_outs(
                self._events,
                message.context,
                status,
                final=True,
                occurred_at_ms=at_ms,
                route_no=message.route_no,
                reason=reason,
                headers=headers_of(entry),
            )
        )

    def ignored(self, command: Command, order: bytes, message_id: str, reason: str, at_ms: int) -> Out:
        """That a command changed nothing; `order` is its key, which tells it from every other."""
        return self._command("command_ignored", command, order, message_id, reason, at_ms)

    def too_late(self, command: Command, order: bytes, message_id: str, reason: str, at_ms: int) -> Out:
        """That a command changed nothing, because its message does not wait here any more, or never did."""
        return self._command(TOO_LATE[command.command], command, order, message_id, reason, at_ms)

    def _command(
        self, word: EventWord, command: Command, order: bytes, message_id: str, reason: str, at_ms: int
    ) -> Out:
        return self._events.out(
            word,
            occurred_at_ms=at_ms,
            message_id=message_id,
            identity=(order.decode(),),
            reason=reason,
            detail=f"{command.command} by account {command.account_id}, command {_place_of(order)}",
        )


def _place_of(order: bytes) -> str:
    """Partition and offset of the command on `mt.commands`."""
    return order.removeprefix(ORDER_KEY).decode()
