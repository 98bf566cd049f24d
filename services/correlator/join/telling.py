"""Pure: what the join tells about one segment: events, its status or its outcome for the fold."""

from typing import Final

from schemas.joins import ClosedEntry, OpenEntry, SeenReceipt
from schemas.outcomes import OutcomeWord
from services.correlator.join.entries import closed_entry
from services.correlator.join.events import OrphanReason, ReceiptEvent, missing_event, orphan_event, receipt_event
from services.correlator.join.outcome_records import outcome_out
from services.correlator.join.receipts import ending
from services.correlator.join.rules import JoinRules
from services.correlator.join.searches import Search, search_out
from shared.kafka.records import TRACEPARENT, Headers, Out
from shared.messages.events import EventMaker
from shared.messages.statuses import status_outs

MISSING: Final = "receipt_missing"


class SegmentTeller:
    """Says what becomes of entries; what is to be written is collected in `outs`."""

    def __init__(self, events: EventMaker, rules: JoinRules) -> None:
        self._events: Final = events
        self._rules: Final = rules
        self.outs: list[Out] = []

    def pass_on(self, provider: str, name: str, search: Search) -> None:
        """A receipt is to be looked for under `name`."""
        self.outs.append(search_out(provider, name, search))

    def accepted(self, entry: OpenEntry, answered_at_ms: int) -> OpenEntry | ClosedEntry:
        """What follows from the acceptance alone, by the receipt wish."""
        last = entry.context.receipt == "none"
        if last or entry.context.receipt == "all" or entry.receipt_scope == "message":
            self._tell(entry, "submitted", occurred_at_ms=answered_at_ms, final=last)
        return closed_entry(entry, "submitted") if last else entry

    def receipt(self, entry: OpenEntry | ClosedEntry, seen: SeenReceipt) -> OpenEntry | ClosedEntry:
        """The entry after the receipt; the same object when the receipt is an event only, or the one that ended it."""
        if isinstance(entry, OpenEntry) and seen.record_at_ms > entry.deadline_at_ms:
            entry = self.missing(entry)
        if isinstance(entry, OpenEntry) and (end := ending(seen, intermediate=self._intermediate(entry))):
            self._receipt_event("receipt", entry, seen)
            self._tell(
                entry,
                end,
                occurred_at_ms=seen.received_at_ms,
                final=True,
                reason=seen.reason,
                smsc_error=seen.smsc_error,
            )
            return closed_entry(entry, end, (seen.partition, seen.offset))
        if isinstance(entry, ClosedEntry) and entry[-2:] == (seen.partition, seen.offset):
            return entry
        late = isinstance(entry, ClosedEntry) and seen.status
        self._receipt_event("late_receipt" if late else "intermediate_receipt", entry, seen)
        return entry

    def missing(self, entry: OpenEntry) -> ClosedEntry:
        """The deadline has passed, and the log has proven that no receipt came in time."""
        self.outs.append(missing_event(self._events, entry, _trace(entry)))
        self._tell(
            entry,
            MISSING,
            occurred_at_ms=entry.deadline_at_ms,
            final=True,
            reason="receipt_deadline",
        )
        return closed_entry(entry, MISSING)

    def orphan(self, seen: SeenReceipt, why: OrphanReason) -> None:
        """A receipt that belongs to no message we know, or to none yet."""
        self.outs.append(orphan_event(self._events, seen, why))

    def _intermediate(self, entry: OpenEntry) -> bool:
        return entry.context.receipt == "all" and self._rules.of(entry.connector_id).intermediate_receipts

    def _tell(
        self,
        entry: OpenEntry,
        word: OutcomeWord,
        *,
        occurred_at_ms: int,
        final: bool,
        reason: str = "",
        smsc_error: str = "",
    ) -> None:
        """To the public for a message of one segment, to the fold for a longer one."""
        headers = _trace(entry)
        if entry.segments == 1:
            self.outs += status_outs(
                self._events,
                entry.context,
                word,
                final=final,
                occurred_at_ms=occurred_at_ms,
                route_no=entry.route_no,
                connector_id=entry.connector_id,
                reason=reason,
                smsc_error=smsc_error,
                segments=1,
                segments_delivered=int(word == "delivered"),
                headers=headers,
            )
        else:
            self.outs.append(
                outcome_out(
                    entry,
                    word,
                    occurred_at_ms=occurred_at_ms,
                    reason=reason,
                    smsc_error=smsc_error,
                    headers=headers,
                )
            )

    def _receipt_event(self, word: ReceiptEvent, entry: OpenEntry | ClosedEntry, seen: SeenReceipt) -> None:
        headers = _trace(entry) if isinstance(entry, OpenEntry) else ()
        self.outs.append(receipt_event(self._events, word, entry, seen, headers))


def _trace(entry: OpenEntry) -> Headers:
    return ((TRACEPARENT, entry.traceparent.encode()),) if entry.traceparent else ()
