"""Edge: messages for a gateway in containers, from inside one: `python -c "$(cat traffic.py)"` in the image.

Publishes a bit of everything until a line or the end comes on standard input, waits for every final status, and writes
what was published, told and stored as one line of JSON (see `tests.containers.evidence`). Before that a line
`published N` is written once a second.
"""

import asyncio
import contextlib
import itertools
import json
import sys
from collections import Counter
from dataclasses import asdict
from typing import Any

from services.cli.demo.reconcile import REQUEST_DLQS
from services.cli.demo.traffic import Publisher, StatusFollower, count_dead_letters, read_stored
from shared.kafka import seam
from shared.process.clock import wall_ms
from shared.process.settings import Settings, read_settings

SLICE_S = 0.1
OPEN_MAX = 300
"""No more while so many are under way: a slow machine must not collect a backlog."""
FINAL_S = 180.0
STORED_S = 60.0
LONG = "This text is longer than one segment. " * 8


def messages(turn: int) -> list[dict[str, Any]]:
    """A tenth of a second's: short and long, both connectors, OTPs, steps told or not, and now and then a wrong one."""
    base = 20 * turn
    found: list[dict[str, Any]] = [
        *({"value": _value(f"+4477{base + n:08d}", "hello")} for n in range(5)),
        *({"value": _value(f"+3361{base + n:08d}", "bonjour")} for n in range(2)),
        {"value": _value(f"+4478{base:08d}", "told each step", receipt="all")},
        {"value": _value(f"+4479{base:08d}", "told nothing", receipt="none")},
        {"value": _value(f"+4975{base:08d}", LONG)},
        {"value": _value(f"+1415{base:07d}", "code 1234"), "otp": True},
    ]
    if turn % 10 == 0:
        found.append({"value": _value(f"+4474{base:08d}", "x", **{"from": "TwelveLetter"}), "wrong": True})
    if turn % 50 == 0:
        found.append({"raw": "not JSON"})
    return found


def _value(to: str, text: str, **more: str) -> dict[str, Any]:
    return {"account_id": "shop", "to": to, "text": text, **more}


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _publish(publisher: Publisher, follower: StatusFollower, enough: asyncio.Event) -> None:
    turn = 0
    for tick in itertools.count():
        if enough.is_set():
            return
        if len(publisher.published) - len(follower.ended) < OPEN_MAX:
            await publisher.publish(messages(turn))
            turn += 1
        if tick % 10 == 0:
            _tell(f"published {len(publisher.published)}")
        await asyncio.sleep(SLICE_S)


async def _stored(settings: Settings, ids: set[str], since_ms: int) -> dict[str, tuple[str, bool]]:
    """Status and final of these messages in ClickHouse, as soon as all are final, or as they are in the end."""
    stored: dict[str, tuple[str, bool]] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STORED_S):
            while sum(final for _, final in stored.values()) < len(ids):
                everything = await read_stored(settings, 0, since_ms)
                stored = {message_id: state for message_id, state in everything.items() if message_id in ids}
                await asyncio.sleep(SLICE_S)
    return stored


async def evidence(settings: Settings) -> dict[str, Any]:
    """Of one load, from its first message to its last status."""
    since_ms = wall_ms() - 60_000  # a clock of ours and of Kafka may differ
    dead_before = await count_dead_letters(settings)
    publisher, follower, enough = Publisher(settings), StatusFollower(settings), asyncio.Event()
    await publisher.start()
    await follower.start()
    try:
        publishing = asyncio.create_task(_publish(publisher, follower, enough))
        await asyncio.to_thread(sys.stdin.readline)
        enough.set()
        await publishing
        ids = {one.message_id for one in publisher.published}
        missing = await follower.wait_for(ids, FINAL_S)
        stored = await _stored(settings, ids, since_ms)
        dead = Counter(await count_dead_letters(settings))
        dead.subtract({topic: count for topic, count in dead_before.items() if topic in REQUEST_DLQS})
        return {
            "published": [asdict(one) for one in publisher.published],
            "raw": publisher.dead_letters,
            "dead": dead,
            "told": [asdict(one) for one in follower.told if one.message_id in ids],
            "stored": stored,
            "missing": len(missing),
        }
    finally:
        await follower.stop()
        await publisher.stop()


if __name__ == "__main__":
    seam.install()
    _tell(json.dumps(asyncio.run(evidence(read_settings()))))
