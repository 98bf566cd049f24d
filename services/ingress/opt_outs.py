"""Pure: numbers that want no messages, as the table `config.optouts` says. Kept in memory by ingress."""

from typing import Final

EVERY_ACCOUNT: Final = "*"


class OptOuts:
    """A set of account and number; the account may be every one."""

    def __init__(self) -> None:
        self._places: set[str] = set()

    def __len__(self) -> int:
        return len(self._places)

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """One record of the topic: the key is `account_id|to`, a tombstone is an opt-in. Other keys say nothing."""
        account_id, bar, number = (key or b"").decode("utf-8", "replace").rpartition("|")
        if not bar:
            return
        place = _place(account_id, number.removeprefix("+"))
        if value is None:
            self._places.discard(place)
        else:
            self._places.add(place)

    def has(self, account_id: str, number: str) -> bool:
        """Whether `number` (digits) wants nothing of this account."""
        if not self._places:
            return False
        return _place(account_id, number) in self._places or _place(EVERY_ACCOUNT, number) in self._places


def _place(account_id: str, number: str) -> str:
    return f"{account_id}|{number}"
