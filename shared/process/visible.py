"""Pure: text from outside, made safe to look at: what steers a terminal, hides or forges a line is shown by its code.

Texts, numbers, ids, reasons, names of headers, an SMSC's words and errors that quote any of them are somebody else's.
"""

import re
from typing import Final

UNSAFE: Final = re.compile(
    r"["
    r"\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u180e\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    r"\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
    r"]"
)
"""What is never shown as it is, of Unicode's categories Cc (C0, DEL, C1), Cf (format characters, those that turn the
direction of writing among them), Cs (halves of surrogate pairs), Zl and Zp (separators of lines and paragraphs)."""

_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _code(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    if short := _SHORT.get(character):
        return short
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(text: str) -> str:
    """`text` on one line, with each unsafe character as `\\x1b`, `\\n`, `\\u202e`; all else stays what it is.

    For people: a backslash of the text itself is not told from one of ours.
    """
    return UNSAFE.sub(_code, text)


def _json_code(found: re.Match[str]) -> str:
    octets = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{octets[at] << 8 | octets[at + 1]:04x}" for at in range(0, len(octets), 2))


def visible_json(document: str) -> str:
    """A JSON document of one line with the same characters escaped as JSON does it: it means what it meant."""
    return UNSAFE.sub(_json_code, document)
