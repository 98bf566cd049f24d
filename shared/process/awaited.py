"""Pure: what a stop waits for, and what it leaves in doubt when nobody waits: answers that SMSCs owe."""

from collections.abc import Mapping
from typing import Final

from schemas.gateway.file import AppliedConfig

STOP_GRACE_S: Final = 15.0
"""What a clean stop may take beyond the longest wait for an answer: to unbind, to write, to leave. Whoever stops a
process must be as patient (docs/operations.md)."""


def stop_patience_s(applied: AppliedConfig | None) -> float:
    """How long a binder may need to stop: its largest `response_timeout_s`, and the grace."""
    if applied is None:
        return STOP_GRACE_S
    connectors = (*applied.gateway.connectors, *(draining.connector for draining in applied.draining))
    return max((connector.options.response_timeout_s for connector in connectors), default=0.0) + STOP_GRACE_S


def awaited_sentence(awaited: Mapping[str, int], left_s: float) -> str:
    """`awaited`: answers by connector, not empty."""
    first, *others = [f"{count} of {name}" for name, count in sorted(awaited.items())]
    count, _, connector = first.partition(" of ")
    answers = ", ".join([f"{count} answer{'' if count == '1' else 's'} of {connector}", *others])
    one = list(awaited.values()) == [1]
    return f"{answers} {'is' if one else 'are'} awaited, at most {max(0, round(left_s))} s more"


def doubt_sentence(awaited: Mapping[str, int]) -> str:
    """What is in doubt when these answers are not waited for."""
    if not awaited:
        return "no answer was awaited, as far as was known"
    parts = ", ".join(f"{count} of {name}" for name, count in sorted(awaited.items()))
    return f"in doubt (outcome_unknown, never sent again by itself): segments whose answer was awaited: {parts}"
