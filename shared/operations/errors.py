"""Pure: how an operation ends when it does not end well: what was wrong, and what to do about it."""


class OperationError(Exception):
    """What was wrong, in a sentence for a person. `hint`: what to do about it; may be empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Unreachable(OperationError):
    """Kafka or ClickHouse does not answer. It may later."""


class Invalid(OperationError):
    """What was asked for cannot be meant: an argument, a file or the environment is wrong."""


class NotFound(OperationError):
    """What was named is not there."""


class Refused(OperationError):
    """Something that is there forbids it now."""
