"""Pure: the numbers of SMPP 3.4: commands, statuses, optional parameter tags, bits of esm_class.

Names of commands and statuses are those of aiosmpplib (a test compares them). Whatever arrives is kept as a plain int:
nothing in this package converts a received number into an enum, because SMSCs send vendor values (0x400-0x4FF, 5.1.3).
"""

import re
from enum import Enum, IntEnum, IntFlag
from typing import Final

HEADER_LENGTH: Final = 16
COMMAND_LENGTH_MAX: Final = 64 * 1024 + 1024
"""A command_length above this is a lost framing: the largest message_payload (65,535 octets) and its header fit."""

SEQUENCE_NUMBER_MAX: Final = 0x7FFFFFFF
RESPONSE_BIT: Final = 0x80000000

INTERFACE_VERSION_33: Final = 0x33
INTERFACE_VERSION_34: Final = 0x34
INTERFACE_VERSION_50: Final = 0x50


class SmppCommand(IntEnum):
    """command_id, SMPP 3.4 section 5.1.2.1."""

    GENERIC_NACK = 0x80000000
    BIND_RECEIVER = 0x00000001
    BIND_RECEIVER_RESP = 0x80000001
    BIND_TRANSMITTER = 0x00000002
    BIND_TRANSMITTER_RESP = 0x80000002
    QUERY_SM = 0x00000003
    QUERY_SM_RESP = 0x80000003
    SUBMIT_SM = 0x00000004
    SUBMIT_SM_RESP = 0x80000004
    DELIVER_SM = 0x00000005
    DELIVER_SM_RESP = 0x80000005
    UNBIND = 0x00000006
    UNBIND_RESP = 0x80000006
    REPLACE_SM = 0x00000007
    REPLACE_SM_RESP = 0x80000007
    CANCEL_SM = 0x00000008
    CANCEL_SM_RESP = 0x80000008
    BIND_TRANSCEIVER = 0x00000009
    BIND_TRANSCEIVER_RESP = 0x80000009
    OUTBIND = 0x0000000B
    ENQUIRE_LINK = 0x00000015
    ENQUIRE_LINK_RESP = 0x80000015
    SUBMIT_MULTI = 0x00000021
    SUBMIT_MULTI_RESP = 0x80000021
    ALERT_NOTIFICATION = 0x00000102
    DATA_SM = 0x00000103
    DATA_SM_RESP = 0x80000103


class SmppCommandStatus(IntEnum):
    """command_status, SMPP 3.4 section 5.1.3. A received status that is not listed stays an int."""

    ESME_ROK = 0x00000000
    ESME_RINVMSGLEN = 0x00000001
    ESME_RINVCMDLEN = 0x00000002
    ESME_RINVCMDID = 0x00000003
    ESME_RINVBNDSTS = 0x00000004
    ESME_RALYBND = 0x00000005
    ESME_RINVPRTFLG = 0x00000006
    ESME_RINVREGDLVFLG = 0x00000007
    ESME_RSYSERR = 0x00000008
    ESME_RINVSRCADR = 0x0000000A
    ESME_RINVDSTADR = 0x0000000B
    ESME_RINVMSGID = 0x0000000C
    ESME_RBINDFAIL = 0x0000000D
    ESME_RINVPASWD = 0x0000000E
    ESME_RINVSYSID = 0x0000000F
    ESME_RCANCELFAIL = 0x00000011
    ESME_RREPLACEFAIL = 0x00000013
    ESME_RMSGQFUL = 0x00000014
    ESME_RINVSERTYP = 0x00000015
    ESME_RINVNUMDESTS = 0x00000033
    ESME_RINVDLNAME = 0x00000034
    ESME_RINVDESTFLAG = 0x00000040
    ESME_RINVSUBREP = 0x00000042
    ESME_RINVESMCLASS = 0x00000043
    ESME_RCNTSUBDL = 0x00000044
    ESME_RSUBMITFAIL = 0x00000045
    ESME_RINVSRCTON = 0x00000048
    ESME_RINVSRCNPI = 0x00000049
    ESME_RINVDSTTON = 0x00000050
    ESME_RINVDSTNPI = 0x00000051
    ESME_RINVSYSTYP = 0x00000053
    ESME_RINVREPFLAG = 0x00000054
    ESME_RINVNUMMSGS = 0x00000055
    ESME_RTHROTTLED = 0x00000058
    ESME_RINVSCHED = 0x00000061
    ESME_RINVEXPIRY = 0x00000062
    ESME_RINVDFTMSGID = 0x00000063
    ESME_RX_T_APPN = 0x00000064
    ESME_RX_P_APPN = 0x00000065
    ESME_RX_R_APPN = 0x00000066
    ESME_RQUERYFAIL = 0x00000067
    ESME_RINVOPTPARSTREAM = 0x000000C0
    ESME_ROPTPARNOTALLWD = 0x000000C1
    ESME_RINVPARLEN = 0x000000C2
    ESME_RMISSINGOPTPARAM = 0x000000C3
    ESME_RINVOPTPARAMVAL = 0x000000C4
    ESME_RDELIVERYFAILURE = 0x000000FE
    ESME_RUNKNOWNERR = 0x000000FF


class BindMode(Enum):
    """What a session may carry: transmitter submits, receiver is delivered to, transceiver does both."""

    TRANSMITTER = "transmitter"
    RECEIVER = "receiver"
    TRANSCEIVER = "transceiver"

    @property
    def transmits(self) -> bool:
        """Whether the ESME may submit in this mode."""
        return self is not BindMode.RECEIVER

    @property
    def receives(self) -> bool:
        """Whether the SMSC may deliver in this mode."""
        return self is not BindMode.TRANSMITTER


class EsmClass(IntFlag):
    """esm_class, SMPP 3.4 section 5.2.12: message mode (bits 1-0), message type (5-2), GSM features (7-6).

    The type bits are a value, not flags, in the specification; in the field they are read as flags (quirk Q6).
    """

    DATAGRAM = 0x01
    FORWARD = 0x02
    STORE_AND_FORWARD = 0x03
    DELIVERY_RECEIPT = 0x04
    DELIVERY_ACKNOWLEDGEMENT = 0x08
    USER_ACKNOWLEDGEMENT = 0x10
    INTERMEDIATE_NOTIFICATION = 0x20
    UDHI = 0x40
    REPLY_PATH = 0x80


RECEIPT_BITS: Final = (
    EsmClass.DELIVERY_RECEIPT | EsmClass.DELIVERY_ACKNOWLEDGEMENT | EsmClass.INTERMEDIATE_NOTIFICATION
).value
"""Any of these means receipt, whatever the other type bits say (Q6)."""


class RegisteredDelivery(IntFlag):
    """registered_delivery, SMPP 3.4 section 5.2.17."""

    NONE = 0x00
    FINAL = 0x01
    FAILURE_ONLY = 0x02
    SME_DELIVERY_ACKNOWLEDGEMENT = 0x04
    SME_USER_ACKNOWLEDGEMENT = 0x08
    INTERMEDIATE = 0x10


class MessageState(IntEnum):
    """message_state, SMPP 3.4 section 5.2.28."""

    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8


def status_name(command_status: int) -> str:
    """`ESME_RTHROTTLED` for 88, `0x00000401` for what the specification does not list."""
    try:
        return SmppCommandStatus(command_status).name
    except ValueError:
        return f"0x{command_status:08X}"


_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10}")


def status_number(text: str) -> int | None:
    """The command_status that `text` names (`0x14`, `20`, `ESME_RMSGQFUL`, `RMSGQFUL`, in any case), or None."""
    stripped = text.strip()
    if _NUMBER.fullmatch(stripped):
        return int(stripped, 16 if stripped[:2].lower() == "0x" else 10)
    name = stripped.upper()
    member = SmppCommandStatus.__members__.get(name) or SmppCommandStatus.__members__.get(f"ESME_{name}")
    return None if member is None else member.value


def command_name(command_id: int) -> str:
    """`submit_sm` for 4, `0x00000099` for what the specification does not list."""
    try:
        return SmppCommand(command_id).name.lower()
    except ValueError:
        return f"0x{command_id:08X}"
