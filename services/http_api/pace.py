"""Pure: `limits.tps` of an account at this process of the door: a second's worth at once, then one by one.

The generic cell rate algorithm: one number an account, the time at which it would have been idle again.
"""

from typing import Final

BURST_S: Final = 1.0


class Paces:
    """Times are the process's own monotonic seconds."""

    def __init__(self) -> None:
        self._busy_until: Final[dict[str, float]] = {}

    def wait_s(self, account_id: str, tps: float, now_s: float) -> float:
        """0 where the account may send one more now, which then counts; else in how many seconds it may."""
        each_s = 1 / tps
        until_s = max(self._busy_until.get(account_id, now_s), now_s)
        if (wait_s := until_s + each_s - now_s - max(BURST_S, each_s)) > 1e-9:
            return wait_s
        self._busy_until[account_id] = until_s + each_s
        return 0.0
