"""Pure: the server session of shared/smpp with one more way out: a deliver_sm whose body is octets already.

Receipts are the half of the traffic that the simulator makes itself. Packed straight from the message they cost a third
of what a `DeliverSm` costs that is built only to be encoded (measured: 1.5 instead of 4.5 µs).
"""

from struct import Struct
from typing import Final

from shared.smpp.constants import HEADER_LENGTH, SmppCommand
from shared.smpp.events import Token
from shared.smpp.server_session import SmscSession
from shared.smpp.transitions import REQUEST_STATES, Role

_HEADER: Final = Struct("!4I")
_DELIVER_SM: Final = SmppCommand.DELIVER_SM.value
_DELIVERY_STATES: Final = REQUEST_STATES[Role.SMSC][SmppCommand.DELIVER_SM]


class SimulatorSession(SmscSession):
    """One bind of an ESME at the simulator."""

    def deliver_octets(self, token: Token, octets: bytes, now: float) -> bool:
        """Like `deliver`, for the octets of a deliver_sm behind its header; they are not looked at."""
        window = self._window
        if window.free <= 0 or self.state not in _DELIVERY_STATES:
            return False
        self._now = now
        sequence_number = window.take_sequence_number()
        window.add(sequence_number, token, _DELIVER_SM, now)
        self._write(_HEADER.pack(HEADER_LENGTH + len(octets), _DELIVER_SM, 0, sequence_number) + octets)
        return True
