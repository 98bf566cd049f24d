"""Pure: step two of the correlator for one partition: outcomes of segments, folded into one final status per message.

    first outcome ──▶ open ──every index has an outcome──▶ closed ──a day later──▶ forgotten

A message of one segment is closed by its first outcome. Only the step to closed writes a final, so there is never a
second one. A repeat of an index's outcome changes nothing; an outcome of an older route is an event only; one of a
newer route replaces what an older one left open. With `receipt_scope: message` one receipt speaks for every segment
that was accepted (`verdict.spoken_for`).
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

import orjson

from schemas.folds import POSITIONS_KEY, ClosedFold, FoldEntry, OpenFold, SegmentOutcome
from schemas.message_context import context_of
from schemas.outcomes import Outcome
from schemas.topics import FOLDS
from services.correlator.fold.verdict import SUBMITTED, spoken_for, verdict_of
from services.correlator.join.deadlines import Calendar
from services.correlator.state.closed_marks import FOLD_MARKS
from services.correlator.state.table import StateTable
from shared.kafka.records import Headers, Out
from shared.messages.events import EventMaker
from shared.messages.statuses import status_outs

CLOSED_KEEP_MS: Final = 24 * 3_600_000
FORGET_WIDTH_MS: Final = 600_000
RESTORE_SLICE: Final = 5_000
EXPIRE_MAX: Final = 2_000
"""Marks forgotten in one cycle at most."""

Folded: TypeAlias = OpenFold | ClosedFold


def pack(entry: Folded) -> bytes:
    """The bytes to hold in memory: the JSON array of `schemas.folds.FoldEntry.entry`."""
    if isinstance(entry, OpenFold):
        outcomes = [tuple(outcome) for outcome in entry.outcomes]
        return orjson.dumps((*entry[:-2], entry.context.members(), outcomes))
    return orjson.dumps(tuple(entry))


def unpack(packed: bytes) -> Folded:
    """What `pack` packed."""
    fields = orjson.loads(packed)
    if fields[0] == "closed":
        return ClosedFold._make(fields)
    *own, members, outcomes = fields
    return OpenFold._make((*own, context_of(members), [SegmentOutcome._make(outcome) for outcome in outcomes]))


class FoldPartition:
    """The fold's state for one partition, and what has changed in it since the last `flush`."""

    def __init__(self, number: int, events: EventMaker) -> None:
        self.number: Final = number
        self.table: Final = StateTable(
            FOLDS,
            number,
            model=FoldEntry,
            field="entry",
            positions_key=POSITIONS_KEY,
            pack=pack,
            unpack=unpack,
            cold=FOLD_MARKS,
        )
        self._events: Final = events
        self._outs: list[Out] = []
        self._forget: Final = Calendar(FORGET_WIDTH_MS)

    def restored(self) -> Iterator[None]:
        """The table is restored: note what is to be forgotten when. Yields now and then, for heartbeats to go on."""
        for count, (key, entry) in enumerate(self.table.items()):
            if isinstance(entry, ClosedFold):
                self._forget.add(entry.forget_at_ms, key)
            if count % RESTORE_SLICE == 0:
                yield

    def outcome(self, outcome: Outcome, at_ms: int, headers: Headers = ()) -> None:
        """One segment's outcome; `at_ms` is the record's time, from which a closed mark is kept."""
        key = outcome.context.message_id.encode()
        entry = self.table.get(key)
        if isinstance(entry, ClosedFold):
            if outcome.route_no != entry.route_no:
                self._stale(outcome, headers)
            return
        if entry is not None and outcome.route_no < entry.route_no:
            self._stale(outcome, headers)
            return
        if entry is None or outcome.route_no > entry.route_no:
            entry = _opened(outcome)
        was_submitted = len(entry.submitted) == entry.segments
        if not _take(entry, outcome):
            return
        if outcome.receipt_scope == "message":
            entry = spoken_for(entry)
        if len(entry.outcomes) == entry.segments:
            self._close(key, entry, at_ms, headers)
            return
        if entry.context.receipt == "all" and not was_submitted and len(entry.submitted) == entry.segments:
            self._outs += status_outs(
                self._events,
                entry.context,
                SUBMITTED,
                final=False,
                occurred_at_ms=outcome.occurred_at_ms,
                route_no=entry.route_no,
                connector_id=entry.connector_id,
                segments=entry.segments,
                headers=headers,
            )
        self.table.put(key, entry)

    def next_due_ms(self) -> int | None:
        """When closed marks are to be forgotten next, by Kafka's clock."""
        return self._forget.next_due_ms

    def expire(self, at_ms: int) -> None:
        """Forget closed marks whose time is over, up to `EXPIRE_MAX`."""
        for key in self._forget.take(at_ms, EXPIRE_MAX):
            entry = self.table.get(key)
            if isinstance(entry, ClosedFold) and entry.forget_at_ms <= at_ms:
                self.table.put(key, None)

    def flush(self) -> list[Out]:
        """Everything that follows from what was read and decided since the last call, the changelog included."""
        outs, self._outs = self._outs, []
        return outs + self.table.flush()

    def _close(self, key: bytes, entry: OpenFold, at_ms: int, headers: Headers) -> None:
        verdict = verdict_of(entry.outcomes, entry.context.receipt)
        self._outs += status_outs(
            self._events,
            entry.context,
            verdict.status,
            final=True,
            occurred_at_ms=verdict.occurred_at_ms,
            route_no=entry.route_no,
            connector_id=entry.connector_id,
            reason=verdict.reason,
            smsc_error=verdict.smsc_error,
            segments=entry.segments,
            segments_delivered=verdict.segments_delivered,
            headers=headers,
        )
        closed = ClosedFold("closed", at_ms + CLOSED_KEEP_MS, entry.route_no, verdict.status)
        self.table.put(key, closed)
        self._forget.add(closed.forget_at_ms, key)

    def _stale(self, outcome: Outcome, headers: Headers) -> None:
        """An outcome of a route that is not the message's any more: an event only."""
        self._outs.append(
            self._events.out(
                "late_response",
                message_id=outcome.context.message_id,
                occurred_at_ms=outcome.occurred_at_ms,
                identity=(outcome.outcome,),
                headers=headers,
                segment_index=outcome.index,
                attempt=outcome.attempt,
                route_no=outcome.route_no,
                accepted_at_ms=outcome.context.accepted_at_ms,
                connector_id=outcome.connector_id,
                status=outcome.outcome,
                reason=outcome.reason,
                smsc_error=outcome.smsc_error,
                detail="an outcome of a route that no longer decides",
            )
        )


def _opened(outcome: Outcome) -> OpenFold:
    return OpenFold("open", outcome.route_no, outcome.segments, outcome.connector_id, [], outcome.context, [])


def _take(entry: OpenFold, outcome: Outcome) -> bool:
    """Put the outcome into the entry; False when it says nothing new or names no segment of the message."""
    if not 1 <= outcome.index <= entry.segments:
        return False
    if outcome.outcome == SUBMITTED:
        if outcome.index in entry.submitted:
            return False
        entry.submitted.append(outcome.index)
        if entry.context.receipt != "none":
            return True
    if any(known.segment_index == outcome.index for known in entry.outcomes):
        return False
    entry.outcomes.append(
        SegmentOutcome(
            outcome.index, outcome.outcome, outcome.reason or "", outcome.smsc_error or "", outcome.occurred_at_ms
        )
    )
    return True
