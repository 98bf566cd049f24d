"""Edge: SMPP as a channel: what a link reports, in words that every kind shares."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from services.binder.channel import Unsendable
from services.binder.lease.backoff import Failure
from services.binder.lease.machine import LeaseEvent
from services.binder.outbox import Outbox
from services.binder.receive import receiving as receiving_module
from services.binder.receive.receiving import Receiving
from services.binder.smpp.channel import SmppChannel
from services.binder.smpp.link import EsmeConnection, EsmeLink
from services.binder.submit.dispatch_record import DispatchedSegment, read_dispatch
from services.binder.submit.feedback_record import Said
from services.binder.trace.files import TraceFiles
from services.binder.trace.tracing import Tracing
from shared.kafka.produce import BatchProducer
from shared.smpp.errors import UnencodablePdu
from shared.smpp.events import DeliverReceived
from shared.smpp.pdu import DeliverSm, SubmitSm
from tests.integration.binder_rig import connector, dispatch_record
from tests.stateful.test_journal_machine import Record
from tests.unit.binder.fakes import FakeProducer

TRY_AGAIN = 0x64


@dataclass
class FakeSession:
    """Keeps the answers to deliver_sm."""

    answers: list[tuple[int, int]] = field(default_factory=list)

    def answer_deliver(self, sequence_number: int, command_status: int = 0, now: float | None = None) -> bool:
        self.answers.append((sequence_number, command_status))
        return True


@dataclass(eq=False)
class FakeConnection:
    """A connection whose SMSC does nothing."""

    session: FakeSession = field(default_factory=FakeSession)
    woken: int = 0

    def wake(self) -> None:
        self.woken += 1


@dataclass
class Told:
    """Who submits, and who has the lease: remembers what is reported."""

    answers: list[tuple[int, Said]] = field(default_factory=list)
    late: list[tuple[int, Said]] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    downs: list[tuple[str, str]] = field(default_factory=list)

    def answered(self, segment: DispatchedSegment, said: Said) -> None:
        self.answers.append((segment.offset, said))

    def unknown(self, segment: DispatchedSegment) -> None:
        self.lost.append(segment.offset)

    def answered_late(self, segment: DispatchedSegment, said: Said) -> None:
        self.late.append((segment.offset, said))

    def advance(self) -> None:
        return

    def link_down(self, reason: str, detail: str) -> None:
        self.downs.append((reason, detail))


class Scene:
    """A channel that is not connected."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.told = Told()
        outbox = Outbox(cast("BatchProducer", FakeProducer()))
        self.receiving = Receiving(outbox)
        self.channel = SmppChannel(
            connector("c", 1, **changes),
            0,
            self.told,
            self.told,
            self.receiving,
            Tracing(outbox, "me|1", TraceFiles(folder)),
            {},
        )

    def delivered(self, connection: FakeConnection, *numbers: int) -> None:
        pdu = DeliverSm(esm_class=4, short_message=b"id:1 stat:DELIVRD")
        for number in numbers:
            self.channel.delivered(cast("EsmeConnection", connection), DeliverReceived(number, pdu))


def segment(offset: int) -> DispatchedSegment:
    found = read_dispatch(Record(offset, dispatch_record(offset).to_json()))
    assert isinstance(found, DispatchedSegment)
    return found


async def test_answers_are_told_in_the_words_of_every_kind(tmp_path: Path) -> None:
    scene = Scene(tmp_path, options={"status_map": {"0x401": "temporary"}})
    for offset, status in enumerate((0, 0x58, 0x0B, 0x401)):
        scene.channel.submit_answered(segment(offset), status, "0AB")
    scene.channel.submit_unknown(segment(9))
    scene.channel.late_response(segment(9), 0, "0AB")
    assert [(offset, said.outcome, said.error_code) for offset, said in scene.told.answers] == [
        (0, "accepted", None),
        (1, "throttled", 0x58),
        (2, "permanent", 0x0B),
        (3, "temporary", 0x401),
    ]
    assert scene.told.answers[0][1].smsc_message_ids == ("0AB",)
    assert scene.told.lost == [9]
    assert [(offset, said.outcome) for offset, said in scene.told.late] == [(9, "accepted")]


async def test_q54_a_delivery_is_answered_when_kafka_has_it(tmp_path: Path) -> None:
    scene, connection = Scene(tmp_path), FakeConnection()
    scene.delivered(connection, 1, 2)
    parcel = scene.receiving.collect()
    assert parcel is not None
    assert [out.topic for out in parcel.outs] == ["smsc.receipts"] * 2
    assert connection.session.answers == []
    parcel.done({})
    assert connection.session.answers == [(1, 0), (2, 0)]
    assert connection.woken == 1


async def test_q53_more_than_can_wait_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving_module, "OUTSTANDING_MAX", 2)
    scene, connection = Scene(tmp_path), FakeConnection()
    scene.delivered(connection, 1, 2, 3)
    assert connection.session.answers == [(3, TRY_AGAIN)]
    parcel = scene.receiving.collect()
    assert parcel is not None
    assert len(parcel.outs) == 2


async def test_what_no_pdu_can_hold_cannot_be_sent(tmp_path: Path) -> None:
    class Refusing(EsmeLink):
        def submit(self, token: DispatchedSegment, submit_sm: SubmitSm) -> bool:
            raise UnencodablePdu("source_addr: NUL")

    scene = Scene(tmp_path)
    assert not scene.channel.submit(segment(1), 0), "nothing is connected"
    scene.channel._link = Refusing(scene.channel)
    with pytest.raises(Unsendable, match="source_addr: NUL"):
        scene.channel.submit(segment(1), 0)


async def test_a_missing_secret_makes_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMSGW_SECRET_SMSC", raising=False)
    failed = await Scene(tmp_path).channel.connect()
    assert failed is not None
    assert (failed.failure, failed.error_code) == (Failure.UNUSABLE, 0)
    assert "SMSGW_SECRET_SMSC is not set" in failed.reason


async def test_the_configuration_says_whether_a_new_bind_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SMSGW_SECRET_SMSC", raising=False)
    channel = Scene(tmp_path).channel
    account = channel.account
    assert channel.configure(connector("c", 1, window=77)) is None
    monkeypatch.setenv("SMSGW_SECRET_SMSC", "x")
    assert channel.configure(connector("c", 1)) is LeaseEvent.SECRET_CHANGED
    assert channel.configure(connector("c", 2)) is LeaseEvent.CHANGED
    assert channel.account != account
