"""The list of metrics, its page, and what is served."""

import re
from collections import Counter
from pathlib import Path

from prometheus_client import generate_latest

from shared.messages.events import EventMaker
from shared.process.metrics import METRICS, REGISTRY, serve_events
from shared.process.metrics_page import PAGE, page


def test_the_page_is_made_of_the_list() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make docs writes it anew"


def test_what_is_served_is_listed_and_the_reverse() -> None:
    serve_events(Counter({"accepted": 3}))
    text = generate_latest(REGISTRY).decode()
    served = set(re.findall(r"^# TYPE (\S+) (?:counter|gauge|histogram)$", text, re.MULTILINE))
    served = {name for name in served if not name.endswith("_created")}
    assert served == {one.name for one in METRICS}
    assert 'smsgw_events_total{event="accepted"} 3.0' in text


def test_nothing_makes_a_metric_beside_the_list() -> None:
    root = Path(__file__).parents[4]
    found = [
        str(file.relative_to(root))
        for folder in ("services", "shared", "schemas")
        for file in (root / folder).rglob("*.py")
        if "prometheus_client" in file.read_text(encoding="utf-8")
    ]
    assert sorted(found) == ["shared/process/health_server.py", "shared/process/metrics.py"]


def test_every_event_is_counted_by_its_word() -> None:
    events = EventMaker("ingress", "0")
    events.out("rejected", occurred_at_ms=1, message_id="a")
    for _ in range(2):
        events.encoded(
            "accepted", b'"lane":"txn"', occurred_at_ms=1, message_id="a", accepted_at_ms=1, segment_index=0, attempt=0,
            route_no=0,
        )  # fmt: skip
    assert events.tally == {"rejected": 1, "accepted": 2}
