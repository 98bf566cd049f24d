"""Edge: the instance id of a `smsgw up` that nobody gave one.

Where it runs a Kafka of its own it is alone there, and "0". Beside others, on a Kafka that was there before, "0" is
somebody else's, also while that process is just away: so it gets an id that says where it runs. The same place (host
and data directory) has the same id every time.
"""

import hashlib
import re
import socket
from collections.abc import Collection
from itertools import chain, count
from pathlib import Path
from typing import Final

from shared.operations.beats import read_beats
from shared.operations.errors import NotFound
from shared.operations.kafka_access import kafka_errors
from shared.process.instance import lives_here
from shared.process.settings import Settings

ALONE: Final = "0"
_HOST_MAX: Final = 30


def id_of_place(host: str, data_dir: Path) -> str:
    """The id of everything that runs on `host` with `data_dir`."""
    name = re.sub(r"[^A-Za-z0-9-]", "-", host.partition(".")[0])[:_HOST_MAX].strip("-") or "host"
    return f"{name}-{hashlib.sha256(str(data_dir).encode()).hexdigest()[:4]}"


def first_free(base: str, used: Collection[str]) -> str:
    """`base`, or with a number where another `up` of this place has it."""
    return next(name for name in chain([base], (f"{base}.{n}" for n in count(2))) if name not in used)


async def instance_beside_others(settings: Settings, data_dir: Path, services: Collection[str]) -> str:
    """An id that no living process of `services` on this machine has. Raises `Unreachable`."""
    base = id_of_place(socket.gethostname(), data_dir.resolve())
    try:
        async with kafka_errors(settings):
            at_ms, beats = await read_beats(settings)
    except NotFound:  # nobody has run there yet
        return base
    return first_free(
        base, {b.state.instance for b in beats if b.state.service in services and lives_here(b.state, at_ms)}
    )
