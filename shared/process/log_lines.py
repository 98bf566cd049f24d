"""Pure: one line of a log for one thing that happened, whatever the texts in it; no number of a subscriber in full."""

import logging
import re
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
