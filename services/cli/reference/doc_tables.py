"""Edge: the generated tables of README.md and docs/; `python -m services.cli.reference.doc_tables` rewrites them.

A test keeps them current.
"""

import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from schemas.gateway.accounts import (
    Account,
    ApiKey,
    AutomaticReply,
    InboundNumber,
    Limits,
    OptOutHandling,
    QuietHours,
    TwilioAccess,
)
from schemas.gateway.connectors.common import CommonConnector, CommonOptions
from schemas.gateway.connectors.smpp import SmppConnector, SmppOptions, Tls
from schemas.gateway.file import Gateway
from schemas.gateway.routes import Match, MatchTime, Route, Target
from schemas.reasons import REASONS
from schemas.topics import TOPICS, Topic
from services.cli.reference.option_tables import option_table
from shared.sms.opt_out_words import OPT_OUT_WORDS


def topics_table() -> str:
    """The registry in flow order."""
    lines = ["| topic | key | written by | read by | kept | what |", "|---|---|---|---|---|---|"]
    for topic in TOPICS:
        name = f"**`{topic.name}`**" if topic.public else f"`{topic.name}`"
        writers, readers = ", ".join(topic.producers), ", ".join(topic.consumers)
        cells = (name, topic.key, writers, readers, _kept(topic), topic.summary)
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """A sign that would end the cell, escaped."""
    return text.replace("|", "\\|")


def _kept(topic: Topic) -> str:
    days = "" if topic.retention_ms is None else f"{topic.retention_ms // 3_600_000} h"
    if days and topic.retention_ms is not None and topic.retention_ms % 86_400_000 == 0:
        days = f"{topic.retention_ms // 86_400_000} d"
    return " ".join(filter(None, ("compacted" if topic.compacted else "", days)))


def opt_out_words_table() -> str:
    """The words that end, begin again and ask, and who names them."""
    lines = ["| language | wish | words | named by |", "|---|---|---|---|"]
    lines += [f"| {e.language} | {e.wish} | {', '.join(e.words)} | {_cell(e.source)} |" for e in OPT_OUT_WORDS]
    return "\n".join(lines)


def reasons_table() -> str:
    """Every reason of a status."""
    return "\n".join(
        ["| reason | meaning |", "|---|---|", *(f"| `{word}` | {_cell(text)} |" for word, text in REASONS.items())]
    )


GATEWAY_FILE: dict[str, type[BaseModel]] = {
    "gateway": Gateway,
    "connector": CommonConnector,
    "smpp connector": SmppConnector,
    "options": CommonOptions,
    "smpp options": SmppOptions,
    "tls": Tls,
    "account": Account,
    "number": InboundNumber,
    "reply": AutomaticReply,
    "opt-outs": OptOutHandling,
    "quiet-hours": QuietHours,
    "limits": Limits,
    "api-key": ApiKey,
    "twilio": TwilioAccess,
    "route": Route,
    "match": Match,
    "match-time": MatchTime,
    "target": Target,
}
"""The parts of gateway.yaml, by the name of their block."""

_ON_TOP_OF: dict[type[BaseModel], type[BaseModel]] = {SmppConnector: CommonConnector, SmppOptions: CommonOptions}
"""Whose fields a part has beside its own, which its block leaves out."""

BLOCKS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"topics": topics_table},
    "docs/contracts.md": {"reasons": reasons_table},
    "docs/inbound.md": {"opt-out words": opt_out_words_table},
    "docs/options.md": {
        name: partial(option_table, model, _ON_TOP_OF.get(model)) for name, model in GATEWAY_FILE.items()
    },
}


def current(text: str, name: str, table: str) -> str:
    """`text` with the block `name` replaced by `table`. Raises LookupError where it has no such block."""
    pattern = rf"(<!-- {name}: generated -->\n).*?(<!-- end {name} -->)"
    made, count = re.subn(pattern, lambda m: f"{m[1]}{table}\n{m[2]}", text, flags=re.DOTALL)
    if count != 1:
        raise LookupError(f"one block {name!r} is wanted, {count} are there")
    return made


def rewritten(root: Path) -> dict[Path, str]:
    """The text that each file should have."""
    texts: dict[Path, str] = {}
    for file, blocks in BLOCKS.items():
        text = (root / file).read_text(encoding="utf-8")
        for name, make in blocks.items():
            text = current(text, name, make())
        texts[root / file] = text
    return texts


if __name__ == "__main__":
    for place, new in rewritten(Path.cwd()).items():
        place.write_text(new, encoding="utf-8")
        sys.stdout.write(f"{place}\n")
