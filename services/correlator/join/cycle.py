"""Pure: one cycle of step one over all partitions held: records in, everything that follows from them out."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from schemas.receipt_searches import ReceiptSearch
from schemas.topics import RECEIPTS, SEARCHES, SUBMIT_RESULTS
from services.correlator.join.entries import read_result
from services.correlator.join.partition import JoinPartition
from services.correlator.join.receipts import read_receipt, seen_receipt
from services.correlator.join.rules import JoinRules
from services.correlator.join.searches import Search, provider_and_name, read_search
from shared.kafka.records import In, Out, dead_letter_of_error

SERVICE: Final = "correlator"


class JoinCycle:
    """The partitions of the join, and how the records of each input topic are read.

    `rules` follow the configuration and what was learned: whoever reads that changes them, and calls `reconsider` where
    it may join what waits.
    """

    def __init__(self) -> None:
        self.partitions: dict[int, JoinPartition] = {}
        self.rules: Final = JoinRules()
        self._readers: Final[dict[str, Callable[[In], list[Out]]]] = {
            SUBMIT_RESULTS: self._read_result,
            RECEIPTS: self._read_receipt,
            SEARCHES: self._read_search,
        }

    def take(self, records: Sequence[In], at_ms: int) -> list[Out]:
        """Read `records`; returns the dead letters. The rest comes with `flush`.

        Results go first: a receipt that comes in one batch with its result then never has to wait as an early one.
        """
        outs: list[Out] = []
        for record in sorted(records, key=_results_first):
            try:
                outs += self._readers[record.topic](record)
            except ValueError as error:
                outs.append(dead_letter_of_error(record, error, at_ms=at_ms, service=SERVICE))
        return outs

    def unproven(self, at_ms: int) -> list[int]:
        """The partitions in which something is due at `at_ms` that only a high watermark can decide."""
        return [number for number, partition in self.partitions.items() if partition.due.needs_proof(at_ms)]

    def read_to_watermark(self, topic: str, number: int, fetched_at_ms: int) -> None:
        """The position in an input partition has reached a high watermark asked for at `fetched_at_ms`."""
        partition = self.partitions[number]
        clock = partition.due.receipts_clock if topic == RECEIPTS else partition.due.results_clock
        clock.read_to_watermark(fetched_at_ms)

    def reconsider(self) -> None:
        """The rules have changed."""
        for partition in self.partitions.values():
            partition.early.reconsider()

    def expire(self) -> None:
        """Decide what the log has decided."""
        for partition in self.partitions.values():
            partition.due.expire()

    def flush(self) -> list[Out]:
        """Everything that follows from this cycle, the changelog included."""
        return [out for partition in self.partitions.values() for out in partition.flush()]

    def next_due_ms(self) -> int | None:
        """When to look for due deadlines without a record, by Kafka's clock."""
        times = [due for p in self.partitions.values() if (due := p.due.next_due_ms()) is not None]
        return min(times, default=None)

    def _read_result(self, record: In) -> list[Out]:
        accepted = read_result(record)
        partition = self.partitions[record.partition]
        if partition.table.read_to(record.topic, record.offset):
            partition.result(_join_key(record), accepted)
        return []

    def _read_receipt(self, record: In) -> list[Out]:
        seen = read_receipt(record, self.rules)
        partition = self.partitions[record.partition]
        if partition.table.read_to(record.topic, record.offset):
            partition.receipt(_join_key(record), seen)
        return []

    def _read_search(self, record: In) -> list[Out]:
        partition = self.partitions[record.partition]
        errand = self._errand(partition, _join_key(record), record)
        if partition.table.read_to(record.topic, record.offset):
            errand()
        return []

    def _errand(self, partition: JoinPartition, key: bytes, record: In) -> Callable[[], None]:
        """What a record of `correlator.searches` asks for; raises ValueError where that does not fit its schema."""
        asked = ReceiptSearch.from_json(record.value or b"")
        if asked.kind == "matches":
            return partial(partition.learn, key, asked.matches, record.timestamp)
        if asked.kind == "search":
            return partial(partition.search, key, read_search(asked))
        if asked.origin is None:
            raise ValueError("nothing says which receipt it is about")
        if asked.kind == "found":
            return partial(partition.found, key, asked.origin)
        seen = seen_receipt(asked.raw.encode(), asked.origin, asked.record_at_ms, self.rules)
        names = self.rules.names(provider_and_name(key)[0], seen)
        if not names:
            raise ValueError("the receipt names no id")
        return partial(partition.search, key, Search(seen, names, parked=names, parks=False))


def _results_first(record: In) -> bool:
    return record.topic != SUBMIT_RESULTS


def _join_key(record: In) -> bytes:
    if not record.key or b"|" not in record.key:
        raise ValueError("the record key is not provider|smsc_id")
    return record.key
