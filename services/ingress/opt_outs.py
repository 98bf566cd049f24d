"""Pure: numbers that want no messages, as the table `config.optouts` says. Kept in memory by ingress."""

from schemas.optouts import EVERY_ACCOUNT
from shared.kafka.records import object_of


class OptOuts:
    """Who wants nothing of which account, or of which of its senders; the account may be every one."""

    def __init__(self) -> None:
        self._confirmations: dict[str, str] = {}
        """By place: the idempotency key of the request that may still be sent; empty for none."""

    def __len__(self) -> int:
        return len(self._confirmations)

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """One record of the topic; its key says it all, a tombstone is an opt-in. Other keys say nothing."""
        head, bar, number = (key or b"").decode("utf-8", "replace").rpartition("|")
        if not bar:
            return
        place = f"{head}|{number.removeprefix('+')}"
        if value is None:
            self._confirmations.pop(place, None)
        else:
            self._confirmations[place] = str(object_of(value).get("confirmation") or "")

    def has(self, account_id: str, number: str, sender: str = "", idempotency_key: str | None = None) -> bool:
        """Whether `number` (digits) wants nothing of this account, or of this sender of it; but for the request that
        confirms the opt-out."""
        if not self._confirmations:
            return False
        for account in (account_id, EVERY_ACCOUNT):
            for place in (f"{account}|{number}", f"{account}|{sender}|{number}"):
                confirmation = self._confirmations.get(place)
                if confirmation is not None and not (confirmation and confirmation == idempotency_key):
                    return True
        return False
