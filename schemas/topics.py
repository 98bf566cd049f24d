"""Pure: the topic registry, in flow order. Topic creation, the README's table and the tests are generated from it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas.commands import Command
from schemas.connector_states import ConnectorState
from schemas.dispatch import Dispatch
from schemas.feedback import Feedback
from schemas.folds import FoldEntry
from schemas.gateway.file import AppliedConfig
from schemas.group_beginnings import GroupBeginning
from schemas.inbound_parts import InboundEntries
from schemas.ingress_keys import IdempotencyKey
from schemas.joins import JoinEntries
from schemas.kafka_prefix import KAFKA_PREFIX
from schemas.learned_formats import LearnedFormat
from schemas.lifecycle_events import LifecycleEvent
from schemas.mo_messages import InboundMessage
from schemas.optouts import OptOut
from schemas.outcomes import Outcome
from schemas.receipt_searches import ReceiptSearch
from schemas.receipts import RawReceipt
from schemas.record_limits import WIRE_OCTETS_MAX
from schemas.replays import ReplayMark
from schemas.requests import Request
from schemas.reroutes import Reroute
from schemas.scheduled import ScheduledMessage
from schemas.segments import SegmentedMessage
from schemas.service_states import ServiceState
from schemas.smsc_inbound import RawInbound
from schemas.statuses import Status
from schemas.submissions import Submission
from schemas.submit_results import SubmitResult
from schemas.trace_requests import TraceRequest
from schemas.traces import TraceLine
from schemas.waiting import WaitingEntry
from schemas.wire import LANES, Wire

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

DEFAULT_PARTITIONS: Final = 4
"""On one machine: each partition adds to the cost of every fetch and produce (a cluster sets its own number)."""


TIMESTAMP_TYPE: Final = "message.timestamp.type"
LOG_APPEND_TIME: Final = "LogAppendTime"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic, or a family of them (`<connector>` in the name).

    `partitions` 0 = the installation's number (`DEFAULT_PARTITIONS`); for dispatch and feedback it is the connector's
    `max_binds`. `fixed` counts may never change: identity or a join hangs on them. `retention_ms` None = kept for ever.
    """

    name: str
    key: str
    model: type[Wire]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    retention_ms: int | None
    partitions: int = 0
    fixed: bool = False
    compacted: bool = False
    dead_letters: str | None = None
    public: bool = False
    transient: bool = False
    """What it holds is of use for minutes and should be gone soon: its segments are closed, and deleted, often."""
    summary: str = ""

    @property
    def per_connector(self) -> bool:
        return "<connector>" in self.name

    def config(self) -> dict[str, str]:
        """The broker-side settings of the topic, as Kafka spells them.

        Kafka dates every record itself: ids, deadlines and retention hang on these times, and on no clock of ours.
        """
        policy = ["compact"] if self.compacted else []
        if self.retention_ms is not None:
            policy.append("delete")
        config = {
            "cleanup.policy": ",".join(policy),
            TIMESTAMP_TYPE: LOG_APPEND_TIME,
            "retention.bytes": "-1",
            "retention.ms": "-1",
        }
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
        if self.compacted:
            config |= {"min.cleanable.dirty.ratio": "0.1", "segment.ms": str(HOUR_MS), "segment.bytes": str(64 << 20)}
        if self.transient:
            config["segment.ms"] = str(HOUR_MS // 4)
        if self.public:
            config["max.message.bytes"] = str(WIRE_OCTETS_MAX)
        return config


CONFIG_GATEWAY: Final = f"{KAFKA_PREFIX}config.gateway"
CONFIG_OPTOUTS: Final = f"{KAFKA_PREFIX}config.optouts"
MT_REQUESTS: Final = f"{KAFKA_PREFIX}mt.requests"
MT_REQUESTS_OTP: Final = f"{KAFKA_PREFIX}mt.requests.otp"
INGRESS_KEYS: Final = f"{KAFKA_PREFIX}ingress.keys"
INGRESS_KEYS_OTP: Final = f"{KAFKA_PREFIX}ingress.keys.otp"
MT_REROUTES: Final = f"{KAFKA_PREFIX}mt.reroutes"
MT_COMMANDS: Final = f"{KAFKA_PREFIX}mt.commands"
MT_SCHEDULED: Final = f"{KAFKA_PREFIX}mt.scheduled"
WAITING: Final = f"{KAFKA_PREFIX}scheduler.waiting"
MT_DUE: Final = f"{KAFKA_PREFIX}mt.due"
MT_SUBMISSIONS: Final = f"{KAFKA_PREFIX}mt.submissions"
MT_SUBMISSIONS_OTP: Final = f"{KAFKA_PREFIX}mt.submissions.otp"
SEGMENTS_DLQ: Final = f"{KAFKA_PREFIX}mt.segments.dlq"
DISPATCH_DLQ: Final = f"{KAFKA_PREFIX}mt.dispatch.dlq"
SUBMIT_RESULTS: Final = f"{KAFKA_PREFIX}smsc.submit_results"
RECEIPTS: Final = f"{KAFKA_PREFIX}smsc.receipts"
SMSC_INBOUND: Final = f"{KAFKA_PREFIX}smsc.inbound"
JOINS: Final = f"{KAFKA_PREFIX}correlator.joins"
INBOUND_PARTS: Final = f"{KAFKA_PREFIX}correlator.inbound"
SEARCHES: Final = f"{KAFKA_PREFIX}correlator.searches"
MESSAGE_ID_FORMATS: Final = f"{KAFKA_PREFIX}correlator.formats"
MT_OUTCOMES: Final = f"{KAFKA_PREFIX}mt.outcomes"
FOLDS: Final = f"{KAFKA_PREFIX}correlator.folds"
MT_STATUSES: Final = f"{KAFKA_PREFIX}mt.statuses"
MO_MESSAGES: Final = f"{KAFKA_PREFIX}mo.messages"
LIFECYCLE_EVENTS: Final = f"{KAFKA_PREFIX}lifecycle.events"
SERVICE_STATES: Final = f"{KAFKA_PREFIX}service.states"
CONNECTOR_STATES: Final = f"{KAFKA_PREFIX}connector.states"
GROUP_BEGINNINGS: Final = f"{KAFKA_PREFIX}group.beginnings"
DLQ_REPLAYED: Final = f"{KAFKA_PREFIX}dlq.replayed"
TRACE_REQUESTS: Final = f"{KAFKA_PREFIX}smsc.trace_requests"
TRACES: Final = f"{KAFKA_PREFIX}smsc.traces"

EVERY_SERVICE: Final = ("ingress", "encoder", "throttler", "binder", "correlator", "recorder", "scheduler")
DOORS: Final = ("http-api",)
"""What takes requests and publishes them. The flow goes on without."""
EVERY_PROCESS: Final = (*EVERY_SERVICE, *DOORS)
CONNECTOR_PATTERN: Final = "[a-z0-9][a-z0-9-]*"
"""A connector's id in the name of a topic."""

RETRY_LANE: Final = "retry"
SEGMENT_LANES: Final = (*LANES, RETRY_LANE)
"""The lanes of a connector, as they stand in topic names."""


_SEGMENTS: Final = f"{KAFKA_PREFIX}mt.segments."
_DISPATCH: Final = f"{KAFKA_PREFIX}mt.dispatch."
_FEEDBACK: Final = f"{KAFKA_PREFIX}mt.feedback."


def segments_topic(connector_id: str, lane: str) -> str:
    return f"{_SEGMENTS}{connector_id}.{lane}"


def dispatch_topic(connector_id: str) -> str:
    return f"{_DISPATCH}{connector_id}"


def feedback_topic(connector_id: str) -> str:
    return f"{_FEEDBACK}{connector_id}"


def is_segments_topic(name: str) -> bool:
    return name.startswith(_SEGMENTS)


def is_dispatch_topic(name: str) -> bool:
    return name.startswith(_DISPATCH)


DLQ_END: Final = ".dlq"


def dlq_of(topic: str) -> str:
    """Where the dead letters of a (concrete) topic go. Per-connector topics share one each."""
    if topic.startswith(_SEGMENTS):
        return SEGMENTS_DLQ
    if topic.startswith((_DISPATCH, _FEEDBACK)):
        return DISPATCH_DLQ
    return f"{topic}{DLQ_END}"


TOPICS: Final[tuple[Topic, ...]] = (
    Topic(CONFIG_GATEWAY, "`gateway`", AppliedConfig, ("cli",), EVERY_PROCESS, None, 1, True, compacted=True,
          summary="the whole configuration, one record"),
    Topic(CONFIG_OPTOUTS, "account|to, account|from|to", OptOut, ("cli", "correlator", *DOORS), ("ingress", *DOORS),
          None, 1, True, compacted=True, summary="numbers that want no messages"),
    Topic(MT_REQUESTS, "any", Request, ("producers", *DOORS, "ingress", "correlator"), ("ingress",), 3 * DAY_MS,
          fixed=True, public=True, dead_letters=f"{KAFKA_PREFIX}mt.requests.dlq", summary="messages to send"),
    Topic(MT_REQUESTS_OTP, "any", Request, ("producers", *DOORS, "ingress"), ("ingress",), 3 * DAY_MS, fixed=True,
          public=True, dead_letters=f"{KAFKA_PREFIX}mt.requests.otp.dlq",
          summary="one-time passwords to send, a way of their own"),
    Topic(INGRESS_KEYS, "hash(account, key)", IdempotencyKey, ("ingress",), ("ingress", *DOORS), 25 * HOUR_MS,
          fixed=True, compacted=True, summary="idempotency keys of mt.requests"),
    Topic(INGRESS_KEYS_OTP, "hash(account, key)", IdempotencyKey, ("ingress",), ("ingress", *DOORS), 25 * HOUR_MS,
          fixed=True, compacted=True, summary="idempotency keys of mt.requests.otp"),
    Topic(MT_REROUTES, "message_id", Reroute, ("encoder", "throttler"), ("ingress",), 8 * DAY_MS,
          dead_letters=f"{KAFKA_PREFIX}mt.reroutes.dlq", summary="routes that ended unsent, for another connector"),
    Topic(MT_COMMANDS, "account_id", Command, ("producers", "cli", *DOORS), ("scheduler",), 7 * DAY_MS,
          public=True, dead_letters=f"{KAFKA_PREFIX}mt.commands.dlq", summary="messages to take back or to move"),
    Topic(MT_SCHEDULED, "message_id", ScheduledMessage, ("ingress",), ("scheduler",), 8 * DAY_MS, fixed=True,
          dead_letters=f"{KAFKA_PREFIX}mt.scheduled.dlq", summary="messages that are not due yet"),
    Topic(WAITING, "message_id", WaitingEntry, ("scheduler",), ("scheduler",), None, fixed=True, compacted=True,
          summary="state of the scheduler: what waits"),
    Topic(MT_DUE, "message_id", ScheduledMessage, ("scheduler",), ("ingress",), 8 * DAY_MS,
          dead_letters=f"{KAFKA_PREFIX}mt.due.dlq", summary="messages whose time has come"),
    Topic(MT_SUBMISSIONS, "to", Submission, ("ingress",), ("encoder",), 8 * DAY_MS,
          dead_letters=f"{KAFKA_PREFIX}mt.submissions.dlq", summary="admitted messages with identity and connector"),
    Topic(MT_SUBMISSIONS_OTP, "to", Submission, ("ingress",), ("encoder",), 8 * DAY_MS,
          dead_letters=f"{KAFKA_PREFIX}mt.submissions.otp.dlq", summary="the same, lane otp"),
    *(
        Topic(segments_topic("<connector>", lane), "account_id", SegmentedMessage,
              ("throttler",) if lane == RETRY_LANE else ("encoder",), ("throttler",), 9 * DAY_MS, 1,
              dead_letters=SEGMENTS_DLQ, summary=f"octets decided, lane {lane}")
        for lane in SEGMENT_LANES
    ),
    Topic(dispatch_topic("<connector>"), "message_id", Dispatch, ("throttler",), ("binder", "throttler"), 9 * DAY_MS,
          dead_letters=DISPATCH_DLQ, summary="one segment to submit now; a partition is a bind"),
    Topic(feedback_topic("<connector>"), "none", Feedback, ("binder", "throttler"), ("throttler", "binder"), 9 * DAY_MS,
          dead_letters=DISPATCH_DLQ, summary="what became of it"),
    Topic(SUBMIT_RESULTS, "provider|smsc_id", SubmitResult, ("throttler",), ("correlator",), 8 * DAY_MS, fixed=True,
          dead_letters=f"{KAFKA_PREFIX}smsc.submit_results.dlq", summary="segments the SMSC accepted"),
    Topic(RECEIPTS, "provider|smsc_id", RawReceipt, ("binder",), ("correlator",), 8 * DAY_MS, fixed=True,
          dead_letters=f"{KAFKA_PREFIX}smsc.receipts.dlq", summary="receipts as received"),
    Topic(SMSC_INBOUND, "destination_addr", RawInbound, ("binder",), ("correlator",), 8 * DAY_MS, fixed=True,
          dead_letters=f"{KAFKA_PREFIX}smsc.inbound.dlq", summary="messages from handsets as received"),
    Topic(INBOUND_PARTS, "array", InboundEntries, ("correlator",), ("correlator",), None, fixed=True, compacted=True,
          summary="state of messages from handsets"),
    Topic(JOINS, "provider|smsc_id", JoinEntries, ("correlator",), ("correlator",), None, fixed=True,
          compacted=True, summary="state of the join"),
    Topic(SEARCHES, "provider|smsc_id", ReceiptSearch, ("correlator", "cli"), ("correlator",), 8 * DAY_MS, fixed=True,
          dead_letters=f"{KAFKA_PREFIX}correlator.searches.dlq", summary="receipts to look for under another id"),
    Topic(MESSAGE_ID_FORMATS, "provider", LearnedFormat, ("correlator",), ("correlator", "binder", "cli"), None, 1,
          True, compacted=True, summary="formats of message ids, as learned"),
    Topic(MT_OUTCOMES, "message_id", Outcome, ("throttler", "correlator"), ("correlator",), 8 * DAY_MS, fixed=True,
          dead_letters=f"{KAFKA_PREFIX}mt.outcomes.dlq", summary="what became of each segment"),
    Topic(FOLDS, "message_id", FoldEntry, ("correlator",), ("correlator",), None, fixed=True,
          compacted=True, summary="state of the fold"),
    Topic(MT_STATUSES, "message_id", Status, ("ingress", "encoder", "throttler", "correlator", "scheduler"),
          ("producers", "ingress", *DOORS), 7 * DAY_MS, public=True, summary="what became of each message"),
    Topic(MO_MESSAGES, "to", InboundMessage, ("correlator",), ("applications", *DOORS), 7 * DAY_MS, public=True,
          summary="messages from handsets"),
    Topic(LIFECYCLE_EVENTS, "message_id", LifecycleEvent, EVERY_PROCESS, ("recorder",), 7 * DAY_MS,
          dead_letters=f"{KAFKA_PREFIX}lifecycle.events.dlq", summary="every step of every message"),
    Topic(SERVICE_STATES, "service|instance|pid", ServiceState, EVERY_PROCESS, ("binder", "cli"), None, 1, True,
          compacted=True, summary="the beat of every process"),
    Topic(CONNECTOR_STATES, "connector|partition", ConnectorState, ("binder",), ("throttler", "binder", "cli"), None, 1,
          True, compacted=True, summary="who holds which bind"),
    Topic(GROUP_BEGINNINGS, "group|topic|partition", GroupBeginning, (*EVERY_SERVICE, "cli"), (*EVERY_SERVICE, "cli"),
          None, 1, True, compacted=True, summary="with which partitions each group has begun"),
    Topic(DLQ_REPLAYED, "dlq topic|partition|offset", ReplayMark, ("cli",), ("cli",), 32 * DAY_MS, 1, True,
          compacted=True, summary="which dead letters were replayed; longer than those are kept"),
    Topic(TRACE_REQUESTS, "connector_id|request_id", TraceRequest, ("cli",), ("binder",), HOUR_MS, 1, True,
          compacted=True, transient=True, summary="who looks at a connector's PDUs just now"),
    Topic(TRACES, "connector_id", TraceLine, ("binder",), ("cli",), HOUR_MS, 1, True, transient=True,
          summary="PDUs while somebody looks, decoded and redacted"),
)  # fmt: skip

CO_PARTITIONED: Final = ((SUBMIT_RESULTS, RECEIPTS, SEARCHES, JOINS), (SMSC_INBOUND, INBOUND_PARTS),
                         (MT_OUTCOMES, FOLDS), (MT_SCHEDULED, WAITING), (MT_REQUESTS, INGRESS_KEYS),
                         (MT_REQUESTS_OTP, INGRESS_KEYS_OTP))  # fmt: skip
"""Topics with equal partition counts: a record's partition in one decides where to look in another."""


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A concrete topic to create."""

    name: str
    partitions: int
    config: dict[str, str]


def dlq_config() -> dict[str, str]:
    """A dead letter is a record as it came, and headers more: the limit is above that of the topics it comes from."""
    return {
        "cleanup.policy": "delete",
        TIMESTAMP_TYPE: LOG_APPEND_TIME,
        "retention.ms": str(30 * DAY_MS),
        "retention.bytes": "-1",
        "max.message.bytes": str(4 << 20),
    }


def shared_topics(partitions: int = DEFAULT_PARTITIONS) -> list[NewTopic]:
    """Every topic that exists once, dead letters included, in flow order."""
    found: dict[str, NewTopic] = {}
    for topic in TOPICS:
        if not topic.per_connector:
            found[topic.name] = NewTopic(topic.name, topic.partitions or partitions, topic.config())
    for topic in TOPICS:
        if topic.dead_letters:
            found.setdefault(topic.dead_letters, NewTopic(topic.dead_letters, 1, dlq_config()))
    return list(found.values())


def connector_topics(connector_id: str, max_binds: int) -> list[NewTopic]:
    """The topics of one connector."""
    return [
        NewTopic(t.name.replace("<connector>", connector_id), t.partitions or max_binds, t.config())
        for t in TOPICS
        if t.per_connector
    ]


def written_by(service: str, names: Iterable[str]) -> list[str]:
    """Those of `names` (topics of a cluster) into which `service` writes what follows from what it reads, dead letters
    included. Its beat, and with what it has begun, are no part of that."""
    patterns = [
        re.escape(topic.name).replace(re.escape("<connector>"), CONNECTOR_PATTERN)
        for topic in TOPICS
        if service in topic.producers and topic.name not in (SERVICE_STATES, GROUP_BEGINNINGS)
    ]
    dead_letters = {topic.dead_letters for topic in TOPICS if service in topic.consumers}
    pattern = re.compile("|".join(patterns))
    return sorted(name for name in names if name in dead_letters or pattern.fullmatch(name))
