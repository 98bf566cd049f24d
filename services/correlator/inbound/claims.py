"""Pure: whose the messages of handsets are: `accounts[].numbers` of the configuration (docs/inbound.md)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from schemas.gateway.accounts import Account
from shared.sms.opt_out_words import folded

BLOCK: Final = "*"


class _Claim(NamedTuple):
    account: Account
    keywords: frozenset[str]
    connector: str | None


class Claims:
    """The numbers of all accounts. An exact number comes before a block, a longer block before a shorter one, one
    connector before any; among equals the order of the file decides."""

    def __init__(self, accounts: Iterable[Account] = ()) -> None:
        self._numbers: dict[str, list[_Claim]] = {}
        self._senders: Final[set[str]] = set()
        for account in accounts:
            self._senders.add((account.default_sender or "").removeprefix("+"))
            for entry in account.numbers:
                claim = _Claim(account, frozenset(map(folded, entry.keyword)), entry.connector)
                self._numbers.setdefault(entry.number, []).append(claim)
        for claims in self._numbers.values():
            claims.sort(key=lambda claim: claim.connector is None)

    def account_of(self, to: str, connector_id: str, words: Sequence[str]) -> Account | None:
        """Whose a message to `to` is: that of the first claim with one of these keywords, else of the number."""
        if not self._numbers:
            return None
        claims = [claim for claim in self._matching(to) if claim.connector in (None, connector_id)]
        for word in map(folded, words):
            for claim in claims:
                if word in claim.keywords:
                    return claim.account
        return next((claim.account for claim in claims if not claim.keywords), None)

    def is_ours(self, number: str) -> bool:
        """Whether a number is an account's own: what comes from it may be an answer of ours."""
        return number.removeprefix("+") in self._senders or any(True for _ in self._matching(number))

    def _matching(self, number: str) -> Iterator[_Claim]:
        number = number.removeprefix("+")
        yield from self._numbers.get(number, ())
        for length in range(len(number), 1, -1):
            yield from self._numbers.get(number[:length] + BLOCK, ())


def fits(pattern: str | None, number: str) -> bool:
    """Whether `number` is the one, or of the block, that `pattern` names; None is any."""
    if pattern is None:
        return True
    number = number.removeprefix("+")
    return number.startswith(pattern[:-1]) if pattern.endswith(BLOCK) else number == pattern


def filled(template: str, fields: Mapping[str, str]) -> str:
    """`template` with the fields in place; it was checked when the configuration was."""
    return template.format_map(fields)
