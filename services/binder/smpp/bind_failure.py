"""Pure: what the answer to a bind request means for the next attempt (quirks Q19, Q20, Q25)."""

from typing import Final

from services.binder.lease.backoff import Failure
from shared.smpp.constants import SmppCommandStatus

AUTH_STATUSES: Final = frozenset({SmppCommandStatus.ESME_RINVSYSID.value, SmppCommandStatus.ESME_RINVPASWD.value})


def failure_of(command_status: int | None) -> Failure:
    """What a bind that was not accepted means; None = no answer at all.

    Only RINVSYSID and RINVPASWD mean that the credentials are wrong (Q19): RBINDFAIL and every other status, vendors'
    ones too, are tried again like a lost link.
    """
    if command_status is None:
        return Failure.LINK
    if command_status in AUTH_STATUSES:
        return Failure.AUTH
    if command_status == SmppCommandStatus.ESME_RALYBND:
        return Failure.ALREADY_BOUND
    return Failure.REFUSED
