"""Pure: one line of a log for one thing that happened, whatever the texts in it; no number of a subscriber in full."""

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from shared.process.visible import visible

_NUMBER: Final = re.compile(r"(?<![\w.+-])(?<!offset )(?:\+\d{7,15}|\d{10,15})(?![\w-]|\.\d)", re.ASCII)
"""What may be a subscriber's number: with + from 7 digits on, without from 10 on. Offsets are none."""

INDENT: Final = "    | "
"""Before each further line (a traceback's): a log line never begins like this."""


def masked(text: str) -> str:
    """`text` with the middle of every number hidden: `+4477…23`."""
    return _NUMBER.sub(lambda found: f"{found[0][:5]}…{found[0][-2:]}", text)


class LogLines(logging.Formatter):
    """Formats as `logging.Formatter`. Nothing that is logged can end its line, begin another or steer a terminal.

    A traceback follows on lines of its own, indented. Texts are never logged on purpose; this masks numbers only.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the library's name
        record.message = visible(masked(record.message))
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        """The library puts line ends only before a traceback; those inside of what it quotes are made the same."""
        first, *others = super().format(record).split("\n")
        return "\n".join([first, *(INDENT + visible(masked(line)) for line in others)])


_MESSAGE_ID: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b")


class JsonLines(logging.Formatter):
    """One JSON object a line: `time` (UTC), `level`, `service`, `instance`, `logger`, `message`, `exception`.

    `message_id` is that of the message that the line is about, and `trace_id` that of its trace where it is traced:
    `trace_id_of` knows. Numbers are masked as in lines of text.
    """

    def __init__(self, service: str, instance: str, trace_id_of: Callable[[str], str]) -> None:
        super().__init__()
        self._always: Final = {"service": service, "instance": instance}
        self._trace_id_of: Final = trace_id_of

    def format(self, record: logging.LogRecord) -> str:
        message = masked(record.getMessage())
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, str] = {"time": at.replace("+00:00", "Z"), "level": record.levelname}
        line |= self._always | {"logger": record.name, "message": message}
        if found := _MESSAGE_ID.search(message):
            line["message_id"] = found[0]
            if trace_id := self._trace_id_of(found[0]):
                line["trace_id"] = trace_id
        if record.exc_info:
            line["exception"] = masked(self.formatException(record.exc_info))
        return json.dumps(line)
