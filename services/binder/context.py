"""Edge: what every lease of a binder process shares."""

from dataclasses import dataclass
from typing import Protocol

from aiokafka import TopicPartition

from schemas.gateway.connectors.kinds import Connector
from services.binder.channel import Answers, Channel, LinkWatcher
from services.binder.lease.accounts import Accounts
from services.binder.lease.board import StateBoard
from services.binder.lease.inheritance import JournalTakeover
from services.binder.lease.watch import Watch
from services.binder.outbox import Outbox
from services.binder.submit.committing import Committer
from shared.messages.events import EventMaker


class BinderProcess(Protocol):
    """The process itself, as far as a lease asks it."""

    def may_decide(self) -> bool:
        """Whether its last acknowledged heartbeat is young, and no rebalance is under way."""

    def may_write(self) -> bool:
        """Whether what is claimed may be written to a socket: the last acknowledged heartbeat is young, and no other
        process can have taken this one for dead."""

    async def alive(self) -> None:
        """Return when it may decide and its beats come through: no decision after a sleep."""

    async def end_offset(self, tp: TopicPartition) -> int:
        """Where the partition ends now."""

    def failed(self, error: BaseException) -> None:
        """Something went wrong that no lease can mend: the process ends."""


class OpenChannel(Protocol):
    """Makes the channel of a lease, by the kind of its connector."""

    def __call__(self, connector: Connector, partition: int, answers: Answers, watcher: LinkWatcher) -> Channel: ...


@dataclass(frozen=True, slots=True)
class BinderContext:
    """The collaborators of a lease."""

    owner: str
    """"instance|pid"."""
    process: BinderProcess
    events: EventMaker
    outbox: Outbox
    committer: Committer
    board: StateBoard
    watch: Watch
    accounts: Accounts
    takeover: JournalTakeover
    open_channel: OpenChannel
