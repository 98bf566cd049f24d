"""Edge: `smsgw preview`: what a text would cost, before it is sent."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from schemas.gateway.accounts import Account
from schemas.gateway.connectors.kinds import Connector
from schemas.gateway.file import Gateway
from schemas.wire import NIL_UUID, EncodingWish
from services.cli.config_apply import read_applied
from services.cli.errors import EXIT_FAILED, CliError, Invalid
from services.cli.gateway_yaml import parse_gateway
from services.cli.output import print_json
from services.cli.preview_output import as_dict, show
from services.cli.preview_text import read_text, typed_text
from services.cli.runtime import find_runtime, kafka_errors
from services.cli.stack import read_gateway_file
from shared.messages.connector_profile import profile_of
from shared.sms.message import (
    MAX_SEGMENTS_DEFAULT,
    MAX_SEGMENTS_LIMIT,
    ConnectorProfile,
    DefaultAlphabet,
    EncodeRequest,
    LongMessage,
)
from shared.sms.preview import preview
from shared.sms.profile_check import profile_problems


@dataclass(frozen=True, slots=True)
class PreviewOptions:
    """What was typed. None: the connector's (or the account's) own, else the gateway's default."""

    text: str | None = None
    file: Path | None = None
    encoding: str = "auto"
    transliterate: bool | None = None
    lookalikes: bool | None = None
    flash: bool = False
    connector: str | None = None
    account: str | None = None
    config: Path | None = None
    data_dir: Path | None = None
    long_message: str | None = None
    national_tables: str | None = None
    default_alphabet: str | None = None
    packed: bool | None = None
    max_segments: int | None = None


async def run(options: PreviewOptions, *, octets: bool, as_json: bool) -> int:
    """0 when it can be sent like this, 1 when not."""
    _check_words(options)
    text, notes = _text(options.text, options.file)
    connector, account = await _configured(options)
    request = _request(text, options, account)
    profile = _profile(options, connector)
    found = preview(request, profile)
    if as_json:
        print_json(as_dict(found, notes, octets=octets))
    else:
        show(found, notes, octets=octets)
    return EXIT_FAILED if found.refused else 0


def _check_words(options: PreviewOptions) -> None:
    for name, given, allowed in (
        ("--encoding", options.encoding, get_args(EncodingWish)),
        ("--long-message", options.long_message, get_args(LongMessage)),
        ("--default-alphabet", options.default_alphabet, get_args(DefaultAlphabet)),
    ):
        if given is not None and given not in allowed:
            raise Invalid(f"{name}: {given!r} is unknown", f"allowed: {', '.join(allowed)}")
    if options.max_segments is not None and not 1 <= options.max_segments <= MAX_SEGMENTS_LIMIT:
        raise Invalid(f"--max-segments: {options.max_segments} is not within 1 to {MAX_SEGMENTS_LIMIT}")
    if options.config is not None and options.connector is None and options.account is None:
        raise Invalid("--config alone says nothing", "name a --connector or an --account of it")


def _text(text: str | None, file: Path | None) -> tuple[str, list[str]]:
    if (text is None) == (file is None):
        raise Invalid("give a text or --file, one of the two", "a text of - reads standard input")
    if file is not None:
        try:
            return read_text(file.read_bytes(), str(file))
        except OSError as error:
            raise Invalid(f"cannot read {file}: {error.strerror}") from error
    if text == "-":
        return read_text(sys.stdin.buffer.read(), "standard input")
    return typed_text(text or ""), []


async def _configured(options: PreviewOptions) -> tuple[Connector | None, Account | None]:
    """The connector and the account that were named, from the file that was named or from what is applied."""
    if options.connector is None and options.account is None:
        return None, None
    gateway = await _gateway(options)
    connectors = {connector.id: connector for connector in gateway.connectors}
    accounts = {account.id: account for account in gateway.accounts}
    for name, given, defined in (
        ("--connector", options.connector, connectors.keys()),
        ("--account", options.account, accounts.keys()),
    ):
        if given is not None and given not in defined:
            raise Invalid(f"{name}: {given!r} is not defined", f"defined: {', '.join(defined) or 'none'}")
    return connectors.get(options.connector or ""), accounts.get(options.account or "")


async def _gateway(options: PreviewOptions) -> Gateway:
    if options.config is not None:
        return parse_gateway(read_gateway_file(options.config))
    settings = find_runtime(options.data_dir).settings
    async with kafka_errors(settings):
        applied = await read_applied(settings)
    if applied is None:
        raise CliError("no configuration has been applied", hint="name the file: --config gateway.yaml")
    return applied.gateway


def _request(text: str, options: PreviewOptions, account: Account | None) -> EncodeRequest:
    max_segments = account.max_segments if account else MAX_SEGMENTS_DEFAULT
    transliterate = account.transliterate if account else False
    lookalikes = account.lookalikes if account else False
    return EncodeRequest(
        message_id=NIL_UUID,
        to="",
        text=text,
        encoding=options.encoding,  # type: ignore[arg-type]  # checked above
        transliterate=transliterate if options.transliterate is None else options.transliterate,
        lookalikes=lookalikes if options.lookalikes is None else options.lookalikes,
        flash=options.flash,
        max_segments=options.max_segments or max_segments,
    )


def _profile(options: PreviewOptions, connector: Connector | None) -> ConnectorProfile:
    """The connector's own profile, with what was typed in place of its options."""
    profile = profile_of(connector.options) if connector else ConnectorProfile()
    typed: dict[str, Any] = {
        "long_message": options.long_message,
        "default_alphabet": options.default_alphabet,
        "gsm7_packed": options.packed,
        "national_tables": _words(options.national_tables),
    }
    profile = replace(profile, **{name: value for name, value in typed.items() if value is not None})
    problems = profile_problems(profile)
    if problems:
        raise Invalid("\n".join(problems))
    return profile


def _words(listed: str | None) -> tuple[str, ...] | None:
    return None if listed is None else tuple(word.strip() for word in listed.split(",") if word.strip())
