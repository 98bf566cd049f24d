"""Pure: how long to wait before a process that died is started again."""

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0
HEALTHY_AFTER_S = 30.0


def consecutive_failures(before: int, ran_for_s: float) -> int:
    """Deaths in a row, this one included. A life of `HEALTHY_AFTER_S` or longer ends a row: its death is the first."""
    return 1 if ran_for_s >= HEALTHY_AFTER_S else before + 1


def restart_delay_s(failures: int) -> float:
    """Seconds to wait after the `failures`-th death in a row (from 1): 0.2, doubled each time, 10 at most, for ever."""
    doublings = min(failures - 1, 16)  # enough to reach the limit, and no float grows out of range
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0**doublings)
