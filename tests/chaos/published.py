"""Pure: what was published, by the log of requests itself: one message for each record, or for each idempotency key."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from schemas.requests import rfc3339_ms
from services.cli.demo.reconcile import Published, Submit


@dataclass(frozen=True, slots=True)
class Written:
    """One record of `mt.requests` or `mt.requests.otp`. A copy that ingress moved has the id of the original."""

    message_id: str
    value: dict[str, Any]


@dataclass(slots=True)
class _Message:
    to: str
    receipt: str
    ids: dict[str, None] = field(default_factory=dict)


class Requests:
    """Every message, in the order in which the first record of each was read."""

    def __init__(self) -> None:
        self._messages: dict[str, _Message] = {}
        self.ids: set[str] = set()
        self._due_ms: dict[str, int] = {}

    def add(self, written: Written) -> None:
        """Records with one account and key are one message, however often they were written and where."""
        value = written.value
        key = value.get("idempotency_key")
        name = f"{value['account_id']}:{key}" if key else written.message_id
        message = self._messages.get(name)
        if message is None:
            message = self._messages[name] = _Message(value["to"].lstrip("+"), value.get("receipt", "final"))
        message.ids[written.message_id] = None
        self.ids.add(written.message_id)
        if send_at := value.get("send_at"):
            self._due_ms[message.to] = rfc3339_ms(send_at) or 0

    def published(self, since: int = 0) -> list[Published]:
        """All messages but the first `since`."""
        found = []
        for message in list(self._messages.values())[since:]:
            first, *copies = message.ids
            found.append(Published(first, message.to, message.receipt, tuple(copies)))
        return found

    def early(self, submits: Iterable[Submit]) -> list[str]:
        """Numbers to which something was submitted before its time."""
        due = self._due_ms
        return sorted({submit.to for submit in submits if submit.at_ms < due.get(submit.to, 0)})

    def __len__(self) -> int:
        return len(self._messages)
