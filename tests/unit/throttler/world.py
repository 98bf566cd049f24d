"""Pure: a throttler's world in memory: logs, committed offsets and binds, with the dispatcher between them.

What Kafka does is done here by lists: a transaction is applied as a whole or not at all. Used by unit, property and
stateful tests and by the bench.
"""

import base64
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from schemas.commit_marks import ThrottlerMark
from schemas.dispatch import Dispatch
from schemas.feedback import Answer, AnswerWord, Feedback
from schemas.message_context import MessageContext
from schemas.segments import SegmentedMessage, SegmentState
from schemas.submissions import Content
from schemas.topics import SEGMENT_LANES, dispatch_topic, feedback_topic, segments_topic
from schemas.wire import Lane, ReceiptWish
from services.throttler.connector.dispatcher import ConnectorDispatcher
from services.throttler.connector.moment import Moment
from services.throttler.connector.policy import Policy
from services.throttler.lanes.ledger import Ledger
from services.throttler.restore.rebuild import rebuild
from shared.kafka.records import Out, partition_of
from shared.messages.events import EventMaker
from shared.messages.ids import message_id_of
from shared.messages.routes import route_of
from shared.sms.smsc_message_id import normalised

START_MS = 1_700_000_000_000
CONNECTOR = "acme-1"
HOUR_MS = 3_600_000


class Rec(NamedTuple):
    """A consumed record, as aiokafka's."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def policy(**changes: Any) -> Policy:
    values: dict[str, Any] = {
        "connector_id": CONNECTOR,
        "kind": "smpp",
        "provider": "acme",
        "tps": 100,
        "window": 10,
        "max_binds": 1,
        "receipt_deadline_ms": 86_400_000,
        "retry_delay_ms": 30_000,
        "retries_max": None,
        "draining": False,
    }
    return Policy(**(values | changes))


def message(
    number: int = 0,
    *,
    segments: int = 1,
    lane: Lane = "txn",
    receipt: ReceiptWish = "final",
    at_ms: int = START_MS,
    validity_ms: int = HOUR_MS,
    pinned: bool = False,
    route_no: int = 0,
    queued: bool = False,
) -> SegmentedMessage:
    """A message as the encoder writes it; `number` makes its id."""
    context = MessageContext(
        message_id=message_id_of(at_ms, "mt.requests", 0, number),
        accepted_at_ms=at_ms,
        account_id="shop",
        to="447700900001",
        sender="SHOP",
        country="GB",
        lane=lane,
        receipt=receipt,
        idempotency_key="",
        metadata={"order": str(number)},
    )
    return SegmentedMessage(
        route_no=route_no,
        context=context,
        content=Content(text="hello").to_json().decode(),
        expires_at_ms=at_ms + validity_ms,
        connector_id=CONNECTOR,
        pinned=pinned,
        queued=queued,
        encoding="gsm7",
        source_addr="SHOP",
        source_addr_ton=5,
        source_addr_npi=0,
        destination_addr="447700900001",
        dest_addr_ton=1,
        dest_addr_npi=1,
        esm_class=0 if segments == 1 else 0x40,
        data_coding=0,
        registered_delivery=0 if receipt == "none" else 1,
        segments=[SegmentState(index=i + 1, octets=base64.b64encode(b"hello").decode()) for i in range(segments)],
    )


@dataclass
class World:
    """One connector. `now_ms`, Kafka's time, only moves when a test moves it.

    `binder_ahead_ms`: how far the clock of the binds is ahead of Kafka's. The throttler's own clock goes on with
    Kafka's, unless a test sets Kafka's with `step`.
    """

    policy: Policy = field(default_factory=policy)
    now_ms: int = START_MS
    ledger_size: int = 100_000
    binder_ahead_ms: int = 0
    stepped_ms: int = 0

    @property
    def moment(self) -> Moment:
        return Moment(self.now_ms, self.now_ms - self.stepped_ms)

    def step(self, by_ms: int) -> None:
        """Somebody sets Kafka's clock."""
        self.now_ms += by_ms
        self.stepped_ms += by_ms

    def __post_init__(self) -> None:
        self.logs: dict[tuple[str, int], list[Rec]] = defaultdict(list)
        self.committed: dict[tuple[str, int], tuple[int, str]] = {}
        self._parsed: dict[int, list[Dispatch]] = defaultdict(list)
        self.leases: dict[int, Any] = {}
        self.epochs: dict[int, int] = defaultdict(int)
        self.answered: set[tuple[int, int]] = set()
        self.dispatcher = self._new_dispatcher()

    # -- Kafka

    def append(self, out: Out, partitions: int = 1) -> int:
        partition = out.partition
        if partition is None:
            partition = partition_of(out.key or b"", partitions)
        log = self.logs[out.topic, partition]
        log.append(Rec(out.topic, partition, len(log), self.now_ms, out.key, out.value, out.headers))
        return len(log) - 1

    def values(self, topic: str, partition: int = 0) -> list[dict[str, Any]]:
        return [orjson.loads(r.value or b"null") for r in self.logs[topic, partition]]

    def publish(self, *messages: SegmentedMessage, lane: str | None = None) -> None:
        for m in messages:
            self.append(
                Out(segments_topic(CONNECTOR, lane or m.context.lane), m.context.account_id.encode(), m.to_json())
            )

    # -- the throttler's process

    def _new_dispatcher(self) -> ConnectorDispatcher:
        dispatcher = ConnectorDispatcher(
            self.policy, EventMaker("throttler", "0"), "0|1", self.moment, Ledger(self.ledger_size)
        )
        self.positions = {place: mark[0] for place, mark in self.committed.items()}
        return dispatcher

    def configure(self, changed: Policy) -> None:
        self.policy = changed
        self.dispatcher.configure(changed, self.moment)

    def lease(self, partition: int, state: Any) -> None:
        self.leases[partition] = state
        self.dispatcher.lease(partition, state)

    def bind(self, *partitions: int) -> None:
        for partition in partitions:
            self.lease(partition, "bound")

    def cycle(self, *, commit: bool = True) -> list[Out]:
        """One cycle, as the loop does it. `commit` False: the transaction is aborted, so the process must end."""
        moved = self._feed()
        outs = self.dispatcher.work(self.moment)
        if not commit:
            return outs
        first: dict[int, int] = {}
        for out in outs:
            offset = self.append(out)
            if out.topic == dispatch_topic(CONNECTOR) and out.partition is not None:
                first.setdefault(out.partition, offset)
        self.dispatcher.placed(first)
        self.committed.update(self.dispatcher.commits())
        self.positions.update(moved)
        return outs

    def _feed(self) -> dict[tuple[str, int], int]:
        positions = dict(self.positions)
        for (topic, partition), log in list(self.logs.items()):
            if topic == feedback_topic(CONNECTOR):
                for record in log[positions.get((topic, partition), 0) :]:
                    self.dispatcher.take_feedback(record, self.moment)
                positions[topic, partition] = len(log)
        self.dispatcher.begin_cycle(self.moment)
        for lane in SEGMENT_LANES:
            place = (segments_topic(CONNECTOR, lane), 0)
            start = positions.get(place, 0)
            found = self.logs[place][start : start + self.dispatcher.wants(lane)]
            self.dispatcher.read_lane(lane, found, self.moment)
            positions[place] = start + len(found)
        return positions

    def run(self, duration_ms: int, step_ms: int = 50) -> list[Out]:
        outs: list[Out] = []
        for _ in range(duration_ms // step_ms):
            outs += self.cycle()
            self.now_ms += step_ms
        return outs

    def crash(self) -> None:
        """The process dies and another one takes over from the logs."""
        self.dispatcher = self._new_dispatcher()
        for lane in ("otp", "txn", "bulk"):
            place = (segments_topic(CONNECTOR, lane), 0)
            tail = [route_of(r.value or b"") for r in self.logs[place][: self.positions.get(place, 0)]]
            self.dispatcher.ledger.restore(route for route in tail[-self.ledger_size :] if route)
        places = {p for t, p in self.logs if t in {dispatch_topic(CONNECTOR), feedback_topic(CONNECTOR)}}
        for partition in sorted(places):
            dispatches = self.logs[dispatch_topic(CONNECTOR), partition]
            feedback = self.logs[feedback_topic(CONNECTOR), partition]
            position, text = self.committed.get((feedback_topic(CONNECTOR), partition), (0, ""))
            mark = ThrottlerMark.from_text(text) or ThrottlerMark()
            rebuilt = rebuild(
                mark, dispatches[mark.dispatch_from :], len(dispatches), feedback[mark.feedback_from :], position
            )
            self.dispatcher.restore(partition, rebuilt)
        for partition, state in self.leases.items():
            self.dispatcher.lease(partition, state)

    # -- the binds

    def dispatches(self, partition: int = 0) -> list[Dispatch]:
        parsed = self._parsed[partition]
        for record in self.logs[dispatch_topic(CONNECTOR), partition][len(parsed) :]:
            parsed.append(Dispatch.from_json(record.value or b""))
        return parsed

    def open_dispatches(self, partition: int = 0) -> list[tuple[int, Dispatch]]:
        """What the bind has not answered: (offset, dispatch)."""
        return [(o, d) for o, d in enumerate(self.dispatches(partition)) if (partition, o) not in self.answered]

    def answer(
        self,
        offsets: Iterable[int],
        outcome: AnswerWord = "accepted",
        *,
        partition: int = 0,
        error_code: int | None = None,
        reason: str | None = None,
        smsc_message_id: str | None = None,
        with_id: bool = True,
        submitted_at_ms: Mapping[int, int] | None = None,
    ) -> None:
        """The bind answers the dispatches at `offsets` in one feedback record; `submitted_at_ms` by offset."""
        dispatches = self.dispatches(partition)
        at_ms = self.now_ms + self.binder_ahead_ms
        answers = []
        for offset in offsets:
            self.answered.add((partition, offset))
            sent = outcome in {"accepted", "throttled", "temporary", "permanent"}
            accepted_id = smsc_message_id or f"00{dispatches[offset].attempt}-{partition}-{offset}"
            answers.append(
                Answer(
                    id=dispatches[offset].id if with_id else "",
                    offset=offset,
                    outcome=outcome,
                    reason=reason,
                    smsc_error=f"0x{error_code:08x}" if error_code else None,
                    error_code=error_code,
                    smsc_message_ids=(accepted_id,) if outcome == "accepted" else (),
                    join_ids=(normalised(accepted_id),) if outcome == "accepted" else (),
                    submitted_at_ms=(submitted_at_ms or {}).get(offset, at_ms - 5) if sent else None,
                    answered_at_ms=at_ms,
                )
            )
        self.write_feedback("answers", partition, answers)

    def answer_all(self, outcome: AnswerWord = "accepted", **more: Any) -> None:
        for partition in {p for t, p in self.logs if t == dispatch_topic(CONNECTOR)}:
            offsets = [offset for offset, _ in self.open_dispatches(partition)]
            if offsets:
                self.answer(offsets, outcome, partition=partition, **more)

    def write_feedback(
        self, kind: Any, partition: int, answers: list[Answer] | None = None, *, epoch: int | None = None
    ) -> None:
        feedback = Feedback(
            kind=kind,
            connector_id=CONNECTOR,
            partition=partition,
            epoch=self.epochs[partition] if epoch is None else epoch,
            owner="0|9",
            answers=answers or [],
        )
        self.append(Out(feedback_topic(CONNECTOR), None, feedback.to_json(), (), partition))

    def new_owner(self, partition: int, *, stale: bool = False) -> None:
        """The bind's process died: its successor fences it; what it had not answered is in doubt.

        `stale`: the dead process had one more record on its way, which comes behind the fence and is void.
        """
        offsets = [offset for offset, _ in self.open_dispatches(partition)]
        self.epochs[partition] += 1
        self.write_feedback("fence", partition)
        if stale and offsets:
            self.epochs[partition] -= 1
            self.answer(offsets, partition=partition)
            self.epochs[partition] += 1
        if offsets:
            self.answer(offsets, "outcome_unknown", partition=partition, reason="in_doubt")


def of_topic(outs: Iterable[Out], topic: str) -> list[dict[str, Any]]:
    """The values among `outs` of one topic."""
    return [orjson.loads(out.value or b"null") for out in outs if out.topic == topic]


def events_of(outs: Iterable[Out]) -> list[str]:
    """The words of the lifecycle events among `outs`, in order."""
    return [value["event"] for value in of_topic(outs, "lifecycle.events")]
