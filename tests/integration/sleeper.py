"""Edge: a service that stops itself (SIGSTOP) between its last look and the socket of its first produce to a topic.

    python -m tests.integration.sleeper <service> <topic prefix>

Whoever started it wakes it with SIGCONT; then it goes on as if nothing had been.
"""

import os
import signal
import sys
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest

from services.__main__ import main

_send = AIOKafkaClient.send


def _stopping_at(prefix: str) -> Any:
    slept = False

    async def send(client: AIOKafkaClient, node_id: int, request: Any, **options: Any) -> Any:
        nonlocal slept
        if not slept and isinstance(request, ProduceRequest):
            topics = [topic for topic, _ in request._topics]
            if any(topic.startswith(prefix) for topic in topics):
                slept = True
                os.kill(os.getpid(), signal.SIGSTOP)
        return await _send(client, node_id, request, **options)

    return send


if __name__ == "__main__":
    AIOKafkaClient.send = _stopping_at(sys.argv[2])
    sys.exit(main([sys.argv[1]]))
