"""Pure: how a command ends when it does not end well: an exit code, what was wrong, and what to do about it."""

from typing import Final

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_INSTANCE_IN_USE: Final = 75
EXIT_INTERRUPTED: Final = 130


class CliError(Exception):
    """What was wrong, where, and (after it) what to do. Printed without a traceback; ends with `exit_code`."""

    def __init__(self, message: str, *, exit_code: int = EXIT_FAILED, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.hint = hint


class Unreachable(CliError):
    """Kafka or ClickHouse does not answer."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, exit_code=EXIT_UNREACHABLE, hint=hint)


class Invalid(CliError):
    """What was typed, or a file that was named, is wrong."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, exit_code=EXIT_USAGE, hint=hint)
