"""Edge: `smsgw setup`: what an installation needs before its services begin, again and again without harm."""

import asyncio
from pathlib import Path

from services.cli.commands import config
from services.cli.gateway_file import read_gateway_file
from services.cli.output import console
from services.cli.runtime import find_runtime
from shared.operations import topics
from shared.operations.config.gateway_yaml import parse_gateway
from shared.operations.errors import Unreachable
from shared.operations.layout_choice import LayoutWish
from shared.process.clock import monotonic_s

AGAIN_S = 1.0


async def run(file: Path, wish: LayoutWish, wait_s: float, data_dir: Path | None, *, as_json: bool) -> int:
    """Topics, then the configuration, both as soon as Kafka answers; ClickHouse's tables are the recorder's to make.

    Raises `Unreachable` when Kafka does not answer within `wait_s`, and what `topics create` and `config apply` raise:
    a file with mistakes is told before anything is asked of Kafka.
    """
    parse_gateway(read_gateway_file(file))
    until_s = monotonic_s() + wait_s
    while True:
        try:
            made = await topics.create_missing(find_runtime(data_dir).settings, wish)
            break
        except Unreachable:
            if monotonic_s() >= until_s:
                raise
            await asyncio.sleep(AGAIN_S)
    if not as_json:
        console.print(f"{len(made)} topics created" if made else "no topic is missing")
    return await config.apply(file, data_dir, wait=False, drop_now=False, expected=None, as_json=as_json)
