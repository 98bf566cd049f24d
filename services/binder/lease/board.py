"""Edge: `connector.states`: what leases say of themselves, and what others last said."""

from collections import Counter
from typing import Final

from aiokafka import ConsumerRecord

from schemas.connector_states import HELD_STATES, BindState, ConnectorState
from schemas.topics import CONNECTOR_STATES
from services.binder.outbox import Outbox
from shared.kafka.records import Out
from shared.process.clock import now_ms
from shared.process.metrics import BINDS

BindPlace = tuple[str, int]
"""Connector id and partition."""


class StateBoard:
    """The table `connector.states` as this process reads it, and its own entries."""

    def __init__(self, outbox: Outbox, owner: str) -> None:
        self._outbox = outbox
        self._owner: Final = owner
        self._last: dict[BindPlace, ConnectorState] = {}
        self._held: dict[BindPlace, ConnectorState] = {}

    def last(self, place: BindPlace) -> ConnectorState | None:
        """The last record of a lease, whoever wrote it."""
        return self._last.get(place)

    def read(self, record: ConsumerRecord) -> BindPlace:
        """Take in a record of the table; returns the lease that it is about."""
        connector_id, _, partition = (record.key or b"").decode().rpartition("|")
        place = (connector_id, int(partition))
        if record.value is None:
            self._last.pop(place, None)
        else:
            state = ConnectorState.from_json(record.value)
            self._last[place] = state
            self._defend(place, state)
        return place

    def _defend(self, place: BindPlace, state: ConnectorState) -> None:
        """A record of an earlier owner that came late must not hide what this process holds."""
        held = self._held.get(place)
        if held is not None and state.owner != self._owner and state.epoch < held.epoch:
            self._post(held)

    def publish(self, place: BindPlace, word: BindState, *, epoch: int, window: int = 0, reason: str = "") -> None:
        """Say what became of a lease of ours; the same again is not said twice."""
        connector_id, partition = place
        before = self._held.get(place)
        if before is not None and (before.state, before.epoch, before.window, before.reason) == (
            word,
            epoch,
            window,
            reason,
        ):
            return
        state = ConnectorState(
            connector_id=connector_id,
            partition=partition,
            state=word,
            owner=self._owner,
            epoch=epoch,
            window=window,
            since_ms=now_ms(),
            reason=reason,
        )
        if word == "released":
            self._held.pop(place, None)
        else:
            self._held[place] = state
        self._count(connector_id)
        self._post(state)

    def _count(self, connector_id: str) -> None:
        """Every state of a connector has a number, 0 too: an alert must see that none is bound."""
        held = Counter(state.state for state in self._held.values() if state.connector_id == connector_id)
        for word in HELD_STATES:
            BINDS.labels(connector_id, word).set(held[word])

    def _post(self, state: ConnectorState) -> None:
        key = f"{state.connector_id}|{state.partition}".encode()
        self._outbox.post(Out(CONNECTOR_STATES, key, state.to_json()))
