"""Edge: the encoder as a process: two stages over the same pure step, one for everything and one for passwords."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition
from pydantic import ValidationError

from schemas.groups import ENCODER_GROUP, ENCODER_OTP_GROUP
from schemas.submissions import Submission
from schemas.topics import MT_SUBMISSIONS, MT_SUBMISSIONS_OTP
from schemas.wire import Lane
from services.encoder.encode import Encoder, NotBase64
from services.encoder.own_output import REROUTED, Before, DecidedByEncoder, EndedByEncoder
from services.encoder.plan import ConnectorPlan, plan_of
from services.encoder.restore import read_own_output
from shared.kafka.records import Out, dead_letter, dead_letter_of_error, trace_headers
from shared.kafka.replay import read_range
from shared.membership.frame import Application
from shared.membership.handler import StageConfig, StageHandler
from shared.membership.inheritance import Inherited
from shared.membership.mistakes import Mistakes
from shared.membership.replay_guard import ReplayProgress, replay_ranges
from shared.membership.stage import Stage
from shared.process.clock import monotonic_s
from shared.process.service import Service, run_service
from shared.process.yielding import Yielding
from shared.sms.concat_ref import RecentRefs

log = logging.getLogger(__name__)

CADENCE_MS: Final = 40
"""`txn` passes here: longer would be felt, and shorter costs a millisecond of CPU per handful of records."""

OTP_CADENCE_MS: Final = 10
"""Under load only: the first OTP after a pause is not held up, and a stream of them is no stream of round trips."""

REFS_DESTINATIONS_MAX: Final = 10_000
"""Handsets of a partition whose last concatenation references are remembered; about half a kilobyte each."""

REMEMBERED_MAX: Final = 2_500
"""Records before the committed offset that a new owner reads for their references: some 30 microseconds each, and
nothing is encoded before."""

FLOWS: Final = (
    StageConfig(ENCODER_GROUP, (MT_SUBMISSIONS,), CADENCE_MS),
    StageConfig(ENCODER_OTP_GROUP, (MT_SUBMISSIONS_OTP,), OTP_CADENCE_MS),
)
_LANES_OF: Final[dict[str, tuple[Lane, ...]]] = {MT_SUBMISSIONS: ("txn", "bulk"), MT_SUBMISSIONS_OTP: ("otp",)}


class EncoderHandler(StageHandler):
    """Feeds submissions to the encoder of their partition, each with the plan of its connector.

    Submissions are keyed by destination, so a partition's encoder alone gives references to its handsets. Those of
    `mt.submissions.otp` are odd and the others even, since the two partitions of one handset may have two owners.
    """

    def __init__(self, service: Service, flow: StageConfig, clock: Callable[[], float] = monotonic_s) -> None:
        self._clock = clock
        self._lanes = _LANES_OF[flow.topics[0]]
        self._own = DecidedByEncoder()
        self._replaying = ReplayProgress()
        self._mistakes = Mistakes(service, flow.group)
        self._service = service
        self._flow = flow
        self._progress = partial(service.progress, flow.group)
        self._encoders: dict[tuple[str, int], Encoder] = {}
        self._applied = service.gateway.applied
        self._plans: dict[str, ConnectorPlan] = {}

    async def assigned(self, inherited: Inherited) -> None:
        """Restore what a predecessor wrote, and the references that it gave.

        It may have decided records that are not committed under another configuration: they are not decided again.
        References are taken from what it read last; a partition that was kept has them already.
        """
        self._mistakes.resume(inherited.marks.values())
        await self._read_own_output(inherited)
        for place in self._encoders.keys() - inherited.partitions:
            del self._encoders[place]
        new = inherited.partitions - self._encoders.keys()
        if new:
            self._follow_configuration()
            await asyncio.gather(*(self._take_over(tp, inherited.offsets[tp]) for tp in new))

    async def _take_over(self, tp: TopicPartition, committed: int) -> None:
        encoder = self._new_encoder(tp.topic)
        start = max(0, committed - REMEMBERED_MAX)
        tail = read_range(
            self._service.settings,
            tp.topic,
            tp.partition,
            start,
            committed,
            progress=self._progress,
        )
        turns = Yielding(self._clock, self._progress)
        async with aclosing(tail) as batches:
            async for batch in batches:
                for record in batch:
                    await turns.give()
                    self._remember(encoder, record.value)
        self._encoders[tp] = encoder

    def _remember(self, encoder: Encoder, value: bytes | None) -> None:
        try:
            submission = Submission.from_json(value or b"")
        except ValidationError:
            return
        plan = self._plan(submission.connector_id)
        if plan is None:
            return
        try:
            encoder.remember(submission, plan)
        except (ValidationError, NotBase64):
            return
        except MemoryError:
            raise
        except Exception:  # it was a dead letter when it came: it must not stop every owner of the partition now
            log.exception("%s: a mistake of ours", submission.context.message_id)

    def _new_encoder(self, topic: str) -> Encoder:
        return Encoder(self._service.events, RecentRefs(REFS_DESTINATIONS_MAX, odd=topic == MT_SUBMISSIONS_OTP))

    def _encoder(self, record: ConsumerRecord) -> Encoder:
        place = record.topic, record.partition
        encoder = self._encoders.get(place)
        if encoder is None:
            encoder = self._encoders[place] = self._new_encoder(record.topic)
        return encoder

    async def _read_own_output(self, inherited: Inherited) -> None:
        ranges = await replay_ranges(self._service.settings, inherited, self._progress)
        self._own.forget()
        self._replaying.begin(ranges)
        if ranges:
            since_ms = min(one.since_ms for one in ranges.values())
            await read_own_output(self._service.settings, self._lanes, since_ms, self._own, self._progress)

    def mistakes_in_a_row(self) -> int:
        return self._mistakes.in_a_row

    async def handle(self, records: Sequence[ConsumerRecord], at_ms: int) -> Iterable[Out]:
        self._follow_configuration()
        outs: list[Out] = []
        unknown: list[tuple[ConsumerRecord, Submission]] = []
        turns = Yielding(self._clock, self._progress)
        for record in records:
            await turns.give()
            try:
                submission = Submission.from_json(record.value or b"")
            except ValidationError as error:
                outs.append(dead_letter_of_error(record, error, at_ms=at_ms, service="encoder"))
                continue
            before = self._own.before(submission.context.message_id, submission.route_no) if self._own else None
            if before is not None:
                outs += self._again(record, submission, before, at_ms)
                continue
            plan = self._plan(submission.connector_id)
            if plan is None:
                unknown.append((record, submission))
            else:
                outs += self._encode(record, submission, plan, at_ms)
        if unknown:
            outs += await self._look_again(unknown, at_ms)
        if self._replaying:
            self._replaying.handled(records)
            if not self._replaying:
                self._own.forget()
        return outs

    def _again(self, record: ConsumerRecord, submission: Submission, before: Before, at_ms: int) -> list[Out]:
        """The event once more, of what a predecessor has written; nothing where the configuration of now would tell
        another story.
        """
        if isinstance(before, EndedByEncoder):
            if before.status != "rejected":
                return []
            return self._encoder(record).rejected_before(submission, before, trace_headers(record))
        plan = self._plan(submission.connector_id)
        if before == REROUTED or plan is None:
            return []
        outs = self._encode(record, submission, plan, at_ms)
        return outs[1:] if outs[0].topic in plan.lane_topics.values() else []

    def _encode(self, record: ConsumerRecord, submission: Submission, plan: ConnectorPlan, at_ms: int) -> list[Out]:
        headers = trace_headers(record) if record.headers else ()
        try:
            outs = self._encoder(record).encode(submission, plan, at_ms, headers)
        except NotBase64 as error:
            wrong = str(error)
            return [
                dead_letter(
                    record, reason="invalid_record", field=error.field, error=wrong, at_ms=at_ms, service="encoder"
                )
            ]
        except ValidationError as error:
            return [dead_letter_of_error(record, error, at_ms=at_ms, service="encoder")]
        except MemoryError:
            raise
        except Exception as error:  # a text that nobody thought of must not stop those behind it
            return [self._mistakes.dead_letter(record, error, at_ms)]
        self._mistakes.decided()
        return outs

    async def _look_again(self, unknown: Sequence[tuple[ConsumerRecord, Submission]], at_ms: int) -> list[Out]:
        """A connector that ingress knows and we do not is new, or was removed: the configuration's end tells which."""
        await self._service.gateway.sync()
        self._follow_configuration()
        outs: list[Out] = []
        turns = Yielding(self._clock, self._progress)
        for record, submission in unknown:
            await turns.give()
            plan = self._plan(submission.connector_id)
            if plan is not None:
                outs += self._encode(record, submission, plan, at_ms)
            else:
                headers = trace_headers(record)
                outs += self._encoder(record).connector_removed(submission, at_ms, headers)
        return outs

    def _plan(self, connector_id: str) -> ConnectorPlan | None:
        """None where the connector is unknown or being removed."""
        plan = self._plans.get(connector_id)
        if plan is None:
            gateway = self._service.gateway
            connector = gateway.connector(connector_id)
            if connector is None or gateway.draining(connector_id) is not None:
                return None
            plan = self._plans[connector_id] = plan_of(connector)
            if plan.problem:
                log.error("%s", plan.problem)
                self._service.last_error = plan.problem
        return plan

    def _follow_configuration(self) -> None:
        applied = self._service.gateway.applied
        if applied is not self._applied:
            self._applied = applied
            self._plans.clear()


@asynccontextmanager
async def lifespan(app: Application) -> AsyncIterator[None]:
    """Two stages over the same pure step."""
    for flow in FLOWS:
        app.add(Stage(app.service, flow, EncoderHandler(app.service, flow)))
    yield


async def run(service: Service) -> None:
    """Run until the service is asked to stop."""
    await Application(service, lifespan).serve()


def main(arguments: list[str]) -> int:
    """`python -m services encoder`; returns the exit code."""
    return run_service("encoder", run)
