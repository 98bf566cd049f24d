"""Pure: how commands end: their exit codes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from shared.operations.errors import Invalid, OperationError, Unreachable

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_INSTANCE_IN_USE: Final = 75
EXIT_INTERRUPTED: Final = 130


class CliError(OperationError):
    """The command itself cannot do its part: a port, a folder, a process of this machine."""


def exit_code_of(error: OperationError) -> int:
    """The exit code of a command that ends with `error`."""
    if isinstance(error, Unreachable):
        return EXIT_UNREACHABLE
    return EXIT_USAGE if isinstance(error, Invalid) else EXIT_FAILED


@contextmanager
def without_hint() -> Iterator[None]:
    """For commands that start Kafka by themselves: asking whether it was started is no help."""
    try:
        yield
    except Unreachable as error:
        error.hint = ""
        raise
