"""Edge: how old the last heartbeat is that the group's coordinator acknowledged."""

import asyncio
import math
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from shared.kafka import seam
from shared.kafka.client import SESSION_TIMEOUT_MS
from shared.kafka.errors import FatalKafkaError
from shared.process.clock import monotonic_s

ASK_AGAIN_S: Final = 0.1
"""How long to wait after a heartbeat that was not acknowledged, e.g. because the coordinator has moved."""

FRESH_FOR_S: Final = SESSION_TIMEOUT_MS / 2000
"""How old an acknowledged heartbeat may be for a decision: half of the session timeout."""


class HeartbeatWatch:
    """Knows when the last heartbeat was sent that the group coordinator acknowledged (aiokafka does not tell).

    Nothing else counts. That an assignment was taken up says nothing: the group's answer may have lain in the socket of
    a process that slept, while the work went to another. Nor does a heartbeat count that was acknowledged before the
    group said that it does not know this member.
    """

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        """`consumer` was started. Before the first acknowledged heartbeat the age is infinite."""
        self._last_s = -math.inf
        self._consumer: Final = consumer
        self._send: Final = seam.replace_heartbeat(consumer, self._observing)

    def _observing(self, send: seam.SendHeartbeat) -> seam.SendHeartbeat:
        async def observed() -> bool:
            sent_s = monotonic_s()
            acknowledged = await send()
            if acknowledged:
                # of its sending: an answer that lay in the socket while this process slept says nothing of now
                self._last_s = max(self._last_s, sent_s)
            elif seam.is_unknown_to_group(self._consumer):
                self._last_s = -math.inf
            return acknowledged

        return observed

    @property
    def age_s(self) -> float:
        return monotonic_s() - self._last_s

    @property
    def fresh(self) -> bool:
        """Half of the session timeout is not over yet."""
        return self.age_s <= FRESH_FOR_S

    async def ask(self) -> None:
        """Send a heartbeat now, not when the next is due: a second after an assignment. It may be refused, or fail.

        Raises `FatalKafkaError` where the group may not be used at all.
        """
        try:
            await self._send()
        except KafkaError as error:
            raise FatalKafkaError(f"the group's coordinator takes no heartbeat: {error!r}") from error

    async def until_fresh(self) -> None:
        """Ask until a heartbeat is acknowledged, if none was lately. It has no limit of its own: a loop that waits here
        for too long is found dead by what watches it.
        """
        while not self.fresh:
            await self.ask()
            if not self.fresh:
                await asyncio.sleep(ASK_AGAIN_S)

    def check(self) -> None:
        """Raise `FatalKafkaError` where this process may have slept: it must not decide anything then."""
        if not self.fresh:
            raise FatalKafkaError(f"no acknowledged heartbeat for {self.age_s:.1f} s: another process may own the work")
