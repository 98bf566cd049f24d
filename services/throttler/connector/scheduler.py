"""Pure: the brain of one connector: feeds lanes and answers in, gets records out; time is an argument.

One cycle is: `take_feedback` for what came, `begin_cycle`, `read_lane` with at most `wants` records of each lane,
`work`; then `placed` when Kafka has told the offsets, and `commits`. Everything of a cycle belongs to one transaction;
when that fails the brain is thrown away and `rebuild` makes another from the logs.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from schemas.connector_states import BindState
from schemas.feedback import Answer, Feedback
from schemas.topics import SEGMENT_LANES, feedback_topic, segments_topic
from services.throttler.connector import outputs
from services.throttler.connector.answers import End
from services.throttler.connector.binds import Binds
from services.throttler.connector.endings import follow, segment_event, settle, stop
from services.throttler.connector.outputs import CONNECTOR_REMOVED, VALIDITY_PASSED
from services.throttler.connector.pacing import TokenBucket
from services.throttler.connector.policy import Policy
from services.throttler.connector.stay import Run
from services.throttler.connector.under_way import UnderWay
from services.throttler.lanes.intake import SERVICE, take_in
from services.throttler.lanes.ledger import Ledger
from services.throttler.lanes.picker import LanePicker
from services.throttler.lanes.queues import LaneQueue
from services.throttler.restore.rebuild import Rebuilt
from shared.kafka.records import In, Out, dead_letter_of_error
from shared.messages.events import EventMaker

THROTTLED_PAUSE_MS: Final = 1_000
SWEEP_MS: Final = 1_000
"""How often runs under way are looked through for those that may not be dispatched any more."""

DISPATCHES_MAX: Final = 2_000
"""Per cycle: more would hold up the answers of other connectors."""

ENDINGS_READ: Final = 500
"""Records read of a lane whose messages are being ended, which takes no credit."""

Offsets = dict[tuple[str, int], tuple[int, str]]
"""Next offset and metadata text by (topic, partition)."""


class Brain:
    """Decides everything for one connector. The bucket is empty at first."""

    def __init__(
        self, policy: Policy, events: EventMaker, owner: str, now_ms: int, ledger: Ledger | None = None
    ) -> None:
        self.connector_id: Final = policy.connector_id
        self.policy = policy
        self.binds: Final = Binds()
        self.under_way: Final = UnderWay()
        self.ledger: Final = ledger if ledger is not None else Ledger()
        self._events = events
        self._owner = owner
        self._lanes = {lane: LaneQueue() for lane in SEGMENT_LANES}
        self._picker = LanePicker()
        self._bucket = TokenBucket(policy.tps, now_ms)
        self._paused_until_ms = 0
        self._swept_at_ms = now_ms
        self._budget = 0
        self._credit = 0
        self._credit_limit = 0
        self._by_window = False
        self._answers = 0
        self._answers_per_s = 0
        self._cycle_at_ms = now_ms
        self._room: dict[int, int] = {}
        self._ending: set[str] = set()
        self._outs: list[Out] = []
        self._committed: Offsets = {}

    # -- what comes in

    def configure(self, policy: Policy, now_ms: int) -> None:
        """The configuration as it is now; rate, window and binds count at once."""
        if policy.tps != self.policy.tps:
            self._bucket.set_rate(policy.tps, now_ms)
        self.policy = policy

    def lease(self, partition: int, state: BindState) -> None:
        """What `connector.states` says of a bind."""
        self.binds.lease(partition, state)

    def restore(self, partition: int, rebuilt: Rebuilt) -> None:
        """Take over what a predecessor left in flight in one partition."""
        log = self.under_way.log(partition)
        log.position, log.epoch, log.next_offset = rebuilt.position, rebuilt.epoch, rebuilt.next_offset
        for run in rebuilt.runs:
            self.under_way.adopt(run, partition)
            for piece in run.pieces.values():
                if run.is_in_flight(piece):
                    self.binds.dispatched(partition, piece.share)
            self._enqueue(run, first=False)

    def read_lane(self, lane: str, records: Iterable[In], now_ms: int) -> None:
        """Records of a lane, in order. Repeats are dropped, what cannot be read goes to the dead letters."""
        queue = self._lanes[lane]
        for record in records:
            run, outs = take_in(record, self.ledger, self._events, now_ms)
            if run is not None:
                run.lane = lane
            self._outs += outs
            queue.read(record.partition, record.offset, run)

    def take_feedback(self, record: In, now_ms: int) -> None:
        """One record of the connector's feedback, next in its partition."""
        log = self.under_way.log(record.partition)
        log.position = record.offset + 1
        try:
            feedback = Feedback.from_json(record.value or b"", self.policy.join_id_of)
        except ValueError as error:
            self._outs.append(dead_letter_of_error(record, error, at_ms=now_ms, service=SERVICE))
            return
        if feedback.kind == "closed" or feedback.epoch < log.epoch:
            return
        log.epoch = feedback.epoch
        again: list[Run] = []
        for answer in feedback.answers:
            self._answered(record.partition, answer, again, now_ms)
        for run in reversed(again):
            self._enqueue(run, first=True)

    def _answered(self, partition: int, answer: Answer, again: list[Run], now_ms: int) -> None:
        found = self.under_way.take(partition, answer)
        if found is None:
            return
        run, piece = found
        self._answers += 1
        self.binds.answered(partition, piece.share, now_ms)
        kind = run.answered(piece, answer)
        if answer.submitted_at_ms is not None and kind.timed:
            self.binds.answer_time.sample(answer.submitted_at_ms, answer.answered_at_ms, now_ms)
        if kind.pauses:
            self._paused_until_ms = max(self._paused_until_ms, answer.answered_at_ms + THROTTLED_PAUSE_MS)
        if run.queued and not run.dispatchable:
            self._lanes[run.lane].begun.remove(run)
            run.queued = False
        self._outs.extend(follow(self.policy, self._events, run, piece, kind, answer))
        if run.over:
            self.under_way.end(run, unanswered=False)
            self._outs.extend(settle(self.policy, self._events, run, answer.answered_at_ms))
        elif kind.again_now:
            again.append(run)

    def _enqueue(self, run: Run, *, first: bool) -> None:
        if run.queued or not run.dispatchable:
            return
        run.queued = True
        begun = self._lanes[run.lane].begun
        if first:
            begun.appendleft(run)
        else:
            begun.append(run)

    # -- one cycle

    def begin_cycle(self, now_ms: int) -> None:
        """Work out how much may be dispatched now."""
        if now_ms > self._cycle_at_ms:
            self._answers_per_s = self._answers * 1000 // (now_ms - self._cycle_at_ms)
            self._answers, self._cycle_at_ms = 0, now_ms
        tokens = self._bucket.refill(now_ms)
        self.binds.reshare(self.policy, now_ms)
        self._credit, self._room = self.binds.room(self.policy)
        self._credit_limit = self._credit + self.binds.unanswered
        paused = now_ms < self._paused_until_ms or not any(left > 0 for left in self._room.values())
        self._by_window = not paused and self._credit < tokens and self.binds.by_window(self.policy)
        self._budget = 0 if paused else min(tokens, self._credit, DISPATCHES_MAX)

    def wants(self, lane: str) -> int:
        """How many records of `lane` to read now: what can be dispatched or ended, and one to see what waits."""
        heads = len(self._lanes[lane].heads)
        most = ENDINGS_READ if lane in self._ending else max(1, self._budget)
        return max(0, most - heads)

    def work(self, now_ms: int) -> list[Out]:
        """Dispatch and end what may be; returns everything that this cycle writes, in order within a partition."""
        self._ending.clear()
        if now_ms - self._swept_at_ms >= SWEEP_MS:
            self._swept_at_ms = now_ms
            self._sweep(now_ms)
        self._dispatch(now_ms)
        for lane, queue in self._lanes.items():
            if queue.heads:
                self._front(lane, queue, now_ms)
        for partition, log in self.under_way.logs.items():
            if log.closed:
                self._outs.append(outputs.closed_runs(self.connector_id, partition, log.epoch, self._owner, log.closed))
                log.closed = []
        outs, self._outs = self._outs, []
        return outs

    def _dispatch(self, now_ms: int) -> None:
        ready: dict[str, tuple[Run, int]] = {}
        stale = list(self._lanes)
        while self._budget > 0:
            for lane in stale:
                found = self._next(lane, now_ms)
                if found is not None:
                    ready[lane] = found
                else:
                    ready.pop(lane, None)
            if not ready:
                return
            lane = self._picker.pick(ready)
            run, bind = ready[lane]
            self._send(self._lanes[lane], run, bind, now_ms)
            # What other lanes were about to dispatch still holds, until the bind is full.
            stale = [lane] if self._room[bind] > 0 else list(self._lanes)

    def _next(self, lane: str, now_ms: int) -> tuple[Run, int] | None:
        """What the lane would dispatch now, and to which bind."""
        queue = self._lanes[lane]
        found = self._next_begun(queue, now_ms) if queue.begun else None
        return found or (self._next_head(lane, queue, now_ms) if queue.heads else None)

    def _next_begun(self, queue: LaneQueue, now_ms: int) -> tuple[Run, int] | None:
        begun = queue.begun
        for _ in range(len(begun)):
            run = begun[0]
            bind = self._bind_for(run)
            if bind is not None and run.message.expires_at_ms > now_ms:
                return run, bind
            begun.rotate(-1)
        return None

    def _bind_for(self, run: Run) -> int | None:
        """Where the next dispatch of a begun run may go: to its own bind, to another when that one is out of use."""
        if run.partition in self._room:
            return run.partition if self._room[run.partition] > 0 else None
        return None if run.in_flight else self.binds.freest(self._room)

    def _next_head(self, lane: str, queue: LaneQueue, now_ms: int) -> tuple[Run, int] | None:
        run = self._front(lane, queue, now_ms)
        if run is None or run.message.due_at_ms > now_ms:
            return None
        bind = self.binds.freest(self._room)
        return None if bind is None else (run, bind)

    def _front(self, lane: str, queue: LaneQueue, now_ms: int) -> Run | None:
        """The head of the lane, after ending those before it that may not be dispatched any more."""
        while queue.heads:
            run = queue.heads[0].run
            end = self._end_of(run, now_ms)
            if end is None:
                return run
            queue.pop_head()
            self._ending.add(lane)
            self._outs.extend(stop(self._events, run, end, now_ms))
        return None

    def _end_of(self, run: Run, now_ms: int) -> End | None:
        if run.message.expires_at_ms <= now_ms:
            return VALIDITY_PASSED
        if self.policy.draining and not run.bound_to_route:
            return CONNECTOR_REMOVED
        return None

    def _send(self, queue: LaneQueue, run: Run, bind: int, now_ms: int) -> None:
        first = run.partition != bind
        if run.partition is None:
            queue.pop_head()
        elif first:
            run = self._move(queue, run)
        if first:
            self.under_way.begin(run, bind)
        piece = run.next_waiting()
        share = self.binds.shares[bind]
        run.sent(piece, piece.attempt + 1, share)
        self.under_way.dispatched(run, piece, bind)
        self.binds.dispatched(bind, share)
        self._bucket.take(1)
        self._budget -= 1
        self._credit -= 1
        self._room[bind] -= 1
        if run.queued and not run.dispatchable:
            queue.begun.remove(run)
            run.queued = False
        self._enqueue(run, first=True)
        self._outs.append(outputs.dispatch(self.policy, run, piece, bind, with_message=first))
        self._outs.append(segment_event(self._events, run, piece, "dispatched", now_ms))

    def _move(self, queue: LaneQueue, run: Run) -> Run:
        """Another stay for a run whose bind is out of use: a run never lies in two partitions."""
        queue.begun.remove(run)
        self.under_way.end(run, unanswered=True)
        message = run.next_stay(run.message.due_at_ms)
        moved = Run(message, message.to_json(), run.headers)
        moved.lane = run.lane
        return moved

    def _sweep(self, now_ms: int) -> None:
        """End begun runs with nothing in flight that may not be dispatched any more."""
        for queue in self._lanes.values():
            for run in [r for r in queue.begun if r.in_flight == 0]:
                end = self._end_of(run, now_ms)
                if end is not None:
                    queue.begun.remove(run)
                    self.under_way.end(run, unanswered=True)
                    self._outs.extend(stop(self._events, run, end, now_ms))

    # -- what to commit, and when to come back

    def placed(self, first_offsets: Mapping[int, int]) -> None:
        """The offset of this cycle's first dispatch in each partition."""
        self.under_way.placed(first_offsets)

    def commits(self) -> Offsets:
        """Offsets that have moved since the last call, with their metadata."""
        now: Offsets = {}
        for lane, queue in self._lanes.items():
            topic = segments_topic(self.connector_id, lane)
            for partition, offset in queue.offsets().items():
                now[topic, partition] = (offset, "")
        topic = feedback_topic(self.connector_id)
        for partition, log in self.under_way.logs.items():
            now[topic, partition] = (log.position, log.mark().to_text())
        moved = {place: mark for place, mark in now.items() if self._committed.get(place) != mark}
        self._committed.update(moved)
        return moved

    @property
    def otp_waits(self) -> bool:
        """An OTP is in memory and not yet dispatched."""
        otp = self._lanes["otp"]
        return bool(otp.heads or otp.begun)

    @property
    def dry_in_ms(self) -> int | None:
        """When the binds will have answered half of what they hold, where windows and not the rate hold work back.

        At the pace of the last answers; the next cycle should not come later. None: no hurry.
        """
        if not self._by_window or not any(queue.heads or queue.begun for queue in self._lanes.values()):
            return None
        if self._answers_per_s == 0:
            return 0
        return max(0, self.binds.unanswered - self._credit_limit // 2) * 1000 // self._answers_per_s

    def reads(self, lane: str) -> bool:
        """Whether it wants to see what has come in a lane: nothing of it is in memory."""
        return not self._lanes[lane].heads

    def wake_at_ms(self, now_ms: int) -> int | None:
        """When there may be something to do although nothing comes in; None = never. Call it after `work`."""
        times: list[int] = [now_ms] if self._ending else []
        ready = False
        for queue in self._lanes.values():
            for run in queue.begun:
                ready = True
                times.append(max(run.message.expires_at_ms, self._swept_at_ms + SWEEP_MS))
            if queue.heads:
                message = queue.heads[0].run.message
                times.append(message.expires_at_ms)
                if message.due_at_ms > now_ms:
                    times.append(message.due_at_ms)
                else:
                    ready = True
        if ready and self._credit > 0 and any(left > 0 for left in self._room.values()):
            times.append(max(self._bucket.next_token_ms(now_ms), self._paused_until_ms))
        return max(now_ms, min(times)) if times else None
