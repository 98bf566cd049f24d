"""Edge: what a process says of its leases, and what it hears of others."""

from dataclasses import dataclass
from typing import cast

import pytest

from schemas.connector_states import BindState, ConnectorState
from services.binder.lease.board import StateBoard
from services.binder.outbox import Outbox
from shared.kafka.produce import BatchProducer
from shared.process.metrics import REGISTRY
from tests.unit.binder.fakes import FakeProducer

PLACE = ("acme-1", 2)


@dataclass
class Heard:
    key: bytes
    value: bytes | None


def record(owner: str, word: BindState, epoch: int) -> Heard:
    state = ConnectorState(connector_id="acme-1", partition=2, state=word, owner=owner, epoch=epoch, since_ms=0)
    return Heard(b"acme-1|2", state.to_json())


class Board:
    """A board with what it posts."""

    def __init__(self) -> None:
        self.outbox = Outbox(cast("BatchProducer", FakeProducer()))
        self.board = StateBoard(self.outbox, "me|1")

    def said(self) -> list[tuple[str, int]]:
        states = [ConnectorState.from_json(out.value or b"") for out in self.outbox._posted]
        return [(state.state, state.epoch) for state in states]


@pytest.fixture
async def made() -> Board:
    return Board()


async def test_says_each_thing_once_under_the_leases_key(made: Board) -> None:
    for _ in range(2):
        made.board.publish(PLACE, "bound", epoch=3, window=10)
    made.board.publish(PLACE, "bound", epoch=3, window=20)
    assert made.said() == [("bound", 3), ("bound", 3)]
    assert made.outbox._posted[0].key == b"acme-1|2"


async def test_remembers_the_last_word_of_anybody(made: Board) -> None:
    assert made.board.read(record("you|1", "bound", 1)) == PLACE
    last = made.board.last(PLACE)
    assert last is not None
    assert last.owner == "you|1"
    assert made.board.read(Heard(b"acme-1|2", None)) == PLACE
    assert made.board.last(PLACE) is None


async def test_a_late_record_of_an_earlier_owner_is_answered(made: Board) -> None:
    made.board.publish(PLACE, "bound", epoch=3)
    made.board.read(record("you|1", "released", 2))
    assert made.said() == [("bound", 3), ("bound", 3)]


async def test_a_later_owner_is_not_contradicted(made: Board) -> None:
    made.board.publish(PLACE, "bound", epoch=3)
    made.board.read(record("you|1", "binding", 4))
    made.board.publish(PLACE, "released", epoch=3)
    made.board.read(record("you|1", "binding", 2))
    assert made.said() == [("bound", 3), ("released", 3)]


async def test_counts_what_it_holds_by_state_zero_too(made: Board) -> None:
    def counted(state: str) -> float | None:
        return REGISTRY.get_sample_value("smsgw_binds", {"connector": "counted-1", "state": state})

    for bind in (0, 1):
        made.board.publish(("counted-1", bind), "bound", epoch=1)
    made.board.publish(("counted-1", 0), "unbound", epoch=1)
    assert (counted("bound"), counted("unbound"), counted("auth_failed")) == (1, 1, 0)
    made.board.publish(("counted-1", 0), "released", epoch=1)
    made.board.publish(("counted-1", 1), "auth_failed", epoch=1)
    assert (counted("bound"), counted("unbound"), counted("auth_failed")) == (0, 0, 1)
