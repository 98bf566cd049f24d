"""Edge: which HTTP requests are answered: none that a page in somebody's browser made.

A page may send requests to any address of the network its reader is in, and by a name whose address changes (DNS
rebinding) also read the answers. No password of ours stands in its way on loopback. See docs/security.md.
"""

import ipaddress
import os
import socket
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

NAMES_VARIABLE: Final = "SMSGW_HTTP_NAMES"

_INNER: Final = (".localhost", ".internal", ".svc", ".cluster.local")
"""Ends of names that no public DNS answers for."""

_OWN_SITE: Final = frozenset({"same-origin", "none"})


class HttpGuard:
    """What one port of ours answers to: addresses, inner names, this machine's, and those that are listed."""

    def __init__(self, listed: Iterable[str], machine: str) -> None:
        self._listed = frozenset(listed)
        self._names = self._listed | {machine.lower()}

    def refusal(self, host: str | None, origin: str | None, fetch_site: str | None) -> str:
        """Why a request is not answered (403), from its headers Host, Origin and Sec-Fetch-Site (None: has none).

        Empty when it is. Programs that are no browsers send neither of the last two.
        """
        if host is not None and not self._is_ours(_host_of(f"//{host}")):
            return f"The name {host[:100]!r} is not one of this server's; {NAMES_VARIABLE} may list it."
        if origin is not None and _host_of(origin) not in self._listed:
            return f"Pages of {origin[:100]!r} may not ask this server; {NAMES_VARIABLE} may list their host."
        if origin is None and fetch_site is not None and fetch_site not in _OWN_SITE:
            return "Pages of other sites may not ask this server."
        return ""

    def _is_ours(self, name: str) -> bool:
        """An address cannot be rebound, and a name without a dot is no public one: compose and clusters use them."""
        if not name:
            return False
        if ("." not in name and ":" not in name) or name in self._names or name.endswith(_INNER):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def guard_of_environment() -> HttpGuard:
    """With the names of SMSGW_HTTP_NAMES (commas between)."""
    listed = {name.strip().lower() for name in os.environ.get(NAMES_VARIABLE, "").split(",")}
    return HttpGuard(listed - {""}, socket.gethostname())


def _host_of(url: str) -> str:
    """The host of a URL, in lower case and without its port; empty for what is none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
