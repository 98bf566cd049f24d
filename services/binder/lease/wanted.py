"""Pure: for which dispatch partitions the configuration wants a bind now."""

from collections.abc import Collection, Iterable

from schemas.gateway.connectors.common import CommonConnector
from schemas.gateway.file import Draining


def is_wanted(
    connector: CommonConnector | None,
    draining: Draining | None,
    partition: int,
    now_ms: int,
    *,
    unfinished: Collection[str] = (),
) -> bool:
    """Whether a bind is wanted for `partition`: one of the first max_binds of a connector in use, or of a removed one
    (`draining`) that still waits for receipts, or is among the `unfinished`.
    """
    if connector is None or partition >= connector.max_binds:
        return False
    if draining is None:
        return True
    return not draining.now and (now_ms < _end_ms(draining) or connector.id in unfinished)


def overdue(draining: Iterable[Draining], now_ms: int) -> list[Draining]:
    """Those whose time is over, unless they have no binds anyway: it depends on what is left of them."""
    return [one for one in draining if not one.now and now_ms >= _end_ms(one)]


def next_end_ms(draining: Iterable[Draining], now_ms: int) -> int | None:
    """When the time of the next removed connector is over; None = there is no such time ahead."""
    ends = (_end_ms(one) for one in draining if not one.now)
    return min((end for end in ends if end > now_ms), default=None)


def _end_ms(draining: Draining) -> int:
    return draining.removed_at_ms + draining.connector.receipt_deadline_s * 1000
