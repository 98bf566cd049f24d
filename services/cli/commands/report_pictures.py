"""Pure: a picture below the table of a report, where it says more than the numbers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import plotille

from shared.operations.named_reports import Found

_HEIGHT: Final = 12
_BESIDE: Final = 24
"""Columns that the scale and the labels take."""
_WIDTH_MAX: Final = 100


def picture_of(name: str, found: Found, width: int) -> list[str]:
    """The lines of it; none for a report that has no picture, or too little to draw. `width`: of the terminal."""
    columns = {column: [row[place] for row in found.rows] for place, column in enumerate(found.columns)}
    room = max(20, min(width, _WIDTH_MAX) - _BESIDE)
    if name == "throughput" and len(found.rows) > 1:
        return _over_time(columns["time"], {n: columns[n] for n in ("messages", "delivered")}, room)
    if name == "segments":
        labels = [f"{e} {n}" for e, n in zip(columns["encoding"], columns["segments_each"], strict=True)]
        return _bars("messages by alphabet and segments", labels, columns["messages"], room)
    if name == "latency":
        labels = [f"{c} {n}" for c, n in zip(columns["connector_id"], columns["country"], strict=True)]
        return _bars("p95 in ms", labels, columns["p95_ms"], room)
    if name == "errors":
        words = zip(columns["connector_id"], columns["smsc_error"], columns["reason"], strict=True)
        counts: dict[str, int] = {}  # a failed message and one that was delivered in part have the same error
        for some, messages in zip(words, columns["messages"], strict=True):
            label = " ".join(filter(None, some))
            counts[label] = counts.get(label, 0) + messages
        return _bars("messages by error", list(counts), list(counts.values()), room)
    return []


def _over_time(times: Sequence[datetime], lines: dict[str, Sequence[Any]], room: int) -> list[str]:
    figure = plotille.Figure()
    figure.width, figure.height, figure.with_colors = room, _HEIGHT, False
    figure.set_y_limits(min_=0, max_=max(1, *(max(values) for values in lines.values())))
    figure.y_label, figure.x_label = "", ""
    figure.x_ticks_fkt = _time_label
    figure.y_ticks_fkt = _count_label
    seconds = [moment.timestamp() for moment in times]
    for (label, values), marker in zip(lines.items(), ("", "."), strict=True):
        figure.plot(seconds, [float(value) for value in values], label=label, marker=marker or None)
    return [line.rstrip() for line in str(figure.show(legend=True)).splitlines()]


def _time_label(seconds: float, _: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%d. %H:%M")


def _count_label(count: float, _: float) -> str:
    return f"{count:10.0f}"


def _bars(title: str, labels: Sequence[str], values: Sequence[Any], room: int) -> list[str]:
    """One bar a row, as many as fit on a screen."""
    shown = [(label, float(value)) for label, value in zip(labels, values, strict=True) if value == value][:20]
    longest = max((value for _, value in shown), default=0.0)
    if len(shown) < 2 or longest <= 0:
        return []
    margin = min(40, max(len(label) for label, _ in shown))
    return ["", title] + [
        f"{label[:margin]:<{margin}} {'█' * max(1 if value else 0, round(value / longest * room))} {value:.0f}"
        for label, value in shown
    ]
