"""Pure: `config.optouts` as an account sees it: its own entries, and those for every account."""

import heapq
from typing import Any, Final, NamedTuple

from schemas.optouts import EVERY_ACCOUNT
from shared.kafka.records import object_of


class KnownOptOut(NamedTuple):
    """What a number has said: to whom (`account_id`, or every one), to which sender (empty: to any), and when."""

    account_id: str
    to: str
    sender: str
    since_ms: int
    source: str

    @property
    def for_all(self) -> bool:
        return self.account_id == EVERY_ACCOUNT


class OptOutList:
    """The table in memory, by account and number."""

    def __init__(self) -> None:
        self._entries: Final[dict[str, dict[str, tuple[KnownOptOut, ...]]]] = {}

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """One record of the topic. A tombstone is an opt-in; keys of another form say nothing."""
        parts = (key or b"").decode("utf-8", "replace").split("|", 1)
        if len(parts) < 2:
            return
        account_id = parts[0]
        sender, _, number = parts[1].rpartition("|")
        to = number.removeprefix("+")
        numbers = self._entries.setdefault(account_id, {})
        others = tuple(one for one in numbers.get(to, ()) if one.sender != sender)
        if value is not None:
            others += (_entry(account_id, to, sender, object_of(value)),)
        if others:
            numbers[to] = others
        else:
            numbers.pop(to, None)

    def of(self, account_id: str, number: str) -> tuple[KnownOptOut, ...]:
        """All that concerns this account and number (digits): what is for all its senders first, its own before that
        for every account."""
        own = self._entries.get(account_id, {}).get(number, ())
        every = self._entries.get(EVERY_ACCOUNT, {}).get(number, ())
        return tuple(sorted((*own, *every), key=lambda one: (one.sender != "", one.for_all)))

    def has(self, account_id: str, number: str, sender: str) -> bool:
        """Whether `number` wants nothing of the account, or of this sender of it."""
        return any(one.sender in ("", sender) for one in self.of(account_id, number))

    def numbers(self, account_id: str, after: str, limit: int) -> list[str]:
        """The first `limit` numbers behind `after` with an entry that concerns the account, in order of their digits as
        text."""
        known = self._entries.get(account_id, {}).keys() | self._entries.get(EVERY_ACCOUNT, {}).keys()
        return heapq.nsmallest(limit, (number for number in known if number > after))


def _entry(account_id: str, to: str, sender: str, told: dict[str, Any]) -> KnownOptOut:
    since_ms, source = told.get("since_ms"), told.get("source")
    return KnownOptOut(
        account_id,
        to,
        sender,
        since_ms if type(since_ms) is int and 0 <= since_ms < 4_102_444_800_000 else 0,
        source if isinstance(source, str) else "",
    )
