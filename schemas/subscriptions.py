"""Pure: who consumes what: every consumer group with its topics, in flow order.

The services are declared to FastStream from this list, and so is the AsyncAPI document of the public topics. Tables
that a process reads whole (configuration, states) and restores of its own output are no subscriptions.
"""

from dataclasses import dataclass
from typing import Final

from schemas.groups import (
    BINDER_GROUP,
    ENCODER_GROUP,
    ENCODER_OTP_GROUP,
    FOLD_GROUP,
    INGRESS_GROUP,
    INGRESS_OTP_GROUP,
    JOIN_GROUP,
    RECORDER_GROUP,
    SCHEDULER_GROUP,
    THROTTLER_GROUP,
)
from schemas.topics import (
    LIFECYCLE_EVENTS,
    MT_COMMANDS,
    MT_DUE,
    MT_OUTCOMES,
    MT_REQUESTS,
    MT_REQUESTS_OTP,
    MT_REROUTES,
    MT_SCHEDULED,
    MT_SUBMISSIONS,
    MT_SUBMISSIONS_OTP,
    RECEIPTS,
    SEARCHES,
    SEGMENT_LANES,
    SMSC_INBOUND,
    SUBMIT_RESULTS,
    dispatch_topic,
    feedback_topic,
    segments_topic,
)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One consumer group. `topics` are named as in the registry, families with `<connector>`."""

    service: str
    group: str
    topics: tuple[str, ...]
    description: str


INGRESS: Final = Subscription(
    "ingress", INGRESS_GROUP, (MT_REQUESTS, MT_REROUTES, MT_DUE),
    "Admits requests, or rejects them with a status; gives a message its identity, country and route.",
)  # fmt: skip
INGRESS_OTP: Final = Subscription(
    "ingress", INGRESS_OTP_GROUP, (MT_REQUESTS_OTP,),
    "The same for one-time passwords: nothing else ever stands before them.",
)  # fmt: skip
ENCODER: Final = Subscription(
    "encoder", ENCODER_GROUP, (MT_SUBMISSIONS,), "Decides alphabet and segments, octet by octet, for the connector."
)
ENCODER_OTP: Final = Subscription(
    "encoder", ENCODER_OTP_GROUP, (MT_SUBMISSIONS_OTP,), "The same for one-time passwords."
)
THROTTLER: Final = Subscription(
    "throttler", THROTTLER_GROUP,
    (*(segments_topic("<connector>", lane) for lane in SEGMENT_LANES), feedback_topic("<connector>")),
    "Takes from the lanes of a connector what its rate and windows let through, and what binds say about it.",
)  # fmt: skip
BINDER: Final = Subscription(
    "binder", BINDER_GROUP, (dispatch_topic("<connector>"),), "Submits what it is given, over one bind a partition."
)
JOIN: Final = Subscription(
    "correlator", JOIN_GROUP, (SUBMIT_RESULTS, RECEIPTS, SEARCHES, SMSC_INBOUND),
    "Joins receipts with what was submitted, and puts messages from handsets together.",
)  # fmt: skip
FOLD: Final = Subscription(
    "correlator", FOLD_GROUP, (MT_OUTCOMES,), "Folds what became of segments into what became of the message."
)
RECORDER: Final = Subscription(
    "recorder", RECORDER_GROUP, (LIFECYCLE_EVENTS,), "Writes every step of every message to ClickHouse."
)
SCHEDULER: Final = Subscription(
    "scheduler",
    SCHEDULER_GROUP,
    (MT_SCHEDULED,),
    "Keeps what is not due yet, and gives it back in its time.",
)

COMMANDS: Final = Subscription(
    "scheduler", "", (MT_COMMANDS,), "Takes back, or moves, what was published before and has not gone yet."
)
FOLLOWED: Final = (COMMANDS,)
"""Public topics that are read whole, without a group."""

SUBSCRIPTIONS: Final = (INGRESS, INGRESS_OTP, ENCODER, ENCODER_OTP, THROTTLER, BINDER, JOIN, FOLD, RECORDER, SCHEDULER)
