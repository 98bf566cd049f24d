"""Pure: requests in flight: sequence numbers, answers, deadlines (SMPP 3.4 sections 2.6 and 5.1.4).

Tokens enter by `add` and leave exactly once, by `answer`, `expire` or `abandon`. All of them have the same time to be
answered and `now` never goes back, so the oldest is always the next to expire. What has expired is remembered for a
while (`late_tokens_max`) to recognise a late answer. Sequence numbers run 1..0x7FFFFFFF, wrap, and skip what is in
flight or remembered (Q30).
"""

from dataclasses import dataclass
from typing import Final

from shared.smpp.constants import RESPONSE_BIT, SEQUENCE_NUMBER_MAX
from shared.smpp.events import Token

_UNBOUNDED: Final = float("inf")


@dataclass(slots=True)
class InFlight:
    """One request without an answer; `deadline` is in the seconds of `now`."""

    token: Token
    response_id: int
    sent_at: float
    deadline: float


class Window:
    """The requests in flight of one session, and the source of its sequence numbers."""

    def __init__(self, size: int, response_timeout_s: float, late_tokens_max: int, first_sequence_number: int) -> None:
        self.size = size
        self._timeout = response_timeout_s if response_timeout_s > 0 else _UNBOUNDED
        self._late_tokens_max = late_tokens_max
        self._next = first_sequence_number
        self._in_flight: dict[int, InFlight] = {}
        self._late: dict[int, InFlight] = {}
        self._controls: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._in_flight)

    @property
    def free(self) -> int:
        """How many more requests fit."""
        return max(0, self.size - len(self._in_flight))

    def take_sequence_number(self) -> int:
        """The next number that nothing in flight or remembered uses."""
        number = self._next
        while number in self._in_flight or number in self._late or number in self._controls:
            number = 1 if number >= SEQUENCE_NUMBER_MAX else number + 1
        self._next = 1 if number >= SEQUENCE_NUMBER_MAX else number + 1
        return number

    def add(self, sequence_number: int, token: Token, command_id: int, now: float) -> None:
        """Put a request in flight under a number from `take_sequence_number`."""
        self._in_flight[sequence_number] = InFlight(token, command_id | RESPONSE_BIT, now, now + self._timeout)

    def answer(self, sequence_number: int, response_id: int | None) -> InFlight | None:
        """Take the request that this response answers out of flight; None when there is none.

        `response_id` None matches any request: a generic_nack does not say what it refuses.
        """
        request = self._in_flight.get(sequence_number)
        if request is None or (response_id is not None and request.response_id != response_id):
            return None
        del self._in_flight[sequence_number]
        return request

    def forget_late(self, sequence_number: int, response_id: int | None) -> InFlight | None:
        """The expired request that this response answers, as in `answer`; it is forgotten now."""
        request = self._late.get(sequence_number)
        if request is None or (response_id is not None and request.response_id != response_id):
            return None
        return self._late.pop(sequence_number)

    def token_of(self, sequence_number: int) -> Token | None:
        """The token of a request that is in flight or remembered as late; None when there is none."""
        request = self._in_flight.get(sequence_number) or self._late.get(sequence_number)
        return request.token if request is not None else None

    def next_deadline(self) -> float | None:
        """When the oldest request expires; None when nothing will."""
        for request in self._in_flight.values():
            return request.deadline if request.deadline != _UNBOUNDED else None
        return None

    def expire(self, now: float) -> list[InFlight]:
        """Take out what was not answered in time, oldest first, and remember it as late."""
        expired: list[InFlight] = []
        while self._in_flight:
            sequence_number, request = next(iter(self._in_flight.items()))
            if request.deadline > now:
                break
            del self._in_flight[sequence_number]
            self._late[sequence_number] = request
            expired.append(request)
        while len(self._late) > self._late_tokens_max:
            del self._late[next(iter(self._late))]
        return expired

    def abandon(self) -> list[InFlight]:
        """Take out everything, oldest first: the session has ended."""
        abandoned = list(self._in_flight.values())
        self._in_flight.clear()
        return abandoned

    def add_control(self, sequence_number: int, command_id: int) -> None:
        """Wait for the answer to a bind, unbind or enquire_link of ours, which takes no room in the window; the number
        is from `take_sequence_number`.
        """
        self._controls[sequence_number] = command_id

    def answer_control(self, sequence_number: int, response_id: int | None) -> int | None:
        """The command_id of our bind, unbind or enquire_link that this response answers; it is forgotten now.

        None when there is none, and nothing is forgotten. `response_id` None matches any, as in `answer`.
        """
        command_id = self._controls.get(sequence_number)
        if command_id is None or response_id not in (None, command_id | RESPONSE_BIT):
            return None
        del self._controls[sequence_number]
        return command_id

    def answer_nameless(self) -> int | None:
        """The command_id of what a generic_nack with sequence_number 0 refuses (its sender could not read ours): of the
        one control that waits, which is forgotten now, when nothing else does. None when it could mean several.
        """
        if self._in_flight or len(self._controls) != 1:
            return None
        return self._controls.popitem()[1]

    def forget_controls(self, command_id: int) -> None:
        """Stop waiting for answers to this command, which have lost their meaning."""
        for sequence_number in [number for number, command in self._controls.items() if command == command_id]:
            del self._controls[sequence_number]
