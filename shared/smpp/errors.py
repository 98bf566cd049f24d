"""Pure: the exceptions of the SMPP core.

    SmppError
    ├── ConnectFailed           no connection; try again later (the sentence says why)
    └── LocalProtocolError      we asked for something illegal; a bug of the caller, nothing was sent
        ├── UnencodablePdu      a value that cannot be framed (NUL in a C-octet string, a text of 256 octets)
        └── WrongState          a call that the session's state does not allow

What a *peer* does wrong is never an exception: the decoder returns values and a session reports `ProtocolErrorSeen`.
"""


class SmppError(Exception):
    """Root of the tree."""


class ConnectFailed(SmppError):
    """The connection could not be made, or its certificate is not to be trusted; nothing stays open."""


class LocalProtocolError(SmppError):
    """We did something illegal; session and connection are as before the call."""


class UnencodablePdu(LocalProtocolError):
    """The PDU cannot be put on the wire. The same value will never go; do not try again."""


class WrongState(LocalProtocolError):
    """The session is not in a state for this call."""
