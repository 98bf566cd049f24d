"""Two sessions and a wire between them, in memory, with the time in hand (after h11's ConnectionPair)."""

from dataclasses import dataclass, field

from shared.smpp import pdu
from shared.smpp.codec import UnparsablePdu, decode_next, encode
from shared.smpp.config import EsmeConfig, SmscConfig
from shared.smpp.constants import BindMode
from shared.smpp.events import Event
from shared.smpp.server_session import SmscSession
from shared.smpp.session import EsmeSession


def decode_all(data: bytes) -> list[pdu.Pdu | UnparsablePdu]:
    """Every PDU of a chunk; it must end with a whole one."""
    found = []
    offset = 0
    while offset < len(data):
        outcome, offset = decode_next(data, offset)
        assert isinstance(outcome, pdu.Pdu | UnparsablePdu), outcome
        found.append(outcome)
    return found


def encode_all(*pdus: pdu.Pdu) -> bytes:
    """The octets of all PDUs."""
    return b"".join(encode(one) for one in pdus)


@dataclass
class Pair:
    """An ESME bound to an SMSC unless `bind` is False; `now` is theirs."""

    window_size: int = 10
    bind_mode: BindMode = BindMode.TRANSCEIVER
    bind: bool = True
    now: float = 0.0
    esme: EsmeSession = field(init=False)
    smsc: SmscSession = field(init=False)

    def __post_init__(self) -> None:
        esme_config = EsmeConfig(
            system_id="shop", password="secret", window_size=self.window_size, bind_mode=self.bind_mode
        )
        self.esme = EsmeSession(esme_config, now=self.now)
        self.smsc = SmscSession(SmscConfig(system_id="SMSC", window_size=self.window_size), now=self.now)
        if self.bind:
            self.esme.bind(self.now)
            self.to_smsc()
            self.smsc.accept_bind(self.now)
            self.to_esme()
            assert self.esme.is_bound
            assert self.smsc.is_bound

    def to_smsc(self) -> list[Event]:
        """What the ESME has to send, received by the SMSC."""
        return self.smsc.receive_data(self.esme.data_to_send(), self.now)

    def to_esme(self) -> list[Event]:
        """What the SMSC has to send, received by the ESME."""
        return self.esme.receive_data(self.smsc.data_to_send(), self.now)

    def esme_receives(self, *pdus: pdu.Pdu) -> list[Event]:
        """PDUs of an SMSC that is not ours."""
        return self.esme.receive_data(encode_all(*pdus), self.now)

    def smsc_receives(self, *pdus: pdu.Pdu) -> list[Event]:
        """PDUs of an ESME that is not ours."""
        return self.smsc.receive_data(encode_all(*pdus), self.now)

    def esme_sent(self) -> list[pdu.Pdu | UnparsablePdu]:
        """What the ESME has to send, decoded."""
        return decode_all(self.esme.data_to_send())

    def smsc_sent(self) -> list[pdu.Pdu | UnparsablePdu]:
        """What the SMSC has to send, decoded."""
        return decode_all(self.smsc.data_to_send())
