"""Edge: `smsgw preview`: what a text would cost, before it is sent."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from schemas.gateway.accounts import Account
from schemas.gateway.connectors.kinds import Connector
from schemas.wire import EncodingWish
from services.cli.commands.config_source import applied_or_file
from services.cli.commands.preview_output import as_dict, show
from services.cli.commands.preview_text import read_text, typed_text
from services.cli.errors import EXIT_FAILED
from services.cli.output import print_json
from shared.operations.errors import Invalid
from shared.operations.preview import PreviewRequest, preview_for
from shared.sms.message import MAX_SEGMENTS_LIMIT, DefaultAlphabet, LongMessage


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
    found = preview_for(_request(text, options), connector, account)
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
    gateway = (await applied_or_file(options.config, options.data_dir)).gateway
    connectors = {connector.id: connector for connector in gateway.connectors}
    accounts = {account.id: account for account in gateway.accounts}
    for name, given, defined in (
        ("--connector", options.connector, connectors.keys()),
        ("--account", options.account, accounts.keys()),
    ):
        if given is not None and given not in defined:
            raise Invalid(f"{name}: {given!r} is not defined", f"defined: {', '.join(defined) or 'none'}")
    return connectors.get(options.connector or ""), accounts.get(options.account or "")


def _request(text: str, options: PreviewOptions) -> PreviewRequest:
    return PreviewRequest(
        text,
        options.encoding,  # type: ignore[arg-type]  # checked above, as are the other two
        options.transliterate,
        options.lookalikes,
        options.flash,
        options.long_message,  # type: ignore[arg-type]
        _words(options.national_tables),
        options.default_alphabet,  # type: ignore[arg-type]
        options.packed,
        options.max_segments,
    )


def _words(listed: str | None) -> tuple[str, ...] | None:
    return None if listed is None else tuple(word.strip() for word in listed.split(",") if word.strip())
