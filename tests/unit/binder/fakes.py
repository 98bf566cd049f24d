"""Edge: stand-ins for Kafka's producer and for a connection, driven by the tests."""

import asyncio
from collections.abc import Iterable

from shared.kafka.records import Out


class FakeProducer:
    """Acknowledges a request when told to; keeps what was sent."""

    def __init__(self) -> None:
        self.requests: list[list[Out]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None

    async def send_all(self, outs: Iterable[Out]) -> dict[tuple[str, int], int]:
        sent = list(outs)
        self.requests.append(sent)
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return {(out.topic, out.partition or 0): len(self.requests) for out in sent}


class FakeDeliverer:
    """A connection whose other side does nothing; keeps the answers that it would be given."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bool]] = []
        self.woken = asyncio.Event()

    def answer(self, reference: int, now_s: float, *, taken: bool) -> None:
        self.answers.append((reference, taken))

    def wake(self) -> None:
        self.woken.set()
