"""Pure: the matches of one partition, by provider and format, until they are told to whoever learns from them."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from schemas.joins import SeenReceipt
from services.correlator.join.rules import JoinRules

AGREEING_KEPT_MAX: Final = 1_000
"""Matches that agree with what was learned are counted up to here, and told only beside others that do not."""


class MatchCounts:
    """Counts matches; `take` gives what is to be told and begins anew."""

    def __init__(self, rules: JoinRules) -> None:
        self._rules: Final = rules
        self._told: dict[str, Counter[str]] = {}
        self._agreeing: Counter[str] = Counter()

    def count(self, provider: str, name: str, seen: SeenReceipt, *, certain: bool, searched: bool) -> None:
        """A receipt was joined under `name`. `certain`: nothing else could be meant; `searched`: it was looked for
        under every format, against what is known."""
        if not self._rules.learns(provider):
            return
        if self._rules.known(provider) is not None and not searched:
            self._agreeing[provider] = min(AGREEING_KEPT_MAX, self._agreeing[provider] + 1)
            return
        formats = self._rules.formats_for(seen, name)
        if certain and len(formats) == 1:
            self._told.setdefault(provider, Counter())[formats[0]] += 1

    def take(self) -> Iterator[tuple[str, Counter[str]]]:
        """Providers with their matches by format."""
        for provider, matches in self._told.items():
            known = self._rules.known(provider)
            if known is not None:
                matches[known] += self._agreeing.pop(provider, 0)
            yield provider, matches
        self._told = {}
