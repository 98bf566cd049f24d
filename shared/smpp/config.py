"""Pure: what a session is told once, with the defaults of docs/options.md. Times are seconds, 0 = off."""

from dataclasses import dataclass, field

from shared.smpp.constants import COMMAND_LENGTH_MAX, INTERFACE_VERSION_34, BindMode


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """What both roles have.

    window_size: requests of ours without an answer; at the limit `submit` and `deliver` return False.
    unanswered_max: requests of the peer without an answer of ours; above it the session answers ESME_RX_T_APPN
        (server: ESME_RTHROTTLED) itself. The transport stops reading long before.
    enquire_link_s: silence after which an enquire_link is sent; two unanswered ones, enquire_link_timeout_s each, end
        the session. Any octet received counts as an answer.
    inactivity_s: silence that ends the session whatever enquire_link does. The client asks at half of it at the latest.
    """

    system_id: str = ""
    interface_version: int = INTERFACE_VERSION_34
    window_size: int = 10
    response_timeout_s: float = 60.0
    enquire_link_s: float = 30.0
    enquire_link_timeout_s: float = 15.0
    inactivity_s: float = 60.0
    unbind_timeout_s: float = 5.0
    unanswered_max: int = 5000
    late_tokens_max: int = 1000
    command_length_max: int = COMMAND_LENGTH_MAX
    first_sequence_number: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EsmeConfig(SessionConfig):
    """The client's side. `password` and `system_id` may be longer than the specification allows (Q48)."""

    bind_mode: BindMode = BindMode.TRANSCEIVER
    password: str = field(default="", repr=False)
    system_type: str = ""
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""
    bind_timeout_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SmscConfig(SessionConfig):
    """The server's side. `session_init_s`: how long a connection may stay unbound."""

    session_init_s: float = 10.0
