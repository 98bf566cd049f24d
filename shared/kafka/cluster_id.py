"""Edge: which cluster answers: a process must not go on where another one has taken the place of its own.

Offsets, generations and transactions of one cluster mean nothing in another that has topics of the same names: what was
read would be read again or passed over, and nothing would say so.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from aiokafka.errors import KafkaError

from shared.kafka import seam
from shared.kafka.client import administering
from shared.kafka.errors import KafkaUnavailable
from shared.process.settings import Settings

LOOK_S: Final = 2.0


class OtherCluster(Exception):
    """A broker of another cluster answers under the address. Not retryable before somebody mends that."""


def check_cluster(address: str, expected: str, found: str) -> None:
    """Raise `OtherCluster` unless `found` is the cluster that was `expected` (empty: any)."""
    if expected and found != expected:
        raise OtherCluster(
            f"Kafka at {address} is another cluster than before: it was {expected} and is {found}; what this gateway "
            "knows of the one means nothing in the other"
        )


async def cluster_id_of(settings: Settings) -> str:
    """The id of the cluster that answers. Raises `KafkaUnavailable`."""
    try:
        async with administering(settings) as admin:
            return await seam.cluster_id(admin)
    except KafkaError as error:
        raise KafkaUnavailable(f"Kafka does not answer: {error}") from error


async def watch_cluster(settings: Settings, expected: str, failed: Callable[[Exception], None]) -> None:
    """Look every `LOOK_S` which cluster answers, until it is cancelled; `failed` is told of another one, once.

    A broker that does not answer is none of its business.
    """
    while True:
        with suppress(KafkaError, OSError):
            async with administering(settings) as admin:
                while True:
                    try:
                        check_cluster(settings.kafka_bootstrap_servers, expected, await seam.cluster_id(admin))
                    except OtherCluster as error:
                        failed(error)
                        return
                    await asyncio.sleep(LOOK_S)
        await asyncio.sleep(LOOK_S)
