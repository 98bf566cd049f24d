"""The HTTP door on a socket, without Kafka."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.http_api.server import DoorServer, config_of, listen
from tests.unit.http_api.scene import Scene


@asynccontextmanager
async def listening(scene: Scene) -> AsyncIterator[int]:
    """The port of the door of `scene`, until the end of the block."""
    app = scene.app()
    stopping, opened = asyncio.Event(), asyncio.Event()
    listener = listen("127.0.0.1", 0)
    port: int = listener.getsockname()[1]
    server = DoorServer(config_of(app, scene.settings), stopping, opened)
    serving: asyncio.Task[Any] = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await opened.wait()
        yield port
    finally:
        stopping.set()
        await serving
