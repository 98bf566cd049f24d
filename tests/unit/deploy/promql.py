"""Pure: what an expression of PromQL names, held to the list of metrics. promtool judges its grammar, not this."""

import re
from collections.abc import Iterator
from typing import Final, get_args

from schemas.connector_states import HELD_STATES
from schemas.groups import CONSUMER_GROUPS
from schemas.lifecycle_events import EventWord
from schemas.wire import Lane
from services.__main__ import NAMES
from shared.process.metrics import METRICS

OF_THE_TARGET: Final = {"instance", "job"}
"""Labels that Prometheus adds."""
_SELECTOR: Final = re.compile(r"\b(smsgw_\w+)(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
_GROUPING: Final = re.compile(r"\b(?:by|on|without|ignoring) \(([^)]*)\)")
_VALUES: Final[dict[str, tuple[str, ...]]] = {
    "event": get_args(EventWord),
    "state": HELD_STATES,
    "lane": get_args(Lane),
    "service": NAMES,
    "stage": CONSUMER_GROUPS,
}


def _series() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in METRICS:
        labels = set(one.labels) | OF_THE_TARGET
        if one.kind == "histogram":
            found |= {f"{one.name}_sum": labels, f"{one.name}_count": labels, f"{one.name}_bucket": labels | {"le"}}
        else:
            found[one.name] = labels
    return found


SERIES: Final = _series()
"""Every series that is served, with its labels."""


def metrics_of(expression: str) -> set[str]:
    """The metrics (names of docs/metrics.md) that it reads."""
    names = {name for name, _ in _SELECTOR.findall(expression)}
    return {one.name for one in METRICS if any(name.startswith(one.name) for name in names)}


def wrong_in(expression: str) -> Iterator[str]:
    """What is named and is not there: metrics, labels, and values of labels that have few."""
    known: set[str] = set()
    for name, matchers in _SELECTOR.findall(expression):
        if name not in SERIES:
            yield f"no metric {name}"
            continue
        known |= SERIES[name]
        for label, operator, value in _MATCHER.findall(matchers):
            if label not in SERIES[name]:
                yield f"{name} has no label {label}"
            yield from _wrong_values(label, operator, value)
    for labels in _GROUPING.findall(expression):
        yield from (f"no label {one}" for one in map(str.strip, labels.split(",")) if one not in known)


def _wrong_values(label: str, operator: str, value: str) -> Iterator[str]:
    if label not in _VALUES or "$" in value:
        return
    values = re.findall(r"[\w-]+", value) if "~" in operator else [value]
    yield from (f'no {label} "{one}"' for one in values if one not in _VALUES[label])
