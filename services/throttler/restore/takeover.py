"""Edge: makes the dispatchers of the connectors that are ours, from Kafka's logs and the running configuration."""

import logging
from functools import partial

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError

from schemas.commit_marks import ThrottlerMark
from services.throttler.connector.dispatcher import ConnectorDispatcher
from services.throttler.connector.policy import Policy
from services.throttler.connector_topics import lane_of
from services.throttler.now import this_moment
from services.throttler.restore.remains import Owned, Remains, owned_connectors
from shared.kafka.committed_offsets import committed_with_metadata
from shared.kafka.replay import LogReader
from shared.membership.beginnings import Beginnings
from shared.membership.handler import GivenUp
from shared.membership.member import Member
from shared.process.service import Service

log = logging.getLogger(__name__)


class Takeover:
    """One attempt, for one assignment and one configuration."""

    def __init__(self, service: Service, member: Member, consumer: AIOKafkaConsumer, beginnings: Beginnings) -> None:
        self._service = service
        self._member = member
        self._group = member.group
        self._consumer = consumer
        self._beginnings = beginnings
        self._new: list[Owned] = []
        self._committed: dict[TopicPartition, tuple[int, str]] = {}

    async def dispatchers(
        self, held: frozenset[TopicPartition], existing: dict[str, ConnectorDispatcher]
    ) -> dict[str, ConnectorDispatcher]:
        """The dispatcher of every connector that is held whole and configured. `existing` ones are kept, with the
        configuration of now; new ones know of no bind yet.

        A connector that is not configured has none: its records wait, and an id that comes back takes up where it was.
        """
        found: dict[str, ConnectorDispatcher] = {}
        policies: dict[str, Policy] = {}
        for owned in owned_connectors(held, lambda topic: len(self._consumer.partitions_for_topic(topic) or ())):
            policy = self._policy(owned.connector_id)
            if policy is None:
                continue
            policies[owned.connector_id] = policy
            dispatcher = existing.get(owned.connector_id)
            if dispatcher is None:
                self._new.append(owned)
            else:
                dispatcher.configure(policy, this_moment())
                found[owned.connector_id] = dispatcher
        if self._new:
            async with LogReader(self._service.settings, partial(self._service.progress, self._group)) as reader:
                found |= await self._restored(reader, policies)
        return found

    def _policy(self, connector_id: str) -> Policy | None:
        connector = self._service.gateway.connector(connector_id)
        if connector is None:
            return None
        return Policy.of(connector, draining=self._service.gateway.draining(connector_id) is not None)

    async def _restored(self, reader: LogReader, policies: dict[str, Policy]) -> dict[str, ConnectorDispatcher]:
        """Read until what is committed was the same before and after.

        Reading waits for the end of a transaction that a predecessor left open, and that may move its offsets.
        """
        places = [tp for owned in self._new for tp in owned.partitions]
        committed = await self._claimed(places)
        while True:
            remains = Remains(self._new, committed)
            await remains.read(reader)
            self._committed = await self._commits(places)
            if self._committed == committed:
                return {
                    owned.connector_id: self._dispatcher(owned.connector_id, policies, remains) for owned in self._new
                }
            committed = self._committed

    async def _claimed(self, places: list[TopicPartition]) -> dict[TopicPartition, tuple[int, str]]:
        """What is committed, once the group has begun with all of `places`. Raises `LostPosition`, and `GivenUp` where
        they are shared out again meanwhile."""
        committed = await self._commits(places)
        begun = await self._beginnings.places(places, committed)
        if not await self._beginnings.claim_new(self._member, begun, committed, _first_mark):
            raise GivenUp("the partitions are shared out again")
        return committed if committed.keys() == set(places) else await self._commits(places)

    async def _commits(self, places: list[TopicPartition]) -> dict[TopicPartition, tuple[int, str]]:
        found = await committed_with_metadata(self._service.settings, self._group)
        return {tp: found[tp] for tp in places if tp in found}

    def _dispatcher(self, connector_id: str, policies: dict[str, Policy], remains: Remains) -> ConnectorDispatcher:
        ledger = remains.ledger(connector_id)
        dispatcher = ConnectorDispatcher(
            policies[connector_id], self._service.events, self._service.owner, this_moment(), ledger
        )
        remains.restore(dispatcher)
        log.info("%s: %d segments in flight, ledger of %d", connector_id, dispatcher.binds.unanswered, len(ledger))
        return dispatcher

    def seek(self) -> None:
        """Read the new dispatchers' partitions from their committed offsets, whatever was read of them before."""
        for owned in self._new:
            for tp in owned.partitions:
                try:
                    self._consumer.seek(tp, self._committed[tp][0])
                except IllegalStateError:
                    return  # given away just now: it will be taken over again


def _first_mark(topic: str) -> str:
    """The metadata of the first commit of a partition: of feedback, that everything may still be unfinished."""
    return "" if lane_of(topic) is not None else ThrottlerMark().to_text()
