"""Pure: how an operation ends when it does not end well: what was wrong, and what to do about it."""

from collections.abc import Iterable


class OperationError(Exception):
    """What was wrong, in a sentence for a person. `hint`: what to do about it; may be empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def sentences(self) -> list[str]:
        """What was wrong, a line each for a person: whoever shows them decides what a line end inside of one is."""
        return [str(self)]


class Unreachable(OperationError):
    """Kafka or ClickHouse does not answer. It may later."""


class Invalid(OperationError):
    """What was asked for cannot be meant: an argument, a file or the environment is wrong."""


class ManyInvalid(Invalid):
    """Several of them, a sentence each."""

    def __init__(self, sentences: Iterable[str], hint: str = "") -> None:
        self._sentences = list(sentences)
        super().__init__("\n".join(self._sentences), hint)

    @property
    def sentences(self) -> list[str]:
        return self._sentences


class NotFound(OperationError):
    """What was named is not there."""


class Refused(OperationError):
    """Something that is there forbids it now."""
