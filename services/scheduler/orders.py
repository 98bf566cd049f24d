"""Pure: commands that are remembered, for messages that come later than the command did.

A command overtakes its message, or meets it in ingress: for ten minutes whatever it is about, and was accepted before
it, ends or moves as soon as it comes. A message is found by its id, its key or its campaign.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from schemas.message_context import MessageContext
from schemas.waiting import ORDER_KEY, RememberedOrder

REMEMBERED_MS: Final = 600_000
UNKNOWN_AFTER_MS: Final = 10_000
"""When a command about a message id that nobody has seen is answered."""

_Name = tuple[str, str, str]


def order_key(partition: int, offset: int) -> bytes:
    """The key of an order: the place of its command."""
    return ORDER_KEY + b"%d/%d" % (partition, offset)


class Orders:
    """The orders of one partition, by what they are about."""

    def __init__(self, found: Iterable[tuple[bytes, RememberedOrder]] = ()) -> None:
        self._by_key: dict[bytes, RememberedOrder] = {}
        self._by_name: dict[_Name, dict[bytes, None]] = {}
        for key, order in found:
            self.put(key, order)

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def get(self, key: bytes) -> RememberedOrder | None:
        return self._by_key.get(key)

    def put(self, key: bytes, order: RememberedOrder) -> None:
        """Remember, or replace what is remembered."""
        self._by_key[key] = order
        self._by_name.setdefault(_name_of(order), {})[key] = None

    def remove(self, key: bytes) -> None:
        order = self._by_key.pop(key, None)
        if order is not None:
            name = _name_of(order)
            self._by_name[name].pop(key, None)
            if not self._by_name[name]:
                del self._by_name[name]

    def about(self, context: MessageContext) -> Iterator[tuple[bytes, RememberedOrder]]:
        """The orders that cover a message, the first one given first; empty for most messages."""
        if not self._by_key:
            return
        found = [
            (key, self._by_key[key])
            for name in _names_of(context)
            for key in self._by_name.get(name, ())
            if self._by_key[key].given_at_ms >= context.accepted_at_ms
        ]
        yield from sorted(found, key=lambda one: (one[1].given_at_ms, one[0]))

    def unswept(self) -> list[tuple[bytes, RememberedOrder]]:
        """Those for which not all that waits has been looked through."""
        return [(key, order) for key, order in self._by_key.items() if not order.swept]


def _name_of(order: RememberedOrder) -> _Name:
    command = order.command
    if command.campaign_id is not None:
        return command.account_id, "campaign", command.campaign_id
    if command.message_id is not None:
        return command.account_id, "message", command.message_id
    return command.account_id, "key", command.idempotency_key or ""


def _names_of(context: MessageContext) -> list[_Name]:
    account_id = context.account_id
    names = [(account_id, "message", context.message_id)]
    if context.idempotency_key:
        names.append((account_id, "key", context.idempotency_key))
    if context.campaign_id:
        names.append((account_id, "campaign", context.campaign_id))
    return names
