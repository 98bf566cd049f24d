"""Pure: step one of the correlator for one partition: submit results and receipts, joined in either order.

Theory. Under a join key (`provider|smsc_id`) lie entries, oldest first. A submit result opens one; an SMSC that reuses
its ids opens another. A receipt goes to the newest open entry, else to the newest closed one, and with neither it is
kept early until a result comes.

    result ──▶ open ──final receipt, deadline, or receipt = none──▶ closed ──a day after the deadline──▶ forgotten
    receipt without an entry ──▶ early ──result──▶ used              early ──72 h──▶ forgotten (orphan)

Only the step from open to closed ends a segment, so none ends twice. What follows (statuses, outcomes, events, changed
entries) is collected and taken with `flush`, which belongs to one Kafka transaction: when that fails the process exits.
"""

from collections.abc import Iterator
from typing import Final

from schemas.joins import POSITIONS_KEY, ClosedEntry, EarlyEntry, JoinEntries, OpenEntry, SeenReceipt
from schemas.outcomes import OutcomeWord
from schemas.topics import JOINS
from services.correlator.join.deadlines import WATERMARK_MARGIN_MS, Calendar, LogClock
from services.correlator.join.entries import Accepted, Entries, closed_entry, may_be_open, pack, unpack
from services.correlator.join.events import ReceiptEvent, missing_event, orphan_event, receipt_event
from services.correlator.join.outcome_records import outcome_out
from services.correlator.join.receipts import ending
from services.correlator.state.closed_marks import JOIN_MARKS
from services.correlator.state.table import StateTable
from shared.kafka.records import TRACEPARENT, Headers, Out
from shared.messages.events import EventMaker
from shared.messages.statuses import status_outs

HOUR_MS: Final = 3_600_000
EARLY_KEEP_MS: Final = 72 * HOUR_MS
CLOSED_KEEP_MS: Final = 24 * HOUR_MS
DUE_WIDTH_MS: Final = 1_000
FORGET_WIDTH_MS: Final = 600_000
"""Forgetting is no hurry: one waking in ten minutes at most."""

ENTRIES_MAX: Final = 16
"""Under one join key. Beyond it (an SMSC that gives everything the same id) the oldest closed mark goes, which receipts
could not reach any more; when all are open the new entry lies apart, where no receipt finds it, until its deadline."""
RESTORE_SLICE: Final = 5_000
EXPIRE_MAX: Final = 2_000
"""Keys decided in one cycle at most: those of an hour that nobody ran must not become one transaction."""

EARLY_MAX: Final = 8
"""Early receipts under one join key; what comes beyond them is an orphan at once."""


class JoinPartition:
    """The join's state for one partition, and what has changed in it since the last `flush`."""

    def __init__(self, number: int, events: EventMaker, apart_ms: int = 0) -> None:
        """`apart_ms`: how far the clocks of Kafka's brokers may differ; 0 where there is one."""
        self._margin_ms: Final = WATERMARK_MARGIN_MS + apart_ms
        self.number: Final = number
        self.table: Final = StateTable(
            JOINS,
            number,
            model=JoinEntries,
            field="entries",
            positions_key=POSITIONS_KEY,
            pack=pack,
            unpack=unpack,
            cold=JOIN_MARKS,
        )
        self.receipts_clock: Final = LogClock(apart_ms)
        self.results_clock: Final = LogClock(apart_ms)
        self._events: Final = events
        self._outs: list[Out] = []
        self._due: Final = Calendar(DUE_WIDTH_MS)
        self._forget: Final = Calendar(FORGET_WIDTH_MS)

    def restored(self) -> Iterator[None]:
        """The table is restored: note what is due when. Yields now and then, for heartbeats to go on."""
        for count, (key, entries) in enumerate(self.table.items()):
            for entry in entries:
                if isinstance(entry, EarlyEntry):
                    self._forget.add(entry.forget_at_ms, key)
                else:
                    self._due.add(entry.deadline_at_ms, key)
            if count % RESTORE_SLICE == 0:
                yield

    # -- what is read -----------------------------------------------------------------------------------------------

    def result(self, key: bytes, accepted: Accepted) -> None:
        """An accepted segment. A repeat of one that is known changes nothing."""
        opened, answered_at_ms = accepted
        name = (opened.message_id, opened.segment_index)
        entries = self._load(key)
        if entries and (_names(entries, name) or self._load(_apart(key, name))):
            return
        early = [entry for entry in entries if isinstance(entry, EarlyEntry)]
        entries = [entry for entry in entries if not isinstance(entry, EarlyEntry)]
        if len(entries) >= ENTRIES_MAX:
            key, entries = _make_room(key, entries, name)
        entry = self._accepted(opened, answered_at_ms)
        for waiting in early:
            entry = self._apply(entry, waiting.receipt)
        if isinstance(entry, OpenEntry) and entry.deadline_at_ms <= self._proven_ms:
            entry = self._missing(entry)
        entries.append(entry)
        self.table.put(key, entries)
        self._due.add(entry.deadline_at_ms, key)

    def receipt(self, key: bytes, seen: SeenReceipt) -> None:
        """A receipt: to the newest open entry, else the newest closed one, else kept early."""
        self.receipts_clock.read_record(seen.record_at_ms)
        if not seen.smsc_message_id:
            self._orphan(seen, "no message id in the receipt")
            return
        entries = self._load(key)
        found = _newest(entries)
        if found is not None:
            at, before = found
            after = self._apply(before, seen)
            if after is not before:
                entries[at] = after
                self.table.put(key, entries)
        elif len(entries) >= EARLY_MAX:
            self._orphan(seen, "too many receipts wait for this message id")
        else:
            early = EarlyEntry("early", seen.record_at_ms + EARLY_KEEP_MS, seen)
            entries.append(early)
            self.table.put(key, entries)
            self._forget.add(early.forget_at_ms, key)

    # -- deadlines --------------------------------------------------------------------------------------------------

    def next_due_ms(self) -> int | None:
        """When, by Kafka's clock, something becomes due that a high watermark fetched then can decide; 0 when
        something decided is still to be done.
        """
        if self._has_passed(self._due, self._proven_ms) or self._has_passed(self._forget, self._both_proven_ms):
            return 0
        times = [due for due in (self._due.next_due_ms, self._forget.next_due_ms) if due is not None]
        return min(times) + self._margin_ms if times else None

    def needs_proof(self, at_ms: int) -> bool:
        """Whether at `at_ms` something is due that the log has not decided yet.

        A bucket without an open entry needs none: it is settled here, without asking Kafka.
        """
        latest, settled = at_ms - self._margin_ms, 0
        while (due := self._due.next_due_ms) is not None and due <= latest and settled < EXPIRE_MAX:
            keys = self._due.first()
            if any(may_be_open(self.table.packed(key)) for key in keys):
                return due > self._proven_ms
            settled += len(keys)
            self._settle(self._due.take(due, len(keys)), due)
        return self._has_passed(self._forget, latest) and not self._has_passed(self._forget, self._both_proven_ms)

    def expire(self) -> None:
        """Decide what the log has decided, up to `EXPIRE_MAX` keys: missing receipts, and what is to be forgotten."""
        self._settle(self._due.take(self._proven_ms, EXPIRE_MAX), self._proven_ms)
        both = self._both_proven_ms
        for key in self._forget.take(both, EXPIRE_MAX):
            self._forget_key(key, both)

    @property
    def _proven_ms(self) -> int:
        return self.receipts_clock.proven_ms

    @property
    def _both_proven_ms(self) -> int:
        return min(self.receipts_clock.proven_ms, self.results_clock.proven_ms)

    @staticmethod
    def _has_passed(calendar: Calendar, until_ms: int) -> bool:
        due = calendar.next_due_ms
        return due is not None and due <= until_ms

    def _settle(self, keys: list[bytes], proven_ms: int) -> None:
        for key in keys:
            entries = self._load(key)
            latest = -1
            for at, entry in enumerate(entries):
                if isinstance(entry, EarlyEntry) or entry.deadline_at_ms > proven_ms:
                    continue
                latest = max(latest, entry.deadline_at_ms)
                if isinstance(entry, OpenEntry):
                    entries[at] = self._missing(entry)
                    self.table.put(key, entries)
            if latest >= 0:
                self._forget.add(latest + CLOSED_KEEP_MS, key)

    def _forget_key(self, key: bytes, until_ms: int) -> None:
        kept: Entries = []
        entries = self._load(key)
        for entry in entries:
            if isinstance(entry, EarlyEntry) and entry.forget_at_ms <= until_ms:
                self._orphan(entry.receipt, "no submission with this message id within 72 h")
            elif not (isinstance(entry, ClosedEntry) and entry.deadline_at_ms + CLOSED_KEEP_MS <= until_ms):
                kept.append(entry)
        if len(kept) < len(entries):
            self.table.put(key, kept or None)

    # -- the end of a cycle -----------------------------------------------------------------------------------------

    def flush(self) -> list[Out]:
        """Everything that follows from what was read and decided since the last call, the changelog included."""
        outs, self._outs = self._outs, []
        return outs + self.table.flush()

    # -- one entry --------------------------------------------------------------------------------------------------

    def _accepted(self, entry: OpenEntry, answered_at_ms: int) -> OpenEntry | ClosedEntry:
        """What follows from the acceptance alone, by the receipt wish."""
        last = entry.context.receipt == "none"
        if last or entry.context.receipt == "all":
            self._tell(entry, "submitted", occurred_at_ms=answered_at_ms, final=last)
        return closed_entry(entry, "submitted") if last else entry

    def _apply(self, entry: OpenEntry | ClosedEntry, seen: SeenReceipt) -> OpenEntry | ClosedEntry:
        """The entry after the receipt; the same object when the receipt is an event only."""
        if isinstance(entry, OpenEntry) and seen.record_at_ms > entry.deadline_at_ms:
            entry = self._missing(entry)
        if isinstance(entry, OpenEntry) and (end := ending(seen, entry.context.receipt)):
            self._receipt_event("receipt", entry, seen)
            self._tell(
                entry,
                end,
                occurred_at_ms=seen.received_at_ms,
                final=True,
                reason=seen.reason,
                smsc_error=seen.smsc_error,
            )
            return closed_entry(entry, end)
        late = isinstance(entry, ClosedEntry) and seen.status
        self._receipt_event("late_receipt" if late else "intermediate_receipt", entry, seen)
        return entry

    def _missing(self, entry: OpenEntry) -> ClosedEntry:
        """The deadline has passed, and the log has proven that no receipt came in time."""
        self._outs.append(missing_event(self._events, entry, _trace(entry)))
        self._tell(
            entry,
            "receipt_missing",
            occurred_at_ms=entry.deadline_at_ms,
            final=True,
            reason="receipt_deadline",
        )
        return closed_entry(entry, "receipt_missing")

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
            self._outs += status_outs(
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
            self._outs.append(
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
        self._outs.append(receipt_event(self._events, word, entry, seen, self.number, headers))

    def _orphan(self, seen: SeenReceipt, why: str) -> None:
        self._outs.append(orphan_event(self._events, seen, self.number, why))

    def _load(self, key: bytes) -> Entries:
        return self.table.get(key) or []


def _make_room(key: bytes, entries: Entries, name: tuple[str, int]) -> tuple[bytes, Entries]:
    """Where another entry goes when there are `ENTRIES_MAX`, and what lies there already."""
    closed = next((at for at, entry in enumerate(entries) if isinstance(entry, ClosedEntry)), None)
    if closed is None:
        return _apart(key, name), []
    return key, entries[:closed] + entries[closed + 1 :]


def _apart(key: bytes, name: tuple[str, int]) -> bytes:
    """A key that no receipt has."""
    return b"%b|%b/%d" % (key, name[0].encode(), name[1])


def _names(entries: Entries, name: tuple[str, int]) -> bool:
    return any(not isinstance(e, EarlyEntry) and (e.message_id, e.segment_index) == name for e in entries)


def _newest(entries: Entries) -> tuple[int, OpenEntry | ClosedEntry] | None:
    """Place and entry that a receipt goes to: the newest open one, else the newest closed one."""
    closed: tuple[int, ClosedEntry] | None = None
    for at in range(len(entries) - 1, -1, -1):
        entry = entries[at]
        if isinstance(entry, OpenEntry):
            return at, entry
        if isinstance(entry, ClosedEntry) and closed is None:
            closed = at, entry
    return closed


def _trace(entry: OpenEntry) -> Headers:
    return ((TRACEPARENT, entry.traceparent.encode()),) if entry.traceparent else ()
