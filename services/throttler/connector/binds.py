"""Pure: the binds of one connector as the throttler sees them: leases, unanswered dispatches, shares of the rate."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from schemas.connector_states import BindState
from services.throttler.connector.credits import AHEAD_MS, AnswerTime, bind_limit, credit_limit
from services.throttler.connector.pacing import grant, split_tps
from services.throttler.connector.policy import Policy

WINDOW_MS: Final = 1_000
"""The limit counts in any second."""


class Bind:
    """One dispatch partition. `unanswered` counts dispatches by the share they were sent with."""

    __slots__ = ("_lately", "count", "state", "unanswered")

    def __init__(self) -> None:
        self.state: BindState | None = None
        self.unanswered: Counter[int] = Counter()
        self.count = 0
        self._lately: dict[int, int] = {}
        """When the last dispatch of a share was answered, milliseconds."""

    def in_force(self, now_ms: int) -> int:
        """The fastest that it may submit, or did within the last second, tokens a second.

        The second makes the limit hold in every second that a change of shares falls into.
        """
        if len(self._lately) > 1:
            self._lately = {share: at_ms for share, at_ms in self._lately.items() if now_ms < at_ms + WINDOW_MS}
        lately = max((share for share, at_ms in self._lately.items() if now_ms < at_ms + WINDOW_MS), default=0)
        return max(lately, max(self.unanswered, default=0))

    def answered(self, share: int, now_ms: int) -> None:
        self.count -= 1
        self.unanswered[share] -= 1
        if not self.unanswered[share]:
            del self.unanswered[share]
        self._lately[share] = now_ms


class Binds:
    """All binds of a connector, by partition number. Times are milliseconds of the throttler's own clock.

    A bind may be dispatched to while it is announced as bound, is one of the first `max_binds` and holds a share. It
    is *live*, and keeps its share, until it has answered everything or is released: it may still be submitting.
    """

    def __init__(self) -> None:
        self._binds: dict[int, Bind] = {}
        self.shares: dict[int, int] = {}
        self.answer_time = AnswerTime()
        self.unanswered = 0

    def _bind(self, partition: int) -> Bind:
        bind = self._binds.get(partition)
        if bind is None:
            bind = self._binds[partition] = Bind()
        return bind

    def lease(self, partition: int, state: BindState) -> None:
        self._bind(partition).state = state

    def dispatched(self, partition: int, share: int) -> None:
        bind = self._bind(partition)
        bind.unanswered[share] += 1
        bind.count += 1
        self.unanswered += 1

    def answered(self, partition: int, share: int, now_ms: int) -> None:
        self._bind(partition).answered(share, now_ms)
        self.unanswered -= 1

    def count(self, partition: int) -> int:
        """Unanswered dispatches of one bind."""
        bind = self._binds.get(partition)
        return bind.count if bind else 0

    def _usable(self, partition: int, bind: Bind, policy: Policy) -> bool:
        return bind.state == "bound" and partition < policy.max_binds

    def reshare(self, policy: Policy, now_ms: int) -> None:
        """Bring the shares as near to what they should be as unanswered dispatches allow."""
        live = [
            partition
            for partition, bind in self._binds.items()
            if self._usable(partition, bind, policy) or (bind.count > 0 and bind.state != "released")
        ]
        in_force = {partition: bind.in_force(now_ms) for partition, bind in self._binds.items()}
        self.shares = grant(policy.tps, split_tps(policy.tps, live), self.shares, in_force)

    def room(self, policy: Policy) -> tuple[int, dict[int, int]]:
        """How many segments may be dispatched by credit: in all, and to each bind that may be dispatched to."""
        answer_ms = self.answer_time.smoothed_ms
        limit = credit_limit(policy.tps, policy.window, self.shares, answer_ms)
        room = {
            partition: bind_limit(policy.window, share, answer_ms) - self._binds[partition].count
            for partition, share in self.shares.items()
            if share > 0 and self._usable(partition, self._binds[partition], policy)
        }
        return max(0, limit - self.unanswered), room

    def by_window(self, policy: Policy) -> bool:
        """Whether the windows bound the credits, and not the rate."""
        binds = sum(1 for share in self.shares.values() if share > 0)
        return 2 * policy.window * binds < policy.tps * (self.answer_time.smoothed_ms + AHEAD_MS) // 1000

    def freest(self, room: Mapping[int, int]) -> int | None:
        """The bind with the least work before it, measured in time; None where there is no room."""
        best: int | None = None
        least = 0.0
        for partition, left in room.items():
            if left > 0:
                load = self._binds[partition].count / self.shares[partition]
                if best is None or load < least:
                    best, least = partition, load
        return best
