"""Edge: closes the connection that aiokafka forgets when the start of a client is cancelled or fails.

A client's first connection belongs to nobody before the cluster has answered over it: who cancels `start` just then
and calls `stop` as one should, leaves it open. Takeovers and restores are cancelled at any moment.

It takes the places of two names in aiokafka's client; a test against a broker that does not answer keeps it honest.
"""

from contextvars import ContextVar
from typing import Any

from aiokafka import client

_connect = client.create_conn
_bootstrap = client.AIOKafkaClient.bootstrap


class _Bootstrap:
    """One that is under way, and the connections it has made; None once it is over."""

    def __init__(self) -> None:
        self.connections: list[Any] | None = []


_under_way: ContextVar[_Bootstrap | None] = ContextVar("kafka-bootstrap", default=None)


async def _create_conn(*place: Any, **options: Any) -> Any:
    connection = await _connect(*place, **options)
    bootstrap = _under_way.get()
    if bootstrap is not None and bootstrap.connections is not None:
        bootstrap.connections.append(connection)
    return connection


async def _bootstrap_or_close(kafka: Any) -> None:
    bootstrap = _Bootstrap()
    token = _under_way.set(bootstrap)
    try:
        await _bootstrap(kafka)
    except BaseException:
        for connection in bootstrap.connections or ():
            connection.close()
        raise
    finally:
        bootstrap.connections = None  # tasks that it started have a copy of this context
        _under_way.reset(token)


def close_what_bootstrap_leaves() -> None:
    """For every client of this process."""
    client.create_conn = _create_conn
    client.AIOKafkaClient.bootstrap = _bootstrap_or_close
