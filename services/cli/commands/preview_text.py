"""Pure: the octets of a file or of standard input as the text to preview, and what is odd about them."""

from shared.operations.errors import Invalid

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_text(octets: bytes, name: str) -> tuple[str, list[str]]:
    """The text, character by character as it is in `octets`, and notes about what a person may not see in it.

    Only a byte order mark is taken off: it belongs to the file and not to the text. Line ends stay what they are, and
    count. Raises `Invalid` where the octets are no UTF-8; `name` says whose they are.
    """
    notes: list[str] = []
    if octets.startswith(_BYTE_ORDER_MARK):
        octets = octets.removeprefix(_BYTE_ORDER_MARK)
        notes.append("a byte order mark at the beginning was left out")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        hint = "it looks like UTF-16" if octets.startswith(_UTF16_MARKS) else f"{error.reason}"
        raise Invalid(
            f"{name} is not UTF-8: octet 0x{octets[error.start]:02x} at offset {error.start}", hint
        ) from error
    return text, notes + line_end_notes(text)


def line_end_notes(text: str) -> list[str]:
    """What line ends add to the cost of a text, which nobody sees."""
    notes: list[str] = []
    returns = text.count("\r\n")
    if returns:
        notes.append(f"{returns} line end(s) are CR LF: the carriage returns are sent, and counted")
    if text.endswith("\n"):
        notes.append("the line feed at the end is sent, and counted")
    return notes


def typed_text(argument: str) -> str:
    """A text from the command line. Raises `Invalid` where the terminal's octets were no UTF-8."""
    try:
        argument.encode("utf-8")
    except UnicodeEncodeError as error:
        where = f"character {error.start + 1}"
        raise Invalid(f"the text is not UTF-8 at {where}", "give it with --file, or in a UTF-8 terminal") from error
    return argument
