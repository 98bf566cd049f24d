"""Pure: a lane record on its way in: read, recognised where upstream wrote it twice, `queued` where asked for."""

from typing import Final

from services.throttler.connector import outputs
from services.throttler.connector.stay import Stay, read_stay
from services.throttler.connector_topics import connector_of
from services.throttler.lanes.ledger import Ledger
from shared.kafka.records import In, Out, dead_letter_of_error, trace_headers
from shared.messages.events import EventMaker

SERVICE: Final = "throttler"


def take_in(record: In, ledger: Ledger, events: EventMaker, now_ms: int) -> tuple[Stay | None, list[Out]]:
    """The stay that the record begins, and what is to be written on first reading.

    No stay where there is nothing to dispatch: a repeat, or a dead letter.
    """
    try:
        stay = read_stay(record.value, connector_of(record.topic), trace_headers(record))
    except ValueError as error:
        return None, [dead_letter_of_error(record, error, at_ms=now_ms, service=SERVICE)]
    message = stay.message
    if message.run > 0:  # from the retry lane: our own writing, once by its transaction
        return stay, []
    if not ledger.add(message.context.message_id, message.route_no):
        return None, [_repeat(record, stay, events, now_ms)]
    if message.context.receipt == "all" and not message.queued:  # a status comes once: not again for another route
        # by the record's time: what was read and not begun before a crash is read again, and must say the same
        return stay, list(outputs.status(events, stay, "queued", None, record.timestamp))
    return stay, []


def _repeat(record: In, stay: Stay, events: EventMaker, now_ms: int) -> Out:
    message = stay.message
    return events.out(
        "duplicate",
        message_id=message.context.message_id,
        occurred_at_ms=now_ms,
        identity=(SERVICE, record.offset),
        connector_id=message.connector_id,
        account_id=message.context.account_id,
        route_no=message.route_no,
        accepted_at_ms=message.context.accepted_at_ms,
        reason="upstream_repeat",
    )
