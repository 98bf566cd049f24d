"""Pure: when to connect again."""

import itertools

import pytest

from services.binder.lease.backoff import AUTH_RETRY_S, STAYS_S, AccountBackoff, Failure
from services.binder.smpp.bind_failure import failure_of

RINVPASWD, RINVSYSID, RBINDFAIL, RALYBND = 0x0E, 0x0F, 0x0D, 0x05


def middle() -> float:
    return 0.5


def attempts(backoff: AccountBackoff, failure: Failure, count: int) -> list[float]:
    """When each of `count` attempts is made when every one of them fails at once."""
    now, found = 0.0, []
    for _ in range(count):
        now = backoff.reserve(now)
        found.append(now)
        backoff.failed(failure, now)
    return found


def test_q25_delays_grow_from_one_to_sixty_seconds() -> None:
    times = attempts(AccountBackoff(lambda: 0.0), Failure.LINK, 10)
    delays = [b - a for a, b in itertools.pairwise(times)]
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_q25_jitter_shortens_but_never_below_the_share() -> None:
    times = attempts(AccountBackoff(lambda: 0.999), Failure.LINK, 3)
    assert 0.7 <= times[1] < 1.0


def test_q25_one_budget_for_all_binds_of_an_account() -> None:
    backoff = AccountBackoff(lambda: 0.0)
    for _ in range(4):
        assert backoff.reserve(0.0) == 0.0, "while nothing fails, all may come at once"
    backoff.failed(Failure.LINK, 0.0)
    backoff.failed(Failure.LINK, 0.0)
    first, second, third = (backoff.reserve(0.0) for _ in range(3))
    assert first >= 1
    assert second - first == pytest.approx(2)
    assert third - second == pytest.approx(2)


def test_a_bind_that_stays_lets_everybody_in() -> None:
    backoff = AccountBackoff(lambda: 0.0)
    for _ in range(8):
        backoff.failed(Failure.LINK, 90.0)
    backoff.accepted(100.0)
    assert [backoff.reserve(100.0) for _ in range(3)] == [101.0, 102.0, 103.0], "the others need not wait it out"
    assert [backoff.reserve(100.0 + STAYS_S) for _ in range(3)] == [100.0 + STAYS_S] * 3
    backoff.failed(Failure.LINK, 200.0)
    assert backoff.reserve(200.0) == 201.0


def test_q25_a_bind_that_is_accepted_and_dropped_at_once_is_a_failure_all_the_same() -> None:
    backoff = AccountBackoff(lambda: 0.0)
    now, delays = 0.0, []
    for _ in range(9):
        asked = now
        now = backoff.reserve(now)
        delays.append(now - asked)
        backoff.accepted(now)
        backoff.failed(Failure.LINK, now)
    assert delays == [0, 1, 2, 4, 8, 16, 32, 60, 60]


def test_q25_another_bind_that_stays_does_not_help_one_that_does_not() -> None:
    backoff = AccountBackoff(lambda: 0.0)
    backoff.accepted(0.0)
    now = 100.0
    for _ in range(7):
        now = backoff.reserve(now)
        backoff.accepted(now)
        backoff.failed(Failure.LINK, now)
    assert backoff.reserve(now) - now == 60


@pytest.mark.parametrize("status", [RINVPASWD, RINVSYSID])
def test_q19_wrong_credentials_are_tried_every_15_minutes(status: int) -> None:
    backoff = AccountBackoff(middle)
    backoff.failed(failure_of(status), 100.0)
    assert backoff.reserve(100.0) == 100.0 + AUTH_RETRY_S == 1000.0


def test_q19_and_at_once_when_the_configuration_changes() -> None:
    backoff = AccountBackoff(middle)
    backoff.failed(Failure.AUTH, 100.0)
    backoff.reset()
    assert backoff.reserve(100.0) == 100.0


@pytest.mark.parametrize("status", [RBINDFAIL, 0x08, 0x401, 0xFFFFFFFF])
def test_q19_every_other_status_is_normal_back_off(status: int) -> None:
    backoff = AccountBackoff(lambda: 0.0)
    backoff.failed(failure_of(status), 0.0)
    assert backoff.reserve(0.0) == 1.0


@pytest.mark.parametrize(("jitter", "wait"), [(0.0, 30.0), (1.0, 45.0)])
def test_q20_already_bound_waits_30_to_45_seconds(jitter: float, wait: float) -> None:
    backoff = AccountBackoff(lambda: jitter)
    backoff.failed(failure_of(RALYBND), 0.0)
    assert backoff.reserve(0.0) == wait


def test_no_answer_at_all_is_a_lost_link() -> None:
    assert failure_of(None) is Failure.LINK
