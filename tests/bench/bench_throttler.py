"""Edge: what the throttler's decisions cost: `python -m tests.bench.bench_throttler [messages]`.

The pure cycle on one core, without Kafka: lane records in, dispatches and events out, feedback in, results and events
out, with the marks and offsets that a commit needs, 100 messages a cycle. The best of five.
"""

import gc
import sys
import time

from schemas.feedback import Answer, Feedback
from schemas.topics import feedback_topic, segments_topic
from services.throttler.connector.dispatcher import ConnectorDispatcher
from services.throttler.connector.moment import Moment
from shared.messages.events import EventMaker
from tests.unit.throttler.world import CONNECTOR, START_MS, Rec, message, policy

PER_CYCLE = 100
LANE = segments_topic(CONNECTOR, "bulk")
FEEDBACK = feedback_topic(CONNECTOR)


def lane_records(count: int) -> list[Rec]:
    return [Rec(LANE, 0, n, START_MS, b"shop", message(n, lane="bulk").to_json()) for n in range(count)]


def feedback_record(offset: int, ids: list[str], first: int, at_ms: int) -> Rec:
    answers = [
        Answer(
            id=dispatch_id,
            offset=first + place,
            outcome="accepted",
            smsc_message_ids=(f"{first + place:08x}",),
            join_ids=(f"{first + place:x}",),
            submitted_at_ms=at_ms - 10,
            answered_at_ms=at_ms,
        )
        for place, dispatch_id in enumerate(ids)
    ]
    value = Feedback(kind="answers", connector_id=CONNECTOR, partition=0, epoch=1, answers=answers).to_json()
    return Rec(FEEDBACK, 0, offset, at_ms, None, value)


def run(count: int) -> tuple[float, int]:
    """CPU seconds of `count` messages, and how many records were written."""
    dispatcher = ConnectorDispatcher(
        policy(tps=100_000, window=10_000), EventMaker("throttler", "0"), "0|1", Moment(START_MS, START_MS)
    )
    dispatcher.lease(0, "bound")
    records = lane_records(count)
    now_ms = START_MS + 1_000
    written = 0
    spent = 0.0
    for cycle, first in enumerate(range(0, count, PER_CYCLE)):
        batch = records[first : first + PER_CYCLE]
        ids = [f"{message(n, lane='bulk').context.message_id}/0/1/1" for n in range(first, first + len(batch))]
        answers = feedback_record(cycle, ids, first, now_ms)
        now = Moment(now_ms, now_ms)
        began = time.process_time()
        dispatcher.begin_cycle(now)
        dispatcher.read_lane("bulk", batch, now)
        outs = dispatcher.work(now)
        dispatcher.placed({0: first})
        dispatcher.commits()
        dispatcher.take_feedback(answers, now)
        outs += dispatcher.work(now)
        dispatcher.commits()
        spent += time.process_time() - began
        written += len(outs)
        now_ms += 50
    return spent, written


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    gc.collect()
    gc.freeze()
    spent, written = min(run(count) for _ in range(5))
    print(f"pure cycle: {spent / count * 1e6:.1f} us of CPU per message, {written / count:.2f} records each")


if __name__ == "__main__":
    main()
