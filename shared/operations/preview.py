"""Pure: what a text would cost on a connector, for an account, with what is asked for in place of their options."""

from dataclasses import dataclass, replace
from typing import Any

from schemas.gateway.accounts import Account
from schemas.gateway.connectors.kinds import Connector
from schemas.wire import NIL_UUID, EncodingWish
from shared.messages.connector_profile import profile_of
from shared.operations.errors import ManyInvalid
from shared.sms.message import MAX_SEGMENTS_DEFAULT, ConnectorProfile, DefaultAlphabet, EncodeRequest, LongMessage
from shared.sms.preview import Preview, preview
from shared.sms.profile_check import profile_problems


@dataclass(frozen=True, slots=True)
class PreviewRequest:
    """A text, and what is asked for. None: the connector's (or the account's) own, else the gateway's default."""

    text: str
    encoding: EncodingWish = "auto"
    transliterate: bool | None = None
    lookalikes: bool | None = None
    flash: bool = False
    long_message: LongMessage | None = None
    national_tables: tuple[str, ...] | None = None
    default_alphabet: DefaultAlphabet | None = None
    packed: bool | None = None
    max_segments: int | None = None


def preview_for(request: PreviewRequest, connector: Connector | None, account: Account | None) -> Preview:
    """Raises `ManyInvalid` where options contradict each other."""
    return preview(_encode_request(request, account), _profile(request, connector))


def _encode_request(request: PreviewRequest, account: Account | None) -> EncodeRequest:
    max_segments = account.max_segments if account else MAX_SEGMENTS_DEFAULT
    transliterate = account.transliterate if account else False
    lookalikes = account.lookalikes if account else False
    return EncodeRequest(
        message_id=NIL_UUID,
        to="",
        text=request.text,
        encoding=request.encoding,
        transliterate=transliterate if request.transliterate is None else request.transliterate,
        lookalikes=lookalikes if request.lookalikes is None else request.lookalikes,
        flash=request.flash,
        max_segments=request.max_segments or max_segments,
    )


def _profile(request: PreviewRequest, connector: Connector | None) -> ConnectorProfile:
    """The connector's own profile, with what is asked for in place of its options."""
    profile = profile_of(connector.options) if connector else ConnectorProfile()
    asked: dict[str, Any] = {
        "long_message": request.long_message,
        "default_alphabet": request.default_alphabet,
        "gsm7_packed": request.packed,
        "national_tables": request.national_tables,
    }
    profile = replace(profile, **{name: value for name, value in asked.items() if value is not None})
    if problems := profile_problems(profile):
        raise ManyInvalid(problems)
    return profile
