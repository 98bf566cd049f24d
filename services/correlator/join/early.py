"""Pure: receipts that came before the result they are about, and wait for it under its join key.

They are told of after some minutes, forgotten after some days, and looked for anew when the rules have changed.
"""

from typing import Final

from schemas.joins import EarlyEntry, OpenEntry, SeenReceipt
from services.correlator.join.deadlines import Calendar
from services.correlator.join.entries import Entries, entries_under
from services.correlator.join.matching import numbers_fit
from services.correlator.join.rules import JoinRules
from services.correlator.join.searches import Search, place_of, provider_and_name
from services.correlator.join.telling import SegmentTeller
from services.correlator.state.table import StateTable

EARLY_KEEP_MS: Final = 72 * 3_600_000
EARLY_TELL_MS: Final = 300_000
TELL_WIDTH_MS: Final = 10_000

EARLY_MAX: Final = 8
"""Early receipts under one join key; what comes beyond them is an orphan at once."""


class EarlyReceipts:
    """Those of one partition. They are entries of its `table`; `forget` says when its keys are to be looked through."""

    def __init__(self, table: StateTable[Entries], rules: JoinRules, teller: SegmentTeller, forget: Calendar) -> None:
        self._table: Final = table
        self._rules: Final = rules
        self._teller: Final = teller
        self._forget: Final = forget
        self.untold: Final = Calendar(TELL_WIDTH_MS)
        self._keys: dict[bytes, None] = {}
        """Keys with early receipts, and perhaps some that have none any more."""
        self.reconsidered: list[bytes] = []
        """Keys that are to be looked at again."""

    def reconsider(self) -> None:
        """The rules have changed: all that wait are looked at again, in the cycles that follow."""
        self.reconsidered = list(self._keys)

    def belonging(self, key: bytes, opened: OpenEntry, entries: Entries) -> list[EarlyEntry]:
        """The early receipts of a segment that was not known: those with its number; where there are none, those that
        can be about nothing else."""
        waiting = [entry for entry in entries if isinstance(entry, EarlyEntry)]
        fitting = [entry for entry in waiting if numbers_fit(opened.to, entry.receipt.source_addr)]
        if fitting or not waiting:
            return fitting
        provider, name = provider_and_name(key)
        return [entry for entry in waiting if self._rules.names(provider, entry.receipt) == (name,)]

    def park(self, key: bytes, entries: Entries, seen: SeenReceipt, *, first: bool) -> bool:
        """Keep it early; False where that cannot be."""
        early = [entry for entry in entries if isinstance(entry, EarlyEntry)]
        if any(place_of(entry.receipt) == place_of(seen) for entry in early):
            return True
        if len(early) >= EARLY_MAX:
            return False
        entry = EarlyEntry("early", seen.record_at_ms + EARLY_KEEP_MS, first, False, seen)
        entries.append(entry)
        self._table.put(key, entries)
        self.expect(key, entry)
        return True

    def expect(self, key: bytes, entry: EarlyEntry) -> None:
        """Note when this one is to be told of, and forgotten."""
        self._keys[key] = None
        self._forget.add(entry.forget_at_ms, key)
        if entry.first and not entry.told:
            self.untold.add(entry.receipt.record_at_ms + EARLY_TELL_MS, key)

    def tell(self, key: bytes, until_ms: int) -> None:
        """Receipts that have waited for minutes: said so, and looked for under every name that one could think of."""
        entries = entries_under(self._table, key)
        provider, _ = provider_and_name(key)
        for at, entry in enumerate(entries):
            if not isinstance(entry, EarlyEntry) or entry.told or not entry.first:
                continue
            seen = entry.receipt
            if seen.record_at_ms + EARLY_TELL_MS > until_ms:
                continue
            entries[at] = entry._replace(told=True)
            self._table.put(key, entries)
            self._teller.orphan(seen, "no_submission_yet")
            here = self._rules.names(provider, seen)
            others = tuple(name for name in self._rules.every_name(seen) if name not in here)
            if others:
                self._teller.pass_on(provider, others[0], Search(seen, others, parked=here, parks=False, strict=True))
            elif len(here) > 1:
                self._teller.pass_on(provider, here[0], Search(seen, here, parked=here, parks=False))

    def look_again(self, key: bytes) -> None:
        """What waits here is looked for by today's rules; where it waits elsewhere too, only from the first place."""
        entries = entries_under(self._table, key)
        early = [entry for entry in entries if isinstance(entry, EarlyEntry)]
        if not early:
            self._keys.pop(key, None)
            return
        provider, _ = provider_and_name(key)
        self._table.put(key, [entry for entry in entries if not isinstance(entry, EarlyEntry)] or None)
        for entry in early:
            names = self._rules.names(provider, entry.receipt)
            if entry.first and names:
                self._teller.pass_on(provider, names[0], Search(entry.receipt, names))
