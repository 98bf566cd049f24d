"""Edge: the PDUs of an SMPP bind, for tracing: sessions with a ring, and what their frames mean."""

from dataclasses import dataclass
from typing import Final

from schemas.gateway.connectors.smpp import SmppConnector
from services.binder.smpp.link_plan import LinkAddress
from services.binder.smpp.trace_filter import SmscIds, TraceFilter
from services.binder.submit.dispatch_record import DispatchedSegment
from services.binder.trace.tracing import Tracing
from services.binder.trace.views import LinkTrace
from shared.smpp.config import EsmeConfig
from shared.smpp.constants import HEADER_LENGTH, RESPONSE_BIT, BindMode
from shared.smpp.session import EsmeSession
from shared.smpp.trace import Described, TraceRing, describe

_RESPONSE_OCTET: Final = RESPONSE_BIT >> 24
_SHORT: Final = {BindMode.TRANSCEIVER: "trx", BindMode.TRANSMITTER: "tx", BindMode.RECEIVER: "rx"}


@dataclass(frozen=True, slots=True, eq=False)
class EsmeSource:
    """One connection (a `FrameSource`)."""

    session: EsmeSession
    ring: TraceRing

    @property
    def mode(self) -> str:
        return self.session.config.bind_mode.value

    @property
    def short_mode(self) -> str:
        return _SHORT[self.session.config.bind_mode]

    @property
    def is_closed(self) -> bool:
        return self.session.is_closed

    def segment_id(self, direction: str, frame: bytes) -> str:
        """Known for a submit_sm, or the answer to one, as long as the session knows it."""
        if len(frame) < HEADER_LENGTH or (direction == "in") is not bool(frame[4] & _RESPONSE_OCTET):
            return ""
        token = self.session.token_of(int.from_bytes(frame[12:16], "big"))
        return token.id if isinstance(token, DispatchedSegment) else ""


class EsmeTrace:
    """The trace of one bind (a `FrameReader`). Its sessions are made here."""

    def __init__(self, tracing: Tracing, connector: SmppConnector, partition: int, address: LinkAddress) -> None:
        self._options: Final = connector.options
        self._tracing: Final = tracing
        self.link: Final[LinkTrace] = tracing.link(connector.id, partition, f"{address[0]}:{address[1]}", self)

    def session(self, config: EsmeConfig, now: float, jitter: float) -> EsmeSession:
        """A session whose PDUs are traced."""
        ring = TraceRing()
        session = EsmeSession(config, now=now, jitter=jitter, trace=ring)
        self.link.add(EsmeSource(session, ring))
        return session

    def ended(self, reason: str) -> str:
        """The bind is gone. Returns the reason, with the file in which its last PDUs will stand, if there is one."""
        file = self._tracing.ended(self.link, reason)
        return reason if file is None else f"{reason}; what passed before: {file}"

    def forget(self) -> None:
        """The bind never came up."""
        self._tracing.forget(self.link)

    # -- FrameReader -------------------------------------------------------------------------------------------------

    def new_ids(self) -> SmscIds:
        return SmscIds(self._options.message_id_format)

    def new_filter(self, msisdn: str, message_id: str, ids: SmscIds) -> TraceFilter:
        return TraceFilter(msisdn, message_id, ids, dlr_by_text=self._options.dlr_by_text)

    def describe(self, direction: str, frame: bytes, *, redact: bool, with_octets: bool) -> Described:
        return describe(direction, frame, redact=redact, with_hex=with_octets)
