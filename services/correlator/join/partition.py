"""Pure: step one of the correlator for one partition: submit results and receipts, joined in either order.

Theory. Under a join key (`provider|smsc_id`, the id as the response wrote it) lie entries, oldest first. A submit
result opens one; an SMSC that reuses its ids opens another. A receipt goes to the entry that fits it best
(`matching.py`), and where there is none it is kept early until a result comes.

    result ──▶ open ──final receipt, deadline, or receipt = none──▶ closed ──a day after the deadline──▶ forgotten
    receipt without an entry ──▶ early ──result──▶ used              early ──72 h──▶ forgotten (orphan)

Where the id of a receipt may stand for several names it is looked for under one after the other (`searches.py`), and
waits early (`early.py`) under all of them; there only an entry with the right number will do, or one that is the only
one. What the log decides by having no more to say is in `due.py`.

Only the step from open to closed ends a segment, so none ends twice. What follows (statuses, outcomes, events, changed
entries) is collected and taken with `flush`, which belongs to one Kafka transaction: when that fails the process exits.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from schemas.joins import POSITIONS_KEY, EarlyEntry, FormatEntry, JoinEntries, OpenEntry, SeenReceipt
from schemas.learned_formats import LearnedFormat
from schemas.topics import JOINS, MESSAGE_ID_FORMATS
from services.correlator.join.deadlines import Calendar
from services.correlator.join.due import DueEntries
from services.correlator.join.early import EarlyReceipts
from services.correlator.join.entries import (
    ENTRIES_MAX,
    Accepted,
    Entries,
    apart,
    entries_under,
    has_name,
    make_room,
    pack,
    unpack,
)
from services.correlator.join.events import format_event
from services.correlator.join.learning import NOTHING_LEARNED, learn
from services.correlator.join.match_counts import MatchCounts
from services.correlator.join.matching import Belonging, best_match, numbers_fit
from services.correlator.join.rules import JoinRules
from services.correlator.join.searches import ReceiptPlace, Search, found_out, matches_out, place_of, provider_and_name
from services.correlator.join.telling import SegmentTeller
from services.correlator.state.closed_marks import JOIN_MARKS
from services.correlator.state.table import StateTable
from shared.kafka.records import Out
from shared.messages.events import EventMaker

FORGET_WIDTH_MS: Final = 600_000
"""Forgetting is no hurry: one waking in ten minutes at most."""

RESTORE_SLICE: Final = 5_000


class JoinPartition:
    """The join's state for one partition, and what has changed in it since the last `flush`."""

    def __init__(self, number: int, events: EventMaker, rules: JoinRules | None = None, apart_ms: int = 0) -> None:
        """`apart_ms`: how far the clocks of Kafka's brokers may differ; 0 where there is one."""
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
        self._rules: Final = rules or JoinRules()
        self._events: Final = events
        self._teller: Final = SegmentTeller(events, self._rules)
        forget = Calendar(FORGET_WIDTH_MS)
        self.early: Final = EarlyReceipts(self.table, self._rules, self._teller, forget)
        self.due: Final = DueEntries(self.table, self._teller, self.early, forget, apart_ms)
        self._matches: Final = MatchCounts(self._rules)

    def restored(self) -> Iterator[None]:
        """The table is restored: note what is due when. Yields now and then, for heartbeats to go on."""
        for count, (key, entries) in enumerate(self.table.items()):
            for entry in entries:
                if isinstance(entry, EarlyEntry):
                    self.early.expect(key, entry)
                elif not isinstance(entry, FormatEntry):
                    self.due.add(entry.deadline_at_ms, key)
            if count % RESTORE_SLICE == 0:
                yield

    # -- what is read -----------------------------------------------------------------------------------------------

    def result(self, key: bytes, accepted: Accepted) -> None:
        """An accepted segment. A repeat of one that is known changes nothing."""
        opened, answered_at_ms = accepted
        name = (opened.message_id, opened.segment_index)
        entries = entries_under(self.table, key)
        if entries and (has_name(entries, name) or entries_under(self.table, apart(key, name))):
            return
        early = self.early.belonging(key, opened, entries) if entries else []
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
        if isinstance(entry, OpenEntry) and self.due.is_over(entry.deadline_at_ms):
            entry = self._teller.missing(entry)
        entries.append(entry)
        self.table.put(key, entries)
        self.due.add(entry.deadline_at_ms, key)

    def receipt(self, key: bytes, seen: SeenReceipt) -> None:
        """A receipt: to the entry that fits it best, else kept early, and looked for under the next name."""
        self.due.receipts_clock.read_record(seen.record_at_ms)
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
            self._teller.pass_on(provider, names[0], search)
            return
        entries = entries_under(self.table, key)
        match = best_match(entries, seen) if entries else None
        sure = not search.strict and (len(names) == 1 or search.decided)
        if match is not None and (match.fits or sure):
            self._apply(key, provider, name, entries, search, match)
        elif not search.decided:
            self._go_on(key, provider, name, entries, search, match)

    def found(self, key: bytes, origin: ReceiptPlace) -> None:
        """A receipt that may wait here was joined under another name."""
        entries = entries_under(self.table, key)
        kept = [e for e in entries if not (isinstance(e, EarlyEntry) and place_of(e.receipt) == origin)]
        if len(kept) < len(entries):
            self.table.put(key, kept or None)

    def learn(self, key: bytes, matches: Mapping[str, int], at_ms: int) -> None:
        """Matches of one provider, from any partition; this is the one that counts them."""
        provider, _ = provider_and_name(key)
        entries = entries_under(self.table, key)
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
            if self.early.park(key, entries, seen, first=name == names[0]):
                search = search._replace(parked=(*search.parked, name))
            elif name == names[0]:
                self._teller.orphan(seen, "too_many")
        if match is not None:
            search = search._replace(doubtful=(*search.doubtful, name))
        rest = names[names.index(name) + 1 :]
        if rest:
            self._teller.pass_on(provider, rest[0], search)
        elif search.doubtful and not search.strict:
            self._teller.pass_on(provider, search.doubtful[0], search._replace(decided=True))

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
