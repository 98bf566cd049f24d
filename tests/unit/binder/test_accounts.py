"""Edge: attempts at one account wait for their turn, and not longer than the outage."""

import asyncio

import pytest

from services.binder.lease.accounts import Accounts
from services.binder.lease.backoff import AccountBackoff, Failure


async def soon(work: "asyncio.Task[None]") -> bool:
    """Whether `work` ends without waiting for a timer."""
    for _ in range(5):
        await asyncio.sleep(0)
    return work.done()


async def test_while_nothing_fails_everybody_goes_at_once() -> None:
    account = Accounts().of("a")
    for _ in range(3):
        assert await soon(asyncio.create_task(account.turn()))


async def test_q25_leases_of_one_account_share_its_back_off_and_others_do_not() -> None:
    accounts = Accounts()
    accounts.of("a").failed(Failure.AUTH)
    assert accounts.of("a") is accounts.of("a")
    waiting = asyncio.create_task(accounts.of("a").turn())
    assert not await soon(waiting)
    assert await soon(asyncio.create_task(accounts.of("b").turn()))
    waiting.cancel()


async def test_q25_who_waits_out_an_old_delay_asks_again_when_another_is_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[float] = []
    reserve = AccountBackoff.reserve

    def noting(self: AccountBackoff, now_s: float) -> float:
        asked.append(reserve(self, now_s) - now_s)
        return now_s + asked[-1]

    monkeypatch.setattr(AccountBackoff, "reserve", noting)
    account = Accounts().of("a")
    account.failed(Failure.AUTH)
    waiting = asyncio.create_task(account.turn())
    assert not await soon(waiting)
    account.accepted()
    await soon(waiting)
    assert asked[0] > 60
    assert asked[1] <= 1.0, "the outage is over: one a second"
    waiting.cancel()


async def test_a_new_configuration_begins_anew() -> None:
    account = Accounts().of("a")
    account.failed(Failure.AUTH)
    account.reset()
    assert await soon(asyncio.create_task(account.turn()))
