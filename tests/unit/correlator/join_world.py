"""The join over several partitions and processes, with the topics that carry searches and learned formats."""

from base64 import b64encode
from collections import defaultdict
from typing import Any

import orjson

from schemas.gateway.connectors.smpp import SmppConnector
from schemas.joins import EarlyEntry
from schemas.topics import (
    JOINS,
    LIFECYCLE_EVENTS,
    MESSAGE_ID_FORMATS,
    MT_OUTCOMES,
    MT_STATUSES,
    RECEIPTS,
    SEARCHES,
    SUBMIT_RESULTS,
)
from services.correlator.join.cycle import JoinCycle
from services.correlator.join.partition import JoinPartition
from shared.kafka.records import Out, partition_of
from shared.operations.receipts import replays
from shared.process.learned_formats import LearnedFormats
from shared.sms.smsc_message_id import ReceiptIds, names_in_response, normalised
from tests.unit.correlator.making import EVENTS, T0, Record, message_id, raw_receipt, submit_result

PARTITIONS = 4


def connector(connector_id: str = "acme-1", provider: str = "acme", **options: Any) -> SmppConnector:
    return SmppConnector.model_validate(
        {
            "id": connector_id,
            "provider": provider,
            "host": "h",
            "port": 1,
            "system_id": "s",
            "password": {"env": "X"},
            "options": options,
        }
    )


class JoinWorld:
    """Kafka and `processes` correlators, each with its share of the partitions. Everything that is written is read,
    until nothing more follows; `receive` and `accept` file as binder and throttler do."""

    def __init__(self, *connectors: SmppConnector, processes: int = 2) -> None:
        self.now_ms = T0 + 10_000
        self.logs: dict[str, list[list[Record]]] = defaultdict(lambda: [[] for _ in range(PARTITIONS)])
        self.outs: list[Out] = []
        self.connectors = {c.id: c for c in connectors or (connector(),)}
        self.learned = LearnedFormats()
        self.read: dict[tuple[str, int], int] = defaultdict(int)
        self.cycles = [JoinCycle() for _ in range(processes)]
        for number in range(PARTITIONS):
            self.start(number)
        self.configure()

    def start(self, number: int) -> None:
        """The partition gets a new owner, which restores it."""
        cycle = self.cycles[number % len(self.cycles)]
        cycle.partitions[number] = part = JoinPartition(number, EVENTS, cycle.rules)
        for record in self.logs[JOINS][number]:
            part.table.restore(record.key or b"", record.value)
        list(part.restored())

    def configure(self, **options: Any) -> None:
        """Every connector gets these options."""
        if options:
            self.connectors = {name: connector(name, c.provider, **options) for name, c in self.connectors.items()}
        for cycle in self.cycles:
            if cycle.rules.adopt(self.connectors, self.learned.formats):
                cycle.reconsider()

    def accept(self, number: int, smsc_message_id: str, **changes: Any) -> None:
        """The SMSC takes message `number` under this id."""
        result = submit_result(number, smsc_message_id=smsc_message_id, **changes)
        self._append(SUBMIT_RESULTS, f"acme|{normalised(smsc_message_id)}".encode(), result.to_json())

    def receive(self, written: str, stat: str = "DELIVRD", *, in_tlv: str = "", **changes: Any) -> None:
        """A receipt with this id in its text."""
        name = next(iter(names_in_response(ReceiptIds(in_tlv, written), (self.learned.formats.get("acme", "raw"),))))
        tlvs = [(0x001E, _base64(in_tlv.encode() + b"\0"))] if in_tlv else []
        fields = {"tlvs": tlvs, "smsc_message_id": in_tlv or written, "received_at_ms": self.now_ms} | changes
        self._append(RECEIPTS, f"acme|{name}".encode(), raw_receipt(written, stat, **fields).to_json())

    def replay(self) -> None:
        """As `smsgw receipts replay` does."""
        for out in replays([record for log in self.logs[RECEIPTS] for record in log]):
            self._append(out.topic, out.key or b"", out.value)

    def run(self) -> None:
        """Every process reads what there is, again and again."""
        while self._turn():
            pass

    def pass_time(self, until_ms: int) -> None:
        """Until then, everything read."""
        self.now_ms = max(self.now_ms, until_ms)
        for cycle in self.cycles:
            for part in cycle.partitions.values():
                part.due.receipts_clock.read_to_watermark(self.now_ms)
                part.due.results_clock.read_to_watermark(self.now_ms)
            cycle.expire()
            self._write(cycle.flush())
        self.run()

    def finals(self) -> dict[str, list[str]]:
        """Final words by message number."""
        found: dict[str, list[str]] = defaultdict(list)
        for out in self.outs:
            if out.topic == MT_STATUSES:
                status = orjson.loads(out.value or b"")
                if status["final"]:
                    found[status["message_id"]].append(status["status"])
        return dict(found)

    def final(self, number: int) -> list[str]:
        return self.finals().get(message_id(number), [])

    def outcomes(self) -> list[dict[str, Any]]:
        return [orjson.loads(out.value or b"") for out in self.outs if out.topic == MT_OUTCOMES]

    def events(self, *words: str) -> list[dict[str, Any]]:
        found = [orjson.loads(out.value or b"") for out in self.outs if out.topic == LIFECYCLE_EVENTS]
        return [event for event in found if event["event"] in words]

    def waiting(self) -> int:
        """Early receipts in all partitions, copies included."""
        parts = [part for cycle in self.cycles for part in cycle.partitions.values()]
        return sum(isinstance(e, EarlyEntry) for part in parts for _, entries in part.table.items() for e in entries)

    def _turn(self) -> bool:
        busy = False
        for process, cycle in enumerate(self.cycles):
            if cycle.rules.adopt(self.connectors, self.learned.formats):
                cycle.reconsider()
            records = []
            for topic in (SUBMIT_RESULTS, RECEIPTS, SEARCHES):
                for number in range(process, PARTITIONS, len(self.cycles)):
                    log, at = self.logs[topic][number], self.read[topic, number]
                    records += log[at:]
                    self.read[topic, number] = len(log)
            self._write(cycle.take(records, self.now_ms))
            cycle.expire()
            outs = cycle.flush()
            self._write(outs)
            busy = busy or bool(records) or bool(outs)
        return busy

    def _write(self, outs: list[Out]) -> None:
        self.outs += outs
        for out in outs:
            if out.topic in (JOINS, SEARCHES, MESSAGE_ID_FORMATS):
                self._append(out.topic, out.key or b"", out.value, out.partition)
            if out.topic == MESSAGE_ID_FORMATS:
                self.learned.read(self.logs[out.topic][partition_of(out.key or b"", PARTITIONS)][-1])

    def _append(self, topic: str, key: bytes, value: bytes | None, partition: int | None = None) -> None:
        number = partition_of(key, PARTITIONS) if partition is None else partition
        log = self.logs[topic][number]
        log.append(Record(topic, number, len(log), self.now_ms, key, value))


def _base64(octets: bytes) -> str:

    return b64encode(octets).decode()
