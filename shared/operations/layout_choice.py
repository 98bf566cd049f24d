"""Pure: how the topics of an installation are laid out: chosen with the first of them, and fixed from then on."""

from dataclasses import dataclass
from typing import Final

from schemas.gateway.file import PARTITIONS_MAX, TopicLayout
from schemas.topics import DEFAULT_PARTITIONS
from shared.kafka.topic_layout import FoundTopic
from shared.operations.errors import Invalid, Refused

COPIES: Final = 3
"""Replicas of a topic, where the cluster has that many brokers: one may be repaired while another one dies."""

PARTITIONS_OF_A_CLUSTER: Final = 12
FIXED: Final = "it was chosen when they were made, and is fixed: identity and joins hang on it"
CHECK: Final = "`smsgw topics check` lists what differs"


@dataclass(frozen=True, slots=True)
class LayoutWish:
    """What somebody asks for; None: no matter."""

    partitions: int | None = None
    replication_factor: int | None = None
    min_insync: int | None = None

    def check(self) -> None:
        """Raise `Invalid` for numbers that no cluster could have."""
        for option, value in self.options().items():
            if value is not None and not 1 <= value <= PARTITIONS_MAX:
                raise Invalid(f"{option} {value}: must be from 1 to {PARTITIONS_MAX}")
        copies, least = self.replication_factor, self.min_insync
        if copies is not None and least is not None and least > copies:
            raise Invalid(f"--min-insync {least} of {copies} replicas: nothing could ever be written")

    def options(self) -> dict[str, int | None]:
        return {
            "--partitions": self.partitions,
            "--replication-factor": self.replication_factor,
            "--min-insync": self.min_insync,
        }


def layout_found(requests: FoundTopic, min_insync: int | None, wish: LayoutWish) -> TopicLayout:
    """What was chosen before, where nothing is written: what `mt.requests` has.

    `min_insync` is its own; topics of an earlier version have none (None), so that may still be wished. Raises
    `Invalid`.
    """
    copies = requests.most_replicas
    if min_insync is not None and min_insync <= copies:  # one that is larger was no choice of ours
        return _checked(requests.partitions, copies, min_insync)
    return _checked(requests.partitions, copies, wish.min_insync or default_min_insync(copies))


def check_wish(wish: LayoutWish, written: TopicLayout) -> None:
    """Raise `Refused` where something else is wished than what is fixed, and `Invalid`."""
    wish.check()
    fixed = {"--partitions": written.partitions, "--replication-factor": written.replication_factor,
             "--min-insync": written.min_insync}  # fmt: skip
    for option, value in wish.options().items():
        if value is not None and value != fixed[option]:
            raise Refused(f"{option} {value}: the topics of this installation have {fixed[option]}; {FIXED}", CHECK)


def first_layout(wish: LayoutWish, brokers: int) -> TopicLayout:
    """For a cluster without topics of ours, where so many brokers live. Raises `Refused` where they are too few, and
    `Invalid`."""
    wish.check()
    copies = wish.replication_factor or min(COPIES, brokers)
    if copies > brokers:
        live = "1 broker lives" if brokers == 1 else f"{brokers} brokers live"
        raise Refused(f"--replication-factor {copies}: only {live}", "start the others first, or choose fewer replicas")
    partitions = wish.partitions or (PARTITIONS_OF_A_CLUSTER if brokers >= COPIES else DEFAULT_PARTITIONS)
    return _checked(partitions, copies, wish.min_insync or default_min_insync(copies))


def default_min_insync(copies: int) -> int:
    """One replica may be away, where there are others."""
    return max(1, copies - 1)


def _checked(partitions: int, copies: int, least: int) -> TopicLayout:
    if least > copies:
        raise Invalid(f"--min-insync {least} of {copies} replicas: nothing could ever be written")
    return TopicLayout(partitions=partitions, replication_factor=copies, min_insync=least)
