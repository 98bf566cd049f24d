"""Pure: step one of the correlator for one partition: submit results and receipts, joined in either order.

Theory. Under a join key (`provider|smsc_id`, the id as the response wrote it) lie entries, oldest first. A submit
result opens one; an SMSC that reuses its ids opens another. A receipt goes to the entry that fits it best
(`matching.py`), and where there is none it is kept early until a result comes.

    result ──▶ open ──final receipt, deadline, or receipt = none──▶ closed ──a day after the deadline──▶ forgotten
    receipt without an entry ──▶ early ──result──▶ used              early ──72 h──▶ forgotten (orphan)

Where the id of a receipt may stand for several names it is looked for under one after the other (`searches.py`), and
waits early under all of them; there only an entry with the right number will do, or one that is the only one.

Only the step from open to closed ends a segment, so none ends twice. What follows (statuses, outcomes, events, changed
entries) is collected and taken with `flush`, which belongs to one Kafka transaction: when that fails the process exits.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from schemas.joins import POSITIONS_KEY, ClosedEntry, EarlyEntry, FormatEntry, JoinEntries, OpenEntry, SeenReceipt
from schemas.learned_formats import LearnedFormat
from schemas.topics import JOINS, MESSAGE_ID_FORMATS
from services.correlator.join.deadlines import WATERMARK_MARGIN_MS, Calendar, LogClock
from services.correlator.join.entries import (
    ENTRIES_MAX,
    Accepted,
    Entries,
    apart,
    has_name,
    make_room,
    may_be_open,
    pack,
    unpack,
)
from services.correlator.join.events import format_event
from services.correlator.join.learning import NOTHING_LEARNED, learn
from services.correlator.join.match_counts import MatchCounts
from services.correlator.join.matching import Belonging, best_match, numbers_fit
from services.correlator.join.rules import JoinRules
from services.correlator.join.searches import (
    ReceiptPlace,
    Search,
    found_out,
    matches_out,
    place_of,
    provider_and_name,
    search_out,
)
from services.correlator.join.telling import SegmentTeller
from services.correlator.state.closed_marks import JOIN_MARKS
from services.correlator.state.table import StateTable
from shared.kafka.records import Out
from shared.messages.events import EventMaker

HOUR_MS: Final = 3_600_000
EARLY_KEEP_MS: Final = 72 * HOUR_MS
EARLY_TELL_MS: Final = 300_000
CLOSED_KEEP_MS: Final = 24 * HOUR_MS
DUE_WIDTH_MS: Final = 1_000
TELL_WIDTH_MS: Final = 10_000
FORGET_WIDTH_MS: Final = 600_000
"""Forgetting is no hurry: one waking in ten minutes at most."""

RESTORE_SLICE: Final = 5_000
EXPIRE_MAX: Final = 2_000
"""Keys decided in one cycle at most: those of an hour that nobody ran must not become one transaction."""

EARLY_MAX: Final = 8
"""Early receipts under one join key; what comes beyond them is an orphan at once."""


class JoinPartition:
    """The join's state for one partition, and what has changed in it since the last `flush`."""

    def __init__(self, number: int, events: EventMaker, rules: JoinRules | None = None, apart_ms: int = 0) -> None:
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
        self._rules: Final = rules or JoinRules()
        self._events: Final = events
        self._teller: Final = SegmentTeller(events, self._rules)
        self._due: Final = Calendar(DUE_WIDTH_MS)
        self._tell: Final = Calendar(TELL_WIDTH_MS)
        self._forget: Final = Calendar(FORGET_WIDTH_MS)
        self._early: dict[bytes, None] = {}
        """Keys with early receipts, and perhaps some that have none any more."""
        self._reconsidered: list[bytes] = []
        self._matches: Final = MatchCounts(self._rules)

    def restored(self) -> Iterator[None]:
        """The table is restored: note what is due when. Yields now and then, for heartbeats to go on."""
        for count, (key, entries) in enumerate(self.table.items()):
            for entry in entries:
                if isinstance(entry, EarlyEntry):
                    self._await(key, entry)
                elif not isinstance(entry, FormatEntry):
                    self._due.add(entry.deadline_at_ms, key)
            if count % RESTORE_SLICE == 0:
                yield

    # -- what is read -----------------------------------------------------------------------------------------------

    def result(self, key: bytes, accepted: Accepted) -> None:
        """An accepted segment. A repeat of one that is known changes nothing."""
        opened, answered_at_ms = accepted
        name = (opened.message_id, opened.segment_index)
        entries = self._load(key)
        if entries and (has_name(entries, name) or self._load(apart(key, name))):
            return
        early = self._belonging(key, opened, entries) if entries else []
        if early:
            entries = [entry for entry in entries if entry not in early]
        for waiting in early:
            self._joined(
                *provider_and_name(key), waiting.receipt, numbers_fit(opened.to, waiting.receipt.source_addr), None
            )
        if len(entries) >= ENTRIES_MAX:
            key, entries = make_room(key, entries, name)
        entry = self._teller.accepted(opened, answered_at_ms)
        for waiting in early:
            entry = self._teller.receipt(entry, waiting.receipt)
        if isinstance(entry, OpenEntry) and entry.deadline_at_ms <= self._proven_ms:
            entry = self._teller.missing(entry)
        entries.append(entry)
        self.table.put(key, entries)
        self._due.add(entry.deadline_at_ms, key)

    def receipt(self, key: bytes, seen: SeenReceipt) -> None:
        """A receipt: to the entry that fits it best, else kept early, and looked for under the next name."""
        self.receipts_clock.read_record(seen.record_at_ms)
        provider, name = provider_and_name(key)
        names = self._rules.names(provider, seen)
        if names:
            self._look(key, provider, name, Search(seen, names))
        else:
            self._teller.orphan(seen, "no_id")

    def search(self, key: bytes, search: Search) -> None:
        """A receipt that is looked for under this key."""
        self._look(key, *provider_and_name(key), search)

    def _look(self, key: bytes, provider: str, name: str, search: Search) -> None:
        seen, names = search.receipt, search.names
        if name not in names:  # it was filed by what was believed of the provider's ids then
            self._pass_on(provider, names[0], search)
            return
        entries = self._load(key)
        match = best_match(entries, seen) if entries else None
        sure = not search.strict and (len(names) == 1 or search.decided)
        if match is not None and (match.fits or sure):
            self._apply(key, provider, name, entries, search, match)
        elif not search.decided:
            self._go_on(key, provider, name, entries, search, match)

    def found(self, key: bytes, origin: ReceiptPlace) -> None:
        """A receipt that may wait here was joined under another name."""
        entries = self._load(key)
        kept = [e for e in entries if not (isinstance(e, EarlyEntry) and place_of(e.receipt) == origin)]
        if len(kept) < len(entries):
            self.table.put(key, kept or None)

    def learn(self, key: bytes, matches: Mapping[str, int], at_ms: int) -> None:
        """Matches of one provider, from any partition; this is the one that counts them."""
        provider, _ = provider_and_name(key)
        entries = self._load(key)
        before = next((entry for entry in entries if isinstance(entry, FormatEntry)), NOTHING_LEARNED)
        after, changed = learn(before, matches)
        if after != before:
            self.table.put(key, [after])
        if changed:
            learned = LearnedFormat(
                provider=provider, format=after.format or None, counts=after.counts, decided_at_ms=at_ms
            )
            self._teller.outs += [
                Out(MESSAGE_ID_FORMATS, provider.encode(), learned.to_json()),
                format_event(self._events, learned),
            ]

    def reconsider(self) -> None:
        """The rules have changed: what waits early is looked at again, in the cycles that follow."""
        self._reconsidered = list(self._early)

    # -- deadlines --------------------------------------------------------------------------------------------------

    def next_due_ms(self) -> int | None:
        """When, by Kafka's clock, something becomes due that a high watermark fetched then can decide; 0 when
        something decided is still to be done.
        """
        both = self._both_proven_ms
        if (
            self._reconsidered
            or self._has_passed(self._due, self._proven_ms)
            or self._has_passed(self._forget, both)
            or self._has_passed(self._tell, both)
        ):
            return 0
        calendars = (self._due, self._forget, self._tell)
        times = [due for calendar in calendars if (due := calendar.next_due_ms) is not None]
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
        both = self._both_proven_ms
        return any(self._has_passed(c, latest) and not self._has_passed(c, both) for c in (self._forget, self._tell))

    def expire(self) -> None:
        """Decide what the log has decided, up to `EXPIRE_MAX` keys: missing receipts, and what is to be forgotten."""
        self._settle(self._due.take(self._proven_ms, EXPIRE_MAX), self._proven_ms)
        both = self._both_proven_ms
        for key in self._tell.take(both, EXPIRE_MAX):
            self._tell_early(key, both)
        for key in self._forget.take(both, EXPIRE_MAX):
            self._forget_key(key, both)
        for key in self._reconsidered[:EXPIRE_MAX]:
            self._reconsider_key(key)
        del self._reconsidered[:EXPIRE_MAX]

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
                if isinstance(entry, EarlyEntry | FormatEntry) or entry.deadline_at_ms > proven_ms:
                    continue
                latest = max(latest, entry.deadline_at_ms)
                if isinstance(entry, OpenEntry):
                    entries[at] = self._teller.missing(entry)
                    self.table.put(key, entries)
            if latest >= 0:
                self._forget.add(latest + CLOSED_KEEP_MS, key)

    def _forget_key(self, key: bytes, until_ms: int) -> None:
        kept: Entries = []
        entries = self._load(key)
        for entry in entries:
            if isinstance(entry, EarlyEntry) and entry.forget_at_ms <= until_ms:
                if entry.first:
                    self._teller.orphan(entry.receipt, "no_submission")
            elif not (isinstance(entry, ClosedEntry) and entry.deadline_at_ms + CLOSED_KEEP_MS <= until_ms):
                kept.append(entry)
        if len(kept) < len(entries):
            self.table.put(key, kept or None)

    # -- early receipts ---------------------------------------------------------------------------------------------

    def _belonging(self, key: bytes, opened: OpenEntry, entries: Entries) -> list[EarlyEntry]:
        """The early receipts of a segment that was not known: those with its number; where there are none, those that
        can be about nothing else."""
        waiting = [entry for entry in entries if isinstance(entry, EarlyEntry)]
        fitting = [entry for entry in waiting if numbers_fit(opened.to, entry.receipt.source_addr)]
        if fitting or not waiting:
            return fitting
        provider, name = provider_and_name(key)
        return [entry for entry in waiting if self._rules.names(provider, entry.receipt) == (name,)]

    def _park(self, key: bytes, entries: Entries, seen: SeenReceipt, *, first: bool) -> bool:
        """Keep it early; False where that cannot be."""
        early = [entry for entry in entries if isinstance(entry, EarlyEntry)]
        if any(place_of(entry.receipt) == place_of(seen) for entry in early):
            return True
        if len(early) >= EARLY_MAX:
            return False
        entry = EarlyEntry("early", seen.record_at_ms + EARLY_KEEP_MS, first, False, seen)
        entries.append(entry)
        self.table.put(key, entries)
        self._await(key, entry)
        return True

    def _await(self, key: bytes, entry: EarlyEntry) -> None:
        self._early[key] = None
        self._forget.add(entry.forget_at_ms, key)
        if entry.first and not entry.told:
            self._tell.add(entry.receipt.record_at_ms + EARLY_TELL_MS, key)

    def _tell_early(self, key: bytes, until_ms: int) -> None:
        """Receipts that have waited for minutes: said so, and looked for under every name that one could think of."""
        entries = self._load(key)
        provider, _ = provider_and_name(key)
        for at, entry in enumerate(entries):
            if not isinstance(entry, EarlyEntry) or entry.told or not entry.first:
                continue
            seen = entry.receipt
            if seen.record_at_ms + EARLY_TELL_MS > until_ms:
                continue
            entries[at] = entry._replace(told=True)
            self.table.put(key, entries)
            self._teller.orphan(seen, "no_submission_yet")
            here = self._rules.names(provider, seen)
            others = tuple(name for name in self._rules.every_name(seen) if name not in here)
            if others:
                self._pass_on(provider, others[0], Search(seen, others, parked=here, parks=False, strict=True))
            elif len(here) > 1:
                self._pass_on(provider, here[0], Search(seen, here, parked=here, parks=False))

    def _reconsider_key(self, key: bytes) -> None:
        """What waits here is looked for by today's rules; where it waits elsewhere too, only from the first place."""
        entries = self._load(key)
        early = [entry for entry in entries if isinstance(entry, EarlyEntry)]
        if not early:
            self._early.pop(key, None)
            return
        provider, _ = provider_and_name(key)
        self.table.put(key, [entry for entry in entries if not isinstance(entry, EarlyEntry)] or None)
        for entry in early:
            names = self._rules.names(provider, entry.receipt)
            if entry.first and names:
                self._pass_on(provider, names[0], Search(entry.receipt, names))

    # -- a search ---------------------------------------------------------------------------------------------------

    def _apply(self, key: bytes, provider: str, name: str, entries: Entries, search: Search, match: Belonging) -> None:
        seen, before = search.receipt, match.entry
        after = self._teller.receipt(before, seen)
        if after is not before:
            entries[match.at] = after
            self.table.put(key, entries)
        sure_of_it = match.fits or len(search.names) == 1 or len(search.doubtful) == 1
        self._joined(provider, name, seen, sure_of_it, search)
        if search.parked:
            self.found(key, place_of(seen))

    def _go_on(
        self, key: bytes, provider: str, name: str, entries: Entries, search: Search, match: Belonging | None
    ) -> None:
        """Nothing here: wait, and ask under the next name; at the end of all names, where there was anything at all."""
        seen, names = search.receipt, search.names
        if search.parks and name not in search.parked:
            if self._park(key, entries, seen, first=name == names[0]):
                search = search._replace(parked=(*search.parked, name))
            elif name == names[0]:
                self._teller.orphan(seen, "too_many")
        if match is not None:
            search = search._replace(doubtful=(*search.doubtful, name))
        rest = names[names.index(name) + 1 :]
        if rest:
            self._pass_on(provider, rest[0], search)
        elif search.doubtful and not search.strict:
            self._pass_on(provider, search.doubtful[0], search._replace(decided=True))

    def _pass_on(self, provider: str, name: str, search: Search) -> None:
        self._teller.outs.append(search_out(provider, name, search))

    def _joined(self, provider: str, name: str, seen: SeenReceipt, certain: bool, search: Search | None) -> None:
        """It was joined here: it waits nowhere else any more, and says how the provider writes ids."""
        for other in self._rules.names(provider, seen) if search is None else search.parked:
            if other != name:
                self._teller.outs.append(found_out(provider, other, seen))
        self._matches.count(provider, name, seen, certain=certain, searched=search is not None and search.strict)

    # -- the end of a cycle -----------------------------------------------------------------------------------------

    def flush(self) -> list[Out]:
        """Everything that follows from what was read and decided since the last call, the changelog included."""
        self._teller.outs += [matches_out(provider, matches) for provider, matches in self._matches.take()]
        outs, self._teller.outs = self._teller.outs, []
        return outs + self.table.flush()

    def _load(self, key: bytes) -> Entries:
        return self.table.get(key) or []
