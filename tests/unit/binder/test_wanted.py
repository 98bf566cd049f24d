"""Pure: for which partitions a bind is wanted."""

from schemas.gateway.connectors.smpp import SmppConnector
from schemas.gateway.file import Draining
from schemas.gateway.values import SecretRef
from services.binder.lease.wanted import is_wanted, next_end_ms, overdue

AT_MS = 1_790_000_000_000
MADE = SmppConnector(
    id="a", host="h", port=1, system_id="x", password=SecretRef(env="X"), max_binds=2, receipt_deadline_s=60
)
REMOVED = Draining(connector=MADE, removed_at_ms=AT_MS)
AT_ONCE = REMOVED.model_copy(update={"now": True})
OVER_MS = AT_MS + 60_000


def test_one_in_use_has_its_binds_and_no_more() -> None:
    assert [is_wanted(MADE, None, partition, AT_MS) for partition in range(3)] == [True, True, False]
    assert not is_wanted(None, None, 0, AT_MS)


def test_a_removed_one_has_them_until_its_time_is_over_and_nothing_is_left() -> None:
    assert is_wanted(MADE, REMOVED, 0, OVER_MS - 1)
    assert not is_wanted(MADE, REMOVED, 0, OVER_MS)
    assert is_wanted(MADE, REMOVED, 0, OVER_MS, unfinished={"a"})
    assert not is_wanted(MADE, REMOVED, 2, OVER_MS, unfinished={"a"})
    assert not is_wanted(MADE, REMOVED, 0, OVER_MS, unfinished={"b"})


def test_one_that_was_dropped_at_once_has_none_whatever_is_left() -> None:
    assert not is_wanted(MADE, AT_ONCE, 0, AT_MS, unfinished={"a"})


def test_when_to_look_what_is_left() -> None:
    both = [REMOVED, AT_ONCE]
    assert (overdue(both, OVER_MS - 1), overdue(both, OVER_MS)) == ([], [REMOVED])
    assert (next_end_ms(both, OVER_MS - 1), next_end_ms(both, OVER_MS)) == (OVER_MS, None)
