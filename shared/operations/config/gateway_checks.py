"""Pure: what the model of gateway.yaml cannot check, because it takes knowledge of SMPP or of alphabets."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from schemas.gateway.accounts import Account
from schemas.gateway.connectors.kinds import Connector
from schemas.gateway.connectors.smpp import SmppOptions, Tls, split_address
from schemas.gateway.routes import Route
from shared.messages.connector_profile import profile_of
from shared.operations.config.yaml_lines import KeyPath
from shared.smpp.constants import SmppCommandStatus, status_number
from shared.smpp.fields import unsendable
from shared.smpp.vendor_tlvs import vendor_tlv
from shared.sms.data_coding import read_map
from shared.sms.inbound import words
from shared.sms.opt_out_words import folded, wish_of
from shared.sms.profile_check import profile_problems

ConfigProblem = tuple[KeyPath, str]
"""Where, below the part that was asked about, and a sentence that goes on from the key."""

_TLS_KEYS: Final = ("server_name", "ca_file", "cert_file", "key_file")


def connector_problems(connector: Connector) -> Iterator[ConfigProblem]:
    """What is wrong with one connector and its options."""
    options = connector.options
    yield from _hosts(("host",), connector.host)
    yield from _sendable(("system_id",), connector.system_id)
    for path, problem in (
        *_alphabets(options),
        *_data_codings(options.data_coding_map),
        *_statuses(options.status_map),
        *_receipt_words(options.receipt_map),
        *_number_types(options),
        *_vendor_tlvs(options.vendor_tlvs),
        *_tls(options.tls),
        *_sendable(("system_type",), options.system_type),
        *_sendable(("address_range",), options.address_range),
        *_sendable(("service_type",), options.service_type),
        *_addresses(options),
    ):
        yield ("options", *path), problem


def unknown_accounts(routes: Mapping[int, Route], account_ids: Sequence[str]) -> list[ConfigProblem]:
    """Accounts that a route waits for in vain; paths from the top of the file."""
    defined = ", ".join(sorted(set(account_ids))) or "none"
    return [
        (("routes", number, "match", "account", place), f"account {name!r} is not defined (defined: {defined})")
        for number, route in routes.items()
        for place, name in enumerate(route.match.account or ())
        if name not in account_ids
    ]


def reply_problems(account: Account) -> Iterator[ConfigProblem]:
    """Answers that another setting gives, and answers that would be answered themselves."""
    answered = {folded(word) for reply in account.replies for word in reply.keyword}
    for place, reply in enumerate(account.replies):
        for number, word in enumerate(reply.keyword):
            if account.opt_outs.enabled and wish_of(word, account.opt_outs.words) in ("stop", "start"):
                yield ("replies", place, "keyword", number), f"{word}: what it does is said in opt_outs (stop_text)"
        first = words(reply.text)[:1]
        if first and folded(first[0]) in answered:
            yield ("replies", place, "text"), f"begins with {first[0]}, a keyword: it would be answered itself"


def _alphabets(options: SmppOptions) -> Iterator[ConfigProblem]:
    for sentence in profile_problems(profile_of(options)):
        option, _, rest = sentence.partition(" ")  # each sentence begins with the option it is about
        yield (option.removesuffix(":"),), rest


def _data_codings(written: Mapping[str, int]) -> Iterator[ConfigProblem]:
    for key, value in written.items():
        try:
            read_map({key: value})
        except ValueError as error:
            yield ("data_coding_map", key), str(error).removeprefix("data_coding_map: ")


def _statuses(written: Mapping[str, str]) -> Iterator[ConfigProblem]:
    for key in written:
        number = status_number(key)
        if number is None:
            near = difflib.get_close_matches(key.upper(), SmppCommandStatus.__members__, n=1)
            hint = f"did you mean {near[0]}?" if near else "write a number (0x14) or a name (ESME_RMSGQFUL)"
            yield ("status_map", key), f"is no command_status; {hint}"
        elif number == SmppCommandStatus.ESME_ROK:
            yield ("status_map", key), "cannot mean anything but accepted"


def _receipt_words(written: Mapping[str, str]) -> Iterator[ConfigProblem]:
    for key in written:
        if not key or len(key.split()) != 1:
            yield ("receipt_map", key), "can never come: the word after stat: has no blanks in it"


def _number_types(options: SmppOptions) -> Iterator[ConfigProblem]:
    given = [name for name in ("source_ton", "source_npi") if getattr(options, name) is not None]
    if options.ton_npi and given:
        yield ("ton_npi",), f"says it by kind of sender, and {given[0]} for every sender; give one of the two"


def _vendor_tlvs(written: Mapping[str, str]) -> Iterator[ConfigProblem]:
    for key, value in written.items():
        try:
            vendor_tlv(key, value)
        except ValueError as error:
            yield ("vendor_tlvs", key), str(error)


def _tls(tls: Tls) -> Iterator[ConfigProblem]:
    given = [name for name in _TLS_KEYS if getattr(tls, name)]
    if tls.mode == "off" and given:
        yield ("tls",), f"mode off means no encryption, and {given[0]} would count for nothing; write mode: verify"
    if tls.key_file and not tls.cert_file:
        yield ("tls", "key_file"), "is the key of a certificate; give cert_file too"


def _addresses(options: SmppOptions) -> Iterator[ConfigProblem]:
    if options.local_host is not None:
        yield from _hosts(("local_host",), options.local_host)
    for place, written in enumerate(options.hosts):
        yield from _hosts(("hosts", place), split_address(written)[0])


def _sendable(path: KeyPath, text: str) -> Iterator[ConfigProblem]:
    """What no octets can be made of. A text that is only longer than the specification allows is sent, and told with
    every bind (Q48).
    """
    problem = unsendable(text)
    if problem is not None:
        yield path, problem


def _hosts(path: KeyPath, name: str) -> Iterator[ConfigProblem]:
    try:
        name.encode("idna")
    except UnicodeError:
        yield path, "is no host name: each part between dots has 1 to 63 characters"
        return
    if not name.isprintable() or " " in name:
        yield path, "is no host name: it has a blank or a control character"
