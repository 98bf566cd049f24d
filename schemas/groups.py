"""Pure: the names under which services are known to Kafka: consumer groups, their static members, transactional ids."""

from itertools import chain
from typing import Final

from schemas.kafka_prefix import KAFKA_PREFIX

INGRESS_GROUP: Final = f"{KAFKA_PREFIX}ingress"
INGRESS_OTP_GROUP: Final = f"{KAFKA_PREFIX}ingress-otp"
ENCODER_GROUP: Final = f"{KAFKA_PREFIX}encoder"
ENCODER_OTP_GROUP: Final = f"{KAFKA_PREFIX}encoder-otp"
THROTTLER_GROUP: Final = f"{KAFKA_PREFIX}throttler"
BINDER_GROUP: Final = f"{KAFKA_PREFIX}binder"
JOIN_GROUP: Final = f"{KAFKA_PREFIX}correlator-join"
FOLD_GROUP: Final = f"{KAFKA_PREFIX}correlator-fold"
RECORDER_GROUP: Final = f"{KAFKA_PREFIX}recorder"
SCHEDULER_GROUP: Final = f"{KAFKA_PREFIX}scheduler"

GROUPS_OF: Final = {
    "ingress": (INGRESS_GROUP, INGRESS_OTP_GROUP),
    "encoder": (ENCODER_GROUP, ENCODER_OTP_GROUP),
    "throttler": (THROTTLER_GROUP,),
    "binder": (BINDER_GROUP,),
    "correlator": (JOIN_GROUP, FOLD_GROUP),
    "recorder": (RECORDER_GROUP,),
    "scheduler": (SCHEDULER_GROUP,),
}
"""The groups of each service, in flow order."""

CONSUMER_GROUPS: Final = tuple(chain.from_iterable(GROUPS_OF.values()))
"""Every group, in flow order."""

CONFIG_WRITER: Final = f"{KAFKA_PREFIX}config.gateway"
"""The one `transactional.id` of everybody who changes `config.gateway`: who starts with it fences all others."""


DLQ_REPLAY_TRANSACTIONS: Final = f"{KAFKA_PREFIX}smsgw-dlq-replay"
"""The `transactional.id` of whoever replays dead letters: one operator at a time, on whatever machine."""


def is_our_transaction(transactional_id: str) -> bool:
    """Whether a process of ours may have this `transactional.id`."""
    writers = tuple(f"{group}-" for group in CONSUMER_GROUPS)
    return transactional_id in (CONFIG_WRITER, DLQ_REPLAY_TRANSACTIONS) or transactional_id.startswith(writers)


BARRIER_GROUPS: Final = f"{KAFKA_PREFIX}smsgw-barrier-"
"""What the names of groups without members begin with that commit nothing but barriers
(`shared/kafka/coordinator_barrier.py`)."""


def barrier_group(number: int) -> str:
    return f"{BARRIER_GROUPS}{number}"


def static_member(group: str, instance: str) -> str:
    """The `group.instance.id` of a process: its partitions wait for it while it restarts."""
    return f"{group}-{instance}"


def transactional_id(group: str, instance: str) -> str:
    """The `transactional.id` of a process: one that starts with it fences the one before."""
    return f"{group}-{instance}"


def writer_id(group: str, instance: str, run: str) -> str:
    """The `transactional.id` of one run of a process that writes at least once. `run` tells its runs apart: a successor
    with the same instance id fences the run before, and not itself."""
    return f"{group}-{instance}-{run}"
