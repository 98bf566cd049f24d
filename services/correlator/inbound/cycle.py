"""Pure: one cycle over the messages of handsets, all partitions held: records in, everything that follows out."""

from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from typing import Final

from schemas.smsc_inbound import RawInbound
from services.correlator.inbound.messages import InboundTeller
from services.correlator.inbound.partition import InboundPartition
from shared.kafka.records import In, Out, dead_letter_of_error
from shared.messages.events import EventMaker
from shared.sms.inbound import InboundPart, read_inbound
from shared.sms.message import ConnectorProfile

SERVICE: Final = "correlator"
TIMEOUT_MS: Final = 600_000
"""Of a connector that is not in the configuration any more."""
_DEFAULT_PROFILE: Final = ConnectorProfile()


class InboundCycle:
    """The partitions. `profiles` (how each connector writes its octets) and `timeouts_ms`, by connector, follow the
    configuration: whoever reads it sets them anew."""

    def __init__(self, events: EventMaker) -> None:
        self.partitions: dict[int, InboundPartition] = {}
        self.profiles: Mapping[str, ConnectorProfile] = {}
        self.timeouts_ms: Mapping[str, int] = {}
        self.teller: Final = InboundTeller(events)

    def make(self, number: int, apart_ms: int = 0) -> InboundPartition:
        """An empty partition. `apart_ms`: how far the clocks of Kafka's brokers may differ; 0 where there is one."""
        return InboundPartition(number, self.teller, apart_ms)

    def take(self, records: Sequence[In], at_ms: int) -> list[Out]:
        """Read `records`; returns the dead letters. The rest comes with `flush`."""
        outs: list[Out] = []
        for record in records:
            try:
                raw = RawInbound.from_json(record.value or b"")
                part = self._read(raw)
            except ValueError as error:
                outs.append(dead_letter_of_error(record, error, at_ms=at_ms, service=SERVICE))
                continue
            partition = self.partitions[record.partition]
            if partition.table.read_to(record.topic, record.offset):
                partition.message(record, raw, part, self.timeouts_ms.get(raw.connector_id, TIMEOUT_MS))
        return outs

    def _read(self, raw: RawInbound) -> InboundPart:
        octets = a2b_base64(raw.short_message, strict_mode=True)
        tlvs = [(tag, a2b_base64(value, strict_mode=True)) for tag, value in raw.tlvs]
        profile = self.profiles.get(raw.connector_id, _DEFAULT_PROFILE)
        return read_inbound(octets, raw.data_coding, raw.esm_class, tlvs, profile)

    def unproven(self, at_ms: int) -> list[int]:
        """The partitions in which something is due at `at_ms` that only a high watermark can decide."""
        return [number for number, partition in self.partitions.items() if partition.needs_proof(at_ms)]

    def read_to_watermark(self, number: int, fetched_at_ms: int) -> None:
        """The position in an input partition has reached a high watermark asked for at `fetched_at_ms`."""
        self.partitions[number].clock.read_to_watermark(fetched_at_ms)

    def expire(self) -> None:
        """Decide what the log has decided."""
        for partition in self.partitions.values():
            partition.expire()

    def flush(self) -> list[Out]:
        """Everything that follows from this cycle, the changelog included."""
        return [out for partition in self.partitions.values() for out in partition.flush()]

    def next_due_ms(self) -> int | None:
        """When to look for what is due without a record, by Kafka's clock."""
        times = [due for p in self.partitions.values() if (due := p.next_due_ms()) is not None]
        return min(times, default=None)
