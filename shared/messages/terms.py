"""Pure: what the account's settings and the route add to a request."""

from typing import NamedTuple

from schemas.gateway.accounts import Account
from schemas.requests import sender_as_sent
from shared.messages.admission import Admitted


class Terms(NamedTuple):
    """What the account's settings and the route add to a request."""

    sender: str
    transliterate: bool
    lookalikes: bool
    max_segments: int
    connector_id: str
    pinned: bool


def terms_of(request: Admitted, account: Account, connector_id: str, pinned: bool) -> Terms:
    """`account` has a default sender where the request has none."""
    wished = account.transliterate if request.transliterate is None else request.transliterate
    transliterate = wished and request.text is not None
    return Terms(
        request.sender or sender_as_sent(account.default_sender or ""),
        transliterate,
        transliterate and account.lookalikes,
        account.max_segments,
        connector_id,
        pinned,
    )
