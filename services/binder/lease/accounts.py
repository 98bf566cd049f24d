"""Edge: the attempts of this process's leases at their accounts: each waits for its turn."""

import asyncio
import random
from collections.abc import Hashable

from services.binder.lease.backoff import AccountBackoff, Failure
from shared.process.clock import monotonic_s


class AccountTurns:
    """One account: one back-off for all leases that use it."""

    def __init__(self) -> None:
        self._backoff = AccountBackoff(random.random)
        self._accepted = asyncio.Event()

    async def turn(self) -> None:
        """Return when the caller may make its attempt.

        When another bind is accepted meanwhile the outage is over, and whoever waits out an old delay asks anew.
        """
        while True:
            accepted = self._accepted
            wait_s = self._backoff.reserve(monotonic_s()) - monotonic_s()
            if wait_s <= 0:
                return
            try:
                async with asyncio.timeout(wait_s):
                    await accepted.wait()
            except TimeoutError:
                return

    def accepted(self) -> None:
        """A bind was accepted."""
        self._backoff.accepted(monotonic_s())
        waiting, self._accepted = self._accepted, asyncio.Event()
        waiting.set()

    def failed(self, failure: Failure) -> None:
        """An attempt failed, or a bind was lost."""
        self._backoff.failed(failure, monotonic_s())

    def reset(self) -> None:
        """Begin anew: the configuration of the account changed."""
        self._backoff.reset()


class Accounts:
    """All accounts of a process, by whatever tells them apart."""

    def __init__(self) -> None:
        self._accounts: dict[Hashable, AccountTurns] = {}

    def of(self, key: Hashable) -> AccountTurns:
        """The account of `key`."""
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = AccountTurns()
        return account
