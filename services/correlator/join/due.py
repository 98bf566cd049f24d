"""Pure: what the log has decided by now: receipts that are missing, entries that are to be forgotten, early receipts
that are to be told of. And when the next of these is due."""

from typing import Final

from schemas.joins import ClosedEntry, EarlyEntry, FormatEntry, OpenEntry
from services.correlator.join.deadlines import WATERMARK_MARGIN_MS, Calendar, LogClock
from services.correlator.join.early import EarlyReceipts
from services.correlator.join.entries import Entries, entries_under, may_be_open
from services.correlator.join.telling import SegmentTeller
from services.correlator.state.table import StateTable

CLOSED_KEEP_MS: Final = 86_400_000
DUE_WIDTH_MS: Final = 1_000

EXPIRE_MAX: Final = 2_000
"""Keys decided in one cycle at most: those of an hour that nobody ran must not become one transaction."""


class DueEntries:
    """The deadlines of one partition, whose entries are in `table`.

    `apart_ms`: how far the clocks of Kafka's brokers may differ. `forget` says when keys are to be looked through for
    what is to be forgotten.
    """

    def __init__(
        self, table: StateTable[Entries], teller: SegmentTeller, early: EarlyReceipts, forget: Calendar, apart_ms: int
    ) -> None:
        self._table: Final = table
        self._teller: Final = teller
        self._early: Final = early
        self._forget: Final = forget
        self._margin_ms: Final = WATERMARK_MARGIN_MS + apart_ms
        self._due: Final = Calendar(DUE_WIDTH_MS)
        self.receipts_clock: Final = LogClock(apart_ms)
        self.results_clock: Final = LogClock(apart_ms)

    def add(self, deadline_at_ms: int, key: bytes) -> None:
        """Under `key` is an entry with this deadline."""
        self._due.add(deadline_at_ms, key)

    def is_over(self, deadline_at_ms: int) -> bool:
        """Whether the log proves that no receipt comes in time any more."""
        return deadline_at_ms <= self._proven_ms

    def next_due_ms(self) -> int | None:
        """When, by Kafka's clock, something becomes due that a high watermark fetched then can decide; 0 when
        something decided is still to be done.
        """
        both = self._both_proven_ms
        if (
            self._early.reconsidered
            or self._has_passed(self._due, self._proven_ms)
            or self._has_passed(self._forget, both)
            or self._has_passed(self._early.untold, both)
        ):
            return 0
        calendars = (self._due, self._forget, self._early.untold)
        times = [due for calendar in calendars if (due := calendar.next_due_ms) is not None]
        return min(times) + self._margin_ms if times else None

    def needs_proof(self, at_ms: int) -> bool:
        """Whether at `at_ms` something is due that the log has not decided yet.

        A bucket without an open entry needs none: it is settled here, without asking Kafka.
        """
        latest, settled = at_ms - self._margin_ms, 0
        while (due := self._due.next_due_ms) is not None and due <= latest and settled < EXPIRE_MAX:
            keys = self._due.first()
            if any(may_be_open(self._table.packed(key)) for key in keys):
                return due > self._proven_ms
            settled += len(keys)
            self._settle(self._due.take(due, len(keys)), due)
        both = self._both_proven_ms
        return any(
            self._has_passed(c, latest) and not self._has_passed(c, both) for c in (self._forget, self._early.untold)
        )

    def expire(self) -> None:
        """Decide what the log has decided, up to `EXPIRE_MAX` keys: missing receipts, and what is to be forgotten."""
        self._settle(self._due.take(self._proven_ms, EXPIRE_MAX), self._proven_ms)
        both = self._both_proven_ms
        for key in self._early.untold.take(both, EXPIRE_MAX):
            self._early.tell(key, both)
        for key in self._forget.take(both, EXPIRE_MAX):
            self._forget_key(key, both)
        for key in self._early.reconsidered[:EXPIRE_MAX]:
            self._early.look_again(key)
        del self._early.reconsidered[:EXPIRE_MAX]

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
            entries = entries_under(self._table, key)
            latest = -1
            for at, entry in enumerate(entries):
                if isinstance(entry, EarlyEntry | FormatEntry) or entry.deadline_at_ms > proven_ms:
                    continue
                latest = max(latest, entry.deadline_at_ms)
                if isinstance(entry, OpenEntry):
                    entries[at] = self._teller.missing(entry)
                    self._table.put(key, entries)
            if latest >= 0:
                self._forget.add(latest + CLOSED_KEEP_MS, key)

    def _forget_key(self, key: bytes, until_ms: int) -> None:
        kept: Entries = []
        entries = entries_under(self._table, key)
        for entry in entries:
            if isinstance(entry, EarlyEntry) and entry.forget_at_ms <= until_ms:
                if entry.first:
                    self._teller.orphan(entry.receipt, "no_submission")
            elif not (isinstance(entry, ClosedEntry) and entry.deadline_at_ms + CLOSED_KEEP_MS <= until_ms):
                kept.append(entry)
        if len(kept) < len(entries):
            self._table.put(key, kept or None)
