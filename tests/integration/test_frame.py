"""Edge: the plain handler of docs/frame.md on a real broker, as it stands there."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.statuses import Status
from shared.kafka.committed_offsets import committed_with_metadata
from shared.kafka.records import Out
from tests.integration.flow_rig import Rig

pytestmark = [pytest.mark.kafka]

ROOT = Path(__file__).parents[2]


def example() -> dict[str, Any]:
    """The module in docs/frame.md."""
    (source,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "frame.md").read_text(), flags=re.DOTALL)
    made: dict[str, Any] = {"__name__": "notifier"}
    exec(compile(source, "docs/frame.md", "exec"), made)  # noqa: S102  # that is the test
    return made


async def test_the_plain_handler_of_the_docs(kafka_bootstrap: str, unique_name: Callable[[str], str]) -> None:
    """Each status is handled, again where that failed, in order; garbage is passed; a restart goes on behind them."""
    seen: list[str] = []
    handled: list[str] = []

    async def notify(status: Status) -> None:
        if status.account_id == account:
            seen.append(status.message_id)
            if len(seen) == 2:
                raise ConnectionError("the mail server does not answer")
            handled.append(status.message_id)

    account, group = unique_name("a")[-40:], unique_name("notifier")
    template = Status.from_json((ROOT / "schemas/examples/mt.statuses/v1/accepted.json").read_bytes())

    def outs(*ids: str) -> list[Out]:
        made = (template.model_copy(update={"account_id": account, "message_id": name}) for name in ids)
        return [Out("mt.statuses", b"k", status.to_json(), (), 0) for status in made]

    async with Rig(kafka_bootstrap) as rig:
        await rig.producer.send_all([*outs("1", "2"), Out("mt.statuses", b"k", b"garbage", (), 0), *outs("3")])
        for more in ((), ("4",)):
            module = example()
            module["GROUP"] = group
            module["notify"] = notify
            await rig.producer.send_all(outs(*more))
            async with rig.running("notifier", module["run"]), asyncio.timeout(30):
                while len(handled) < 3 + len(more):
                    await asyncio.sleep(0.02)
            committed = await committed_with_metadata(rig.settings, group)
        ends = {tp.partition: offset for tp, (offset, _) in committed.items()}
    assert handled == ["1", "2", "3", "4"]
    assert seen == ["1", "2", "2", "3", "4"]
    assert ends[0] >= 5
