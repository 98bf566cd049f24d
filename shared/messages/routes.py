"""Pure: which route of which message a lane record is about, without decoding it."""

import re
from typing import Final

_ROUTE: Final = re.compile(rb'"message_id":"([0-9a-f-]{36})"(?:,"route_no":(\d+))?')


def route_of(value: bytes) -> tuple[str, int] | None:
    """message_id and route_no of a lane record; None when it is none of ours.

    The lane records begin with these fields; `submission` further on has the same names, so only the first count.
    """
    found = _ROUTE.search(value)
    return (found[1].decode(), int(found[2] or 0)) if found else None
