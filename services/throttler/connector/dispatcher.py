"""Pure: the dispatcher of one connector: feeds lanes and answers in, gets records out; time is an argument.

One cycle is: `take_feedback` for what came, `begin_cycle`, `read_lane` with at most `wants` records of each lane,
`work`; then `placed` when Kafka has told the offsets, and `commits`. Everything of a cycle belongs to one transaction;
when that fails the dispatcher is thrown away and `rebuild` makes another from the logs.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from schemas.connector_states import BindState
from schemas.feedback import Answer, Feedback
from schemas.topics import SEGMENT_LANES, feedback_topic, segments_topic
from services.throttler.connector import outputs
from services.throttler.connector.answers import CONNECTOR_REMOVED, VALIDITY_PASSED, SegmentEnd
from services.throttler.connector.binds import Binds
from services.throttler.connector.endings import follow, segment_event, settle, stop
from services.throttler.connector.moment import Moment
from services.throttler.connector.pacing import TokenBucket
from services.throttler.connector.policy import Policy
from services.throttler.connector.stay import Stay
from services.throttler.connector.under_way import UnderWay
from services.throttler.lanes.intake import SERVICE, take_in
from services.throttler.lanes.ledger import Ledger
from services.throttler.lanes.picker import LanePicker
from services.throttler.lanes.queues import LaneQueue
from services.throttler.restore.rebuild import Rebuilt
from shared.kafka.records import In, Out, dead_letter_of_error
from shared.messages.events import EventMaker
from shared.sms.smsc_message_id import normalised

THROTTLED_PAUSE_MS: Final = 1_000
SWEEP_MS: Final = 1_000
"""How often stays under way are looked through for those that may not be dispatched any more."""

LOOK_AGAIN_MS: Final = 60_000
"""How often it is looked at least whether a validity is over."""

DISPATCHES_MAX: Final = 2_000
"""Per cycle: more would hold up the answers of other connectors."""

ENDINGS_READ: Final = 500
"""Records read of a lane whose messages are being ended, which takes no credit."""

Commits = dict[tuple[str, int], tuple[int, str]]
"""Next offset and metadata text by (topic, partition)."""


class ConnectorDispatcher:
    """Decides everything for one connector. The bucket is empty at first."""

    def __init__(
        self, policy: Policy, events: EventMaker, owner: str, now: Moment, ledger: Ledger | None = None
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
        self._bucket = TokenBucket(policy.tps, now.steady_ms)
        # These, and whatever else paces or waits here, count by `Moment.steady_ms`.
        self._paused_until_ms = 0
        self._swept_at_ms = now.steady_ms
        self._budget = 0
        self._credit = 0
        self._credit_limit = 0
        self._by_window = False
        self._answers = 0
        self._answers_per_s = 0
        self._cycle_at_ms = now.steady_ms
        self._room: dict[int, int] = {}
        self._ending: set[str] = set()
        self._outs: list[Out] = []
        self._committed: Commits = {}

    # -- what comes in

    def configure(self, policy: Policy, now: Moment) -> None:
        """The configuration as it is now; rate, window and binds count at once."""
        if policy.tps != self.policy.tps:
            self._bucket.set_rate(policy.tps, now.steady_ms)
        self.policy = policy

    def lease(self, partition: int, state: BindState) -> None:
        """What `connector.states` says of a bind."""
        self.binds.lease(partition, state)

    def restore(self, partition: int, rebuilt: Rebuilt) -> None:
        """Take over what a predecessor left in flight in one partition."""
        log = self.under_way.log(partition)
        log.position, log.epoch, log.next_offset = rebuilt.position, rebuilt.epoch, rebuilt.next_offset
        for stay in rebuilt.stays:
            self.under_way.adopt(stay, partition)
            for segment in stay.segments.values():
                if stay.is_in_flight(segment):
                    self.binds.dispatched(partition, segment.share)
            self._enqueue(stay, first=False)

    def read_lane(self, lane: str, records: Iterable[In], now: Moment) -> None:
        """Records of a lane, in order. Repeats are dropped, what cannot be read goes to the dead letters."""
        queue = self._lanes[lane]
        for record in records:
            stay, outs = take_in(record, self.ledger, self._events, now.at_ms)
            if stay is not None:
                stay.lane = lane
                stay.due_steady_ms = self._due(stay, record.timestamp, now)
            self._outs += outs
            queue.read(record.partition, record.offset, stay)

    def _due(self, stay: Stay, written_at_ms: int, now: Moment) -> int:
        """When, by the own clock, a stay of the retry lane may be tried: never later than its delay from now."""
        if not stay.message.due_at_ms:
            return now.steady_ms
        delay_ms = self.policy.retry_delay_ms
        due_at_ms = min(stay.message.due_at_ms, written_at_ms + delay_ms, now.at_ms + delay_ms)
        return now.steady_of(due_at_ms)

    def pass_markers(self, lane: str | None, partition: int, position: int) -> None:
        """All records before `position`, of a lane or (None) of the feedback, were taken in."""
        if lane is not None:
            self._lanes[lane].pass_markers(partition, position)
        elif (log := self.under_way.logs.get(partition)) is not None:
            log.position = max(position, log.position)

    def take_feedback(self, record: In, now: Moment) -> None:
        """One record of the connector's feedback, next in its partition."""
        log = self.under_way.log(record.partition)
        log.position = record.offset + 1
        try:
            feedback = Feedback.from_json(record.value or b"", normalised)
        except ValueError as error:
            self._outs.append(dead_letter_of_error(record, error, at_ms=now.at_ms, service=SERVICE))
            return
        if feedback.kind == "closed" or feedback.epoch < log.epoch:
            return
        log.epoch = feedback.epoch
        again: list[Stay] = []
        for answer in feedback.answers:
            self._answered(record, answer, again, now)
        for stay in reversed(again):
            self._enqueue(stay, first=True)

    def _answered(self, record: In, answer: Answer, again: list[Stay], now: Moment) -> None:
        found = self.under_way.take(record.partition, answer)
        if found is None:
            return
        stay, segment = found
        self._answers += 1
        self.binds.answered(record.partition, segment.share, now.steady_ms)
        kind = stay.answered(segment, answer)
        if answer.submitted_at_ms is not None and kind.timed:
            self.binds.answer_time.sample(answer.submitted_at_ms, answer.answered_at_ms, now.at_ms)
        if kind.pauses:
            self._paused_until_ms = now.steady_ms + THROTTLED_PAUSE_MS
        if stay.queued and not stay.dispatchable:
            self._lanes[stay.lane].begun.remove(stay)
            stay.queued = False
        self._outs.extend(follow(self.policy, self._events, stay, segment, kind, answer, record.timestamp))
        if stay.over:
            self.under_way.end(stay, unanswered=False)
            self._outs.extend(settle(self.policy, self._events, stay, now.at_ms))
        elif kind.again_now:
            again.append(stay)

    def _enqueue(self, stay: Stay, *, first: bool) -> None:
        if stay.queued or not stay.dispatchable:
            return
        stay.queued = True
        begun = self._lanes[stay.lane].begun
        if first:
            begun.appendleft(stay)
        else:
            begun.append(stay)

    # -- one cycle

    def begin_cycle(self, now: Moment) -> None:
        """Work out how much may be dispatched now."""
        now_ms = now.steady_ms
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

    def work(self, now: Moment) -> list[Out]:
        """Dispatch and end what may be; returns everything that this cycle writes, in order within a partition."""
        self._ending.clear()
        if now.steady_ms - self._swept_at_ms >= SWEEP_MS:
            self._swept_at_ms = now.steady_ms
            self._sweep(now)
        self._dispatch(now)
        for lane, queue in self._lanes.items():
            if queue.heads:
                self._front(lane, queue, now)
        for partition, log in self.under_way.logs.items():
            if log.closed:
                self._outs.append(
                    outputs.closed_stays(self.connector_id, partition, log.epoch, self._owner, log.closed)
                )
                log.closed = []
        outs, self._outs = self._outs, []
        return outs

    def _dispatch(self, now: Moment) -> None:
        ready: dict[str, tuple[Stay, int]] = {}
        stale = list(self._lanes)
        while self._budget > 0:
            for lane in stale:
                found = self._next(lane, now)
                if found is not None:
                    ready[lane] = found
                else:
                    ready.pop(lane, None)
            if not ready:
                return
            lane = self._picker.pick(ready)
            stay, bind = ready[lane]
            self._send(self._lanes[lane], stay, bind, now)
            # What other lanes were about to dispatch still holds, until the bind is full.
            stale = [lane] if self._room[bind] > 0 else list(self._lanes)

    def _next(self, lane: str, now: Moment) -> tuple[Stay, int] | None:
        """What the lane would dispatch now, and to which bind."""
        queue = self._lanes[lane]
        found = self._next_begun(queue, now) if queue.begun else None
        return found or (self._next_head(lane, queue, now) if queue.heads else None)

    def _next_begun(self, queue: LaneQueue, now: Moment) -> tuple[Stay, int] | None:
        begun = queue.begun
        for _ in range(len(begun)):
            stay = begun[0]
            bind = self._bind_for(stay)
            if bind is not None and stay.message.expires_at_ms > now.at_ms:
                return stay, bind
            begun.rotate(-1)
        return None

    def _bind_for(self, stay: Stay) -> int | None:
        """Where the next dispatch of a begun stay may go: to its own bind, to another when that one is out of use."""
        if stay.partition in self._room:
            return stay.partition if self._room[stay.partition] > 0 else None
        return None if stay.in_flight else self.binds.freest(self._room)

    def _next_head(self, lane: str, queue: LaneQueue, now: Moment) -> tuple[Stay, int] | None:
        stay = self._front(lane, queue, now)
        if stay is None or stay.due_steady_ms > now.steady_ms:
            return None
        bind = self.binds.freest(self._room)
        return None if bind is None else (stay, bind)

    def _front(self, lane: str, queue: LaneQueue, now: Moment) -> Stay | None:
        """The head of the lane, after ending those before it that may not be dispatched any more."""
        while queue.heads:
            stay = queue.heads[0].stay
            end = self._end_of(stay, now)
            if end is None:
                return stay
            queue.pop_head()
            self._ending.add(lane)
            self._outs.extend(stop(self._events, stay, end, now.at_ms))
        return None

    def _end_of(self, stay: Stay, now: Moment) -> SegmentEnd | None:
        if stay.message.expires_at_ms <= now.at_ms:
            return VALIDITY_PASSED
        if self.policy.draining and not stay.bound_to_route:
            return CONNECTOR_REMOVED
        return None

    def _send(self, queue: LaneQueue, stay: Stay, bind: int, now: Moment) -> None:
        first = stay.partition != bind
        if stay.partition is None:
            queue.pop_head()
        elif first:
            stay = self._move(queue, stay)
        if first:
            self.under_way.begin(stay, bind)
        segment = stay.next_waiting()
        share = self.binds.shares[bind]
        stay.sent(segment, segment.attempt + 1, share)
        self.under_way.dispatched(stay, segment, bind)
        self.binds.dispatched(bind, share)
        self._bucket.take(1)
        self._budget -= 1
        self._credit -= 1
        self._room[bind] -= 1
        if stay.queued and not stay.dispatchable:
            queue.begun.remove(stay)
            stay.queued = False
        self._enqueue(stay, first=True)
        self._outs.append(outputs.dispatch(self.policy, stay, segment, bind, with_message=first))
        self._outs.append(segment_event(self._events, stay, segment, "dispatched", now.at_ms))

    def _move(self, queue: LaneQueue, stay: Stay) -> Stay:
        """Another stay for a stay whose bind is out of use: a stay never lies in two partitions."""
        queue.begun.remove(stay)
        self.under_way.end(stay, unanswered=True)
        message = stay.next_stay(stay.message.due_at_ms)
        moved = Stay(message, message.to_json(), stay.headers)
        moved.lane = stay.lane
        return moved

    def _sweep(self, now: Moment) -> None:
        """End begun stays with nothing in flight that may not be dispatched any more."""
        for queue in self._lanes.values():
            for stay in [one for one in queue.begun if one.in_flight == 0]:
                end = self._end_of(stay, now)
                if end is not None:
                    queue.begun.remove(stay)
                    self.under_way.end(stay, unanswered=True)
                    self._outs.extend(stop(self._events, stay, end, now.at_ms))

    # -- what to commit, and when to come back

    def placed(self, first_offsets: Mapping[int, int]) -> None:
        """The offset of this cycle's first dispatch in each partition."""
        self.under_way.placed(first_offsets)

    def commits(self) -> Commits:
        """Offsets that have moved since the last call, with their metadata."""
        now: Commits = {}
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

    def wake_at_ms(self, now: Moment) -> int | None:
        """When, by the own clock, there may be something to do although nothing comes in; None = never. Call it after
        `work`.
        """
        now_ms = now.steady_ms
        times: list[int] = [now_ms] if self._ending else []
        ready = False
        for queue in self._lanes.values():
            for stay in queue.begun:
                ready = True
                times.append(max(self._expiry(stay, now), self._swept_at_ms + SWEEP_MS))
            if queue.heads:
                stay = queue.heads[0].stay
                times.append(self._expiry(stay, now))
                if stay.due_steady_ms > now_ms:
                    times.append(stay.due_steady_ms)
                else:
                    ready = True
        if ready and self._credit > 0 and any(left > 0 for left in self._room.values()):
            times.append(max(self._bucket.next_token_ms(now_ms), self._paused_until_ms))
        return max(now_ms, min(times)) if times else None

    @staticmethod
    def _expiry(stay: Stay, now: Moment) -> int:
        """When to look whether its validity is over. Kafka's clock may be set meanwhile, so not too late."""
        return min(now.steady_of(stay.message.expires_at_ms), now.steady_ms + LOOK_AGAIN_MS)
