"""Pure: ClickHouse's errors, from the engine's text to code, name and HTTP status.

Clients choose their exception class by ``X-ClickHouse-Exception-Code`` and the text, which is
``Code: N. DB::Exception: ... (NAME)``, so every refusal of ours has the same shape as one of the engine.
"""

import re

BAD_ARGUMENTS = (36, "BAD_ARGUMENTS")
CHECKSUM_DOESNT_MATCH = (40, "CHECKSUM_DOESNT_MATCH")
CANNOT_READ_ALL_DATA = (33, "CANNOT_READ_ALL_DATA")
CANNOT_DECOMPRESS = (271, "CANNOT_DECOMPRESS")
NOT_IMPLEMENTED = (48, "NOT_IMPLEMENTED")
SYNTAX_ERROR = (62, "SYNTAX_ERROR")
READONLY = (164, "READONLY")
NOT_ENOUGH_SPACE = (243, "NOT_ENOUGH_SPACE")
SUPPORT_IS_DISABLED = (344, "SUPPORT_IS_DISABLED")
SESSION_NOT_FOUND = (372, "SESSION_NOT_FOUND")
SESSION_IS_LOCKED = (373, "SESSION_IS_LOCKED")
AUTHENTICATION_FAILED = (516, "AUTHENTICATION_FAILED")
UNKNOWN_EXCEPTION = 1002

_ENGINE_CODE = re.compile(r"Code: (\d+)\.")
_BAD_REQUEST_CODES = frozenset({6, 26, 27, 33, 36, 38, 40, 41, 47, 53, 62, 72, 115, 117, 271, 372, 373})
_HTTP_STATUS = {
    46: 404,  # UNKNOWN_FUNCTION
    48: 501,  # NOT_IMPLEMENTED
    60: 404,  # UNKNOWN_TABLE
    81: 404,  # UNKNOWN_DATABASE
    159: 408,  # TIMEOUT_EXCEEDED
    192: 403,  # UNKNOWN_USER
    202: 503,  # TOO_MANY_SIMULTANEOUS_QUERIES
    210: 503,  # NETWORK_ERROR
    497: 403,  # ACCESS_DENIED
    516: 403,  # AUTHENTICATION_FAILED
}


class ClickHouseError(Exception):
    """An error as a client of ClickHouse expects it.

    Attributes:
        code: ClickHouse's error number.
        text: the full text, ``Code: N. DB::Exception: ... (NAME)``.
    """

    def __init__(self, kind: tuple[int, str], message: str) -> None:
        """Make a refusal of our own; ``kind`` is one of this module's (code, name) pairs."""
        self.code, name = kind
        self.text = f"Code: {self.code}. DB::Exception: {message} ({name})"
        super().__init__(self.text)


class EngineError(ClickHouseError):
    """An error that the engine reported; the text is its own, from ``Code:`` on."""

    def __init__(self, raw: str) -> None:
        """Read code and text from the engine's message. A text without a code gets 1002, UNKNOWN_EXCEPTION."""
        start = raw.find("Code: ")
        self.text = raw[start:] if start >= 0 else raw
        match = _ENGINE_CODE.match(self.text)
        self.code = int(match[1]) if match else UNKNOWN_EXCEPTION
        Exception.__init__(self, self.text)


def http_status(code: int) -> int:
    """Return the HTTP status that ClickHouse answers with for an error code."""
    if code in _BAD_REQUEST_CODES:
        return 400
    return _HTTP_STATUS.get(code, 500)
