"""Pure: a lane record on its way in: read, recognised where upstream wrote it twice, `queued` where asked for."""

from typing import Final

from services.throttler.connector import outputs
from services.throttler.connector.stay import Run, read_run
from services.throttler.connector_topics import connector_of
from services.throttler.lanes.ledger import Ledger
from shared.kafka.records import In, Out, dead_letter_of_error, trace_headers
from shared.messages.events import EventMaker

SERVICE: Final = "throttler"


def take_in(record: In, ledger: Ledger, events: EventMaker, now_ms: int) -> tuple[Run | None, list[Out]]:
    """The run that the record begins, and what is to be written on first reading.

    No run where there is nothing to dispatch: a repeat, or a dead letter.
    """
    try:
        run = read_run(record.value, connector_of(record.topic), trace_headers(record))
    except ValueError as error:
        return None, [dead_letter_of_error(record, error, at_ms=now_ms, service=SERVICE)]
    message = run.message
    if message.run > 0:  # from the retry lane: our own writing, once by its transaction
        return run, []
    if not ledger.add(message.context.message_id, message.route_no):
        return None, [_repeat(record, run, events, now_ms)]
    if message.context.receipt == "all" and message.route_no == 0:  # a status comes once: not again for another route
        # by the record's time: what was read and not begun before a crash is read again, and must say the same
        return run, list(outputs.status(events, run, "queued", None, record.timestamp))
    return run, []


def _repeat(record: In, run: Run, events: EventMaker, now_ms: int) -> Out:
    message = run.message
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
