"""Pure: which route of which message a lane record is about, without decoding it."""

import re
from typing import Final

_ROUTE: Final = re.compile(rb'\{"schema_version":2,"route_no":(\d+),"context":\["([0-9a-f-]{36})"')
_ROUTE_1: Final = re.compile(rb'"message_id":"([0-9a-f-]{36})"(?:,"route_no":(\d+))?')


def route_of(value: bytes) -> tuple[str, int] | None:
    """message_id and route_no of a lane record; None for a record that is not ours.

    The lane records begin with these fields. Those of version 1 had the message_id among their own; their `submission`
    further on has the same names, so only the first count.
    """
    if found := _ROUTE.match(value):
        return found[2].decode(), int(found[1])
    older = _ROUTE_1.search(value)
    return (older[1].decode(), int(older[2] or 0)) if older else None
