"""Pure: when to connect again; one budget for all binds of an account (quirks Q20, Q25)."""

from collections.abc import Callable
from enum import Enum
from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 60.0
AUTH_RETRY_S: Final = 15 * 60.0
ALREADY_BOUND_S: Final = (30.0, 45.0)
UNUSABLE_RETRY_S: Final = 60.0
"""How long to wait where the configuration itself is the reason: a secret is missing, or cannot be sent."""
STAYS_S: Final = 30.0
"""A bind that was accepted and lasts for so long ends the back-off."""

JITTER_SHARE: Final = 0.3
"""A delay is shortened by up to this share of itself: processes that lost the same SMSC do not come back together."""


class Failure(Enum):
    """Why a bind is not up, as far as the next attempt depends on it."""

    LINK = "link"
    REFUSED = "refused"
    AUTH = "auth"
    ALREADY_BOUND = "already_bound"
    UNUSABLE = "unusable"
    """Nothing was sent: a secret is missing, or cannot be sent."""


class AccountBackoff:
    """The attempts of one account at one SMSC. Times are seconds of a clock that never goes back.

    `reserve` gives out the attempts: while nothing fails, at once to everybody; after a failure one by one, each a
    delay behind the other (1 s, doubled up to 60 s), whichever bind asks. `jitter` returns a number in [0, 1).
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._failures = 0
        self._next_s = 0.0
        self._accepted_s: float | None = None

    def reserve(self, now_s: float) -> float:
        """When the caller may make its attempt; the place is taken."""
        self._settle(now_s)
        at_s = max(now_s, self._next_s)
        if self._failures:
            self._next_s = at_s + (self._delay_s() if self._accepted_s is None else FIRST_S)
        return at_s

    def failed(self, failure: Failure, now_s: float) -> None:
        """An attempt failed, or a bind was lost."""
        self._settle(now_s)
        self._accepted_s = None
        self._failures += 1
        self._next_s = max(self._next_s, now_s + self._wait_s(failure))

    def accepted(self, now_s: float) -> None:
        """A bind was accepted: the others may follow, one a second, and those that wait should ask for a new place. The
        failures count until nothing has failed for `STAYS_S`: an SMSC that accepts and drops at once must not be
        stormed.
        """
        self._accepted_s = now_s
        if self._failures:
            self._next_s = min(self._next_s, now_s + FIRST_S)

    def reset(self) -> None:
        """Begin anew: the configuration of the account changed."""
        self._failures = 0
        self._next_s = 0.0
        self._accepted_s = None

    def _settle(self, now_s: float) -> None:
        if self._accepted_s is not None and now_s - self._accepted_s >= STAYS_S:
            self.reset()

    def _wait_s(self, failure: Failure) -> float:
        if failure is Failure.AUTH:
            return AUTH_RETRY_S
        if failure is Failure.UNUSABLE:
            return UNUSABLE_RETRY_S
        if failure is Failure.ALREADY_BOUND:
            low, high = ALREADY_BOUND_S
            return low + (high - low) * self._jitter()
        return self._delay_s()

    def _delay_s(self) -> float:
        longest = min(LONGEST_S, FIRST_S * 2.0 ** min(self._failures - 1, 10))
        return longest * (1.0 - JITTER_SHARE * self._jitter())
