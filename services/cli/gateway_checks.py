"""Pure: what the model of gateway.yaml cannot check, because it takes knowledge of SMPP or of alphabets."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from schemas.gateway_config import Connector, Options, Route
from services.cli.yaml_lines import Path
from shared.smpp.constants import SmppCommandStatus, status_number
from shared.sms.data_coding import read_map
from shared.sms.message import ConnectorProfile
from shared.sms.profile_check import profile_problems

Problem = tuple[Path, str]
"""Where, below the part that was asked about, and a sentence that goes on from the key."""

_TAG_MAX: Final = 0xFFFF


def connector_problems(connector: Connector) -> Iterator[Problem]:
    """What is wrong with the options of one connector."""
    options = connector.options
    for path, problem in (
        *_alphabets(options),
        *_data_codings(options.data_coding_map),
        *_statuses(options.status_map),
        *_receipt_words(options.receipt_map),
        *_tags(options.vendor_tlvs),
    ):
        yield ("options", *path), problem


def unknown_accounts(routes: Mapping[int, Route], account_ids: Sequence[str]) -> list[Problem]:
    """Accounts that a route waits for in vain; paths from the top of the file."""
    defined = ", ".join(sorted(set(account_ids))) or "none"
    return [
        (("routes", number, "match", "account", place), f"account {name!r} is not defined (defined: {defined})")
        for number, route in routes.items()
        for place, name in enumerate(route.match.account or ())
        if name not in account_ids
    ]


def _alphabets(options: Options) -> Iterator[Problem]:
    profile = ConnectorProfile(
        default_alphabet=options.default_alphabet,
        gsm7_packed=options.gsm7_packed,
        national_tables=options.national_tables,
    )
    for sentence in profile_problems(profile):
        option, _, rest = sentence.partition(" ")  # each sentence begins with the option it is about
        yield (option.removesuffix(":"),), rest


def _data_codings(written: Mapping[str, int]) -> Iterator[Problem]:
    for key, value in written.items():
        try:
            read_map({key: value})
        except ValueError as error:
            yield ("data_coding_map", key), str(error).removeprefix("data_coding_map: ")


def _statuses(written: Mapping[str, str]) -> Iterator[Problem]:
    for key in written:
        number = status_number(key)
        if number is None:
            near = difflib.get_close_matches(key.upper(), SmppCommandStatus.__members__, n=1)
            hint = f"did you mean {near[0]}?" if near else "write a number (0x14) or a name (ESME_RMSGQFUL)"
            yield ("status_map", key), f"is no command_status; {hint}"
        elif number == SmppCommandStatus.ESME_ROK:
            yield ("status_map", key), "cannot mean anything but accepted"


def _receipt_words(written: Mapping[str, str]) -> Iterator[Problem]:
    for key in written:
        if not key or len(key.split()) != 1:
            yield ("receipt_map", key), "can never come: the word after stat: has no blanks in it"


def _tags(written: Mapping[str, str]) -> Iterator[Problem]:
    for key in written:
        if int(key, 16 if key[:2].lower() == "0x" else 10) > _TAG_MAX:
            yield ("vendor_tlvs", key), "is no tag: two octets hold at most 0xFFFF"
