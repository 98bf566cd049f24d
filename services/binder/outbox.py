"""Edge: everything the binder produces goes out together: one produce request at a time carries all of it.

The cost of a produce is per request, so answers, receipts, messages, states and events wait for each other: for
`GATHER_S`, and while there is much of everything for `GATHER_BUSY_S`. One flush is on its way at a time: order within a
partition is order of posting.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, Protocol

from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.process.metrics import count_records_out

GATHER_S: Final = 0.01
GATHER_BUSY_S: Final = 0.025
BUSY: Final = 25
"""Records in the last flush: an SMSC whose window for deliver_sm is small keeps them below, and is answered soon."""

FirstOffsets = Mapping[tuple[str, int], int]
"""Offset of the first record of what was produced, by (topic, partition)."""


class Parcel(NamedTuple):
    """What one source has to send, and what it does when Kafka has acknowledged all of it."""

    outs: list[Out]
    done: Callable[[FirstOffsets], None]


class Source(Protocol):
    """Collects what is to be produced until the next flush."""

    def collect(self) -> Parcel | None: ...


class Outbox:
    """The way out of one process. `run` it; call `wake` when a source has something.

    Whoever waits for an acknowledgement gets none when `run` ends: a produce whose end is unknown ends the process.
    """

    def __init__(self, producer: BatchProducer) -> None:
        self._producer = producer
        self._gather_s = GATHER_S
        self._sources: list[Source] = []
        self._posted: list[Out] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._something = asyncio.Event()

    def add(self, source: Source) -> None:
        self._sources.append(source)

    def remove(self, source: Source) -> None:
        self._sources.remove(source)

    def wake(self) -> None:
        """A source has something."""
        self._something.set()

    def post(self, *outs: Out) -> None:
        """Send records that nobody waits for."""
        self._posted.extend(outs)
        self._something.set()

    def flushed(self) -> asyncio.Future[None]:
        """Done when everything posted or collected so far is acknowledged."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._something.set()
        return waiter

    async def send(self, *outs: Out) -> None:
        """Post and wait for the acknowledgement."""
        self._posted.extend(outs)
        await self.flushed()

    async def run(self) -> None:
        """Flush for ever; raises `FatalKafkaError`."""
        while True:
            await self._something.wait()
            await asyncio.sleep(self._gather_s)
            self._something.clear()
            await self._flush()

    async def _flush(self) -> None:
        outs, self._posted = self._posted, []
        waiters, self._waiters = self._waiters, []
        parcels: Iterable[Parcel] = [parcel for source in self._sources if (parcel := source.collect()) is not None]
        for parcel in parcels:
            outs.extend(parcel.outs)
        self._gather_s = GATHER_BUSY_S if len(outs) >= BUSY else GATHER_S
        offsets = await self._producer.send_all(outs)
        count_records_out(out.topic for out in outs)
        for parcel in parcels:
            parcel.done(offsets)
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
