"""Edge: messages with a `send_at`: each goes once, never early, though the services that hold it are killed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.process.clock import now_ms
from tests.e2e.gateway import Gateway, messages_to, settle, traffic, until_submits

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PREFIX = "440301"
COUNT = 300
FIRST_S, LAST_S = 3.0, 13.0


def at(s: float) -> str:
    return datetime.fromtimestamp(s, UTC).isoformat()


def spread(begins_s: float) -> list[dict[str, Any]]:
    """Messages whose times follow one another evenly, some of them of two segments."""
    step = (LAST_S - FIRST_S) / COUNT
    return [
        one
        for n in range(COUNT)
        for one in messages_to(
            PREFIX, 1, n, send_at=at(begins_s + FIRST_S + n * step), receipt="all", text="x" * (20 if n % 10 else 200)
        )
    ]


async def test_kill_9_of_whoever_holds_a_message_neither_loses_nor_doubles_it(gateway: Gateway) -> None:
    async with traffic(gateway) as (publisher, follower):
        begins_s = now_ms() / 1000
        messages = spread(begins_s)
        await publisher.publish(messages[: COUNT // 2])
        await gateway.kill("scheduler")
        await publisher.publish(messages[COUNT // 2 :])
        await until_submits(gateway, [PREFIX], COUNT // 10)
        await gateway.kill("scheduler")
        await until_submits(gateway, [PREFIX], COUNT // 2)
        await gateway.kill("ingress")
        await gateway.kill("scheduler")
        found = await settle(gateway, publisher, follower, [PREFIX])
    assert found.ok, found
    due_ms = {
        message["value"]["to"].removeprefix("+"): datetime.fromisoformat(message["value"]["send_at"]).timestamp() * 1000
        for message in messages
    }
    early = [submit for submit in gateway.submits_to([PREFIX]) if submit.at_ms < due_ms[submit.to]]
    assert early == []
