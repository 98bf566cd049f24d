"""Pure: the seam between the binder and a kind of connector: what a channel does, and what it reports.

Lease, journal, pace and commits know a bind only through `Channel`. A kind implements it in a folder of its own beside
`smpp/`, and has its entries in `kinds.py` (who opens a channel) and `payload_readers.py` (who reads what a dispatch
carries for it). It reports

* what became of each submitted segment to `Answers`, in the words of `schemas.feedback`;
* that a bind has ended, to `LinkWatcher`;
* what was delivered, as a record of its own making, to `receive.receiving.Receiving`, which has it answered
  (`Deliverer`) when Kafka has it;
* frames for whoever looks, if it has any, to `trace.tracing` (`trace.frames` says what that asks).

Everything is called in the event loop of the process.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from schemas.gateway.connectors.kinds import Connector
from services.binder.lease.backoff import Failure
from services.binder.lease.machine import LeaseEvent
from services.binder.submit.dispatch_record import DispatchedSegment
from services.binder.submit.feedback_record import Said


@dataclass(frozen=True, slots=True)
class NotConnected:
    """An attempt that failed. `reason` is a sentence; `error_code` is the channel's own, 0 where nobody answered."""

    failure: Failure
    reason: str
    error_code: int = 0


class Unsendable(Exception):
    """A segment that the channel cannot put into its form; nothing was written."""


class Channel(Protocol):
    """One bind of one connector, through all its connections one after another. Made with its lease."""

    @property
    def account(self) -> Hashable:
        """Whose back-off the attempts count against: equal for binds that the other side counts together."""

    @property
    def described(self) -> str:
        """How and where it is connected, for people."""

    @property
    def window_free(self) -> int:
        """How many segments may be submitted now; 0 while nothing is connected, or its socket takes no octets."""

    @property
    def drain_timeout_s(self) -> float:
        """How long `drain` waits for answers at most."""

    def configure(self, connector: Connector) -> LeaseEvent | None:
        """Take the configuration on. Returns CHANGED when a new bind is needed, SECRET_CHANGED when only the secret has
        another value than at the last attempt; the rest counts at once."""

    async def connect(self) -> NotConnected | None:
        """Try once; None = bound. After a failure, or when cancelled, nothing is open any more."""

    def submit(self, segment: DispatchedSegment, at_ms: int) -> bool:
        """Take one segment to be sent by `flush`. False: not now. Raises `Unsendable`."""

    def flush(self, still_allowed: Callable[[], bool]) -> None:
        """Send what was submitted at the end of this turn of the event loop. If `still_allowed` says no by then,
        nothing is sent and the connection is cut."""

    async def drain(self) -> None:
        """Finish the window, unbind and close; return when nothing is open. What is not answered in time is unknown."""

    async def abort(self) -> None:
        """End all connections now; return when nothing is open."""

    def leave(self, why: str) -> None:
        """Begin to unbind without waiting for answers; `link_down` follows. A second call changes nothing."""

    def cut(self) -> None:
        """The process has failed: close the sockets without a word."""


class Answers(Protocol):
    """Is told what becomes of submitted segments: for each segment either `answered` or `unknown` is called, once."""

    def answered(self, segment: DispatchedSegment, said: Said) -> None:
        """The other side has answered."""

    def unknown(self, segment: DispatchedSegment) -> None:
        """It may have been sent, and no answer will come."""

    def answered_late(self, segment: DispatchedSegment, said: Said) -> None:
        """An answer after `unknown`: the outcome stands."""

    def advance(self) -> None:
        """A batch of reports is over, or there is room to submit again."""


class LinkWatcher(Protocol):
    """Is told that a bind has ended."""

    def link_down(self, reason: str, detail: str) -> None:
        """The bind was up and has ended, and every segment has had its outcome. `detail` says more than `reason`."""
