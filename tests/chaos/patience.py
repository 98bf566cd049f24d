"""Edge: what is asked of a part that a fault may just have is asked again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiokafka.errors import KafkaError

from shared.kafka.errors import FatalKafkaError, KafkaUnavailable
from shared.operations.errors import NotFound, Unreachable

AGAIN_S: Final = 0.5
PATIENCE_S: Final = 120.0
_AWAY: Final = (KafkaError, KafkaUnavailable, FatalKafkaError, NotFound, Unreachable, OSError)

_Made = TypeVar("_Made")


async def patiently(act: Callable[[], Awaitable[_Made]]) -> _Made:
    """What `act` returns as soon as it works. Raises TimeoutError after two minutes."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await act()
            except _AWAY:
                await asyncio.sleep(AGAIN_S)
