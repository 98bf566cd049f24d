"""Pure: gateway.yaml: every kind of mistake, with its line and key; any text gives a configuration or mistakes."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.gateway.file import Gateway
from services.cli.up.stack import DEMO_DIR
from shared.operations.config.gateway_advice import advice
from shared.operations.config.gateway_yaml import GatewayFileError, parse_gateway

GOOD = """\
version: 1
connectors:
  - id: acme-1
    provider: acme
    host: 127.0.0.1
    port: 2775
    system_id: shop
    password: {env: SMSGW_SECRET_ACME}
    max_binds: 2
    options:
      long_message: udh16
      national_tables: [turkish]
      data_coding_map: {gsm7: 241, 0x08: 24}
      status_map: {0x401: temporary, ESME_RSYSERR: permanent}
      receipt_map: {ok: delivrd}
      vendor_tlvs: {0x1401: "hex:00ff", "5122": text}
      tls: off
  - id: beta-1
    provider: acme
    host: smpp.example.net
    port: 2776
    system_id: shop2
    password: {file: /run/secrets/beta}
accounts:
  - id: shop
    default_sender: SHOP
  - id: bank
routes:
  - match: {prefix: [44, "0049", +33], account: shop, lane: otp}
    to: [{connector: acme-1, weight: 70}, {connector: beta-1}]
    fallback: [beta-1]
  - to: [{connector: beta-1}]
"""
LAST_LINE = GOOD.count("\n")


def mistakes(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(GatewayFileError) as caught:
        parse_gateway(text)
    return [(m.line, m.key, m.problem) for m in caught.value.mistakes]


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def test_a_good_file() -> None:
    gateway = parse_gateway(GOOD)
    first, second = gateway.connectors
    assert (first.options.status_map, first.options.receipt_map) == (
        {"0x401": "temporary", "ESME_RSYSERR": "permanent"},
        {"ok": "DELIVRD"},
    )
    assert (first.options.tls.mode, first.options.data_coding_map) == ("off", {"gsm7": 241, "0x08": 24})
    assert (second.provider, second.max_binds, second.options.flash_variant) == ("acme", 1, "data_coding")
    assert gateway.routes[0].match.prefix == ("44", "0049", "33")
    assert Gateway.model_validate_json(gateway.model_dump_json()) == gateway


def test_the_demos_configuration_is_a_good_file() -> None:
    assert len(parse_gateway((DEMO_DIR / "gateway.yaml").read_text(encoding="utf-8")).connectors) == 3


def test_the_smallest_file() -> None:
    assert parse_gateway("version: 1") == Gateway(version=1)


ONE_MISTAKE = [
    # no YAML, or no mapping
    ("version: [1", 1, "", "not YAML: expected ',' or ']', but got '<stream end>'"),
    ("", 1, "", "must be a mapping with version, connectors, accounts and routes"),
    ("- version: 1", 1, "", "must be a mapping with version, connectors, accounts and routes"),
    (GOOD + "version: 1\n", LAST_LINE + 1, "version", "is given twice"),
    # keys
    (GOOD + "rotues: []\n", LAST_LINE + 1, "rotues",
     "is unknown; did you mean routes? allowed: accounts, connectors, routes, version"),
    (changed("max_binds: 2", "max_bind: 2"), 9, "connectors[0].max_bind", "is unknown; did you mean max_binds? *"),
    (changed("long_message: udh16", "long_mesage: 1"), 11, "connectors[0].options.long_mesage",
     "is unknown; did you mean long_message? *"),
    (changed("tls: off", "tls: {mode: off, ca: x}"), 17, "connectors[0].options.tls.ca",
     "is unknown; *allowed: ca_file, cert_file, key_file, mode, pin_sha256, server_name"),
    (changed("    host: 127.0.0.1\n", ""), 3, "connectors[0].host", "is missing"),
    (GOOD.replace("version: 1\n", ""), 1, "version", "is missing"),
    # types and values
    (changed("version: 1", "version: 2"), 1, "version", "input should be 1 (given: 2)"),
    (changed("port: 2775", "port: http"), 6, "connectors[0].port", "*valid integer* (given: 'http')"),
    (changed("port: 2775", "port: 0"), 6, "connectors[0].port", "*greater than or equal to 1 (given: 0)"),
    (changed("system_id: shop2", "system_id: 12345"), 22, "connectors[1].system_id",
     "must be text; write it in quotes"),
    (changed("id: acme-1", "id: Acme_1").replace("connector: acme-1", "connector: beta-1"), 3, "connectors[0].id",
     "*should match pattern '^[a-z0-9][a-z0-9-]{0,39}$' (given: 'Acme_1')"),
    (changed("id: acme-1", "id: dlq").replace("connector: acme-1", "connector: beta-1"), 3, "connectors[0].id",
     "dlq is taken, choose another id"),
    (changed("long_message: udh16", "long_message: udh"), 11, "connectors[0].options.long_message",
     "input should be 'udh8', 'udh16', 'sar' or 'payload' (given: 'udh')"),
    (changed("long_message: udh16", "response_timeout_s: 1e999"), 11, "connectors[0].options.response_timeout_s",
     "*finite number*"),
    (changed("long_message: udh16", "flash_variant: sim"), 11, "connectors[0].options.flash_variant", "*data_coding*"),
    (changed("tls: off", "tls: on"), 17, "connectors[0].options.tls.mode", "*'off', 'verify' or 'pin' (given: 'on')"),
    (changed("tls: off", "tls: pin"), 17, "connectors[0].options.tls", "mode pin and pin_sha256 go together"),
    (changed("accounts:\n  - id: shop\n    default_sender: SHOP\n  - id: bank\n", "accounts: shop\n"), 24, "accounts",
     "must be a list"),
    (changed("  - id: bank", "  - bank"), 27, "accounts[1]", "must be a mapping"),
    (changed("default_sender: SHOP", "default_sender: TwelveLetter"), 26, "accounts[0].default_sender",
     "neither 3-15 digits nor 1-11 GSM-7 characters with a letter"),
    (changed("default_sender: SHOP", "default_sender: 12345"), 26, "accounts[0].default_sender",
     "must be text; write it in quotes"),
    (changed('"0049"', '"Spain"'), 29, "routes[0].match.prefix[1]", "*match pattern* (given: 'Spain')"),
    (changed("lane: otp", 'time: {from: "08:00", to: "20:00", timezone: Mars}'), 29, "routes[0].match.time.timezone",
     "no time zone 'Mars' is known; allowed: a name as Europe/Berlin"),
    (changed("lane: otp", 'time: {from: "8:00", to: "20:00"}'), 29, "routes[0].match.time.from", "*match pattern*"),
    (changed("lane: otp", 'time: {from: "08:00"}'), 29, "routes[0].match.time.to", "is missing"),
    (changed("lane: otp", "lane: slow"), 29, "routes[0].match.lane[0]", "*'otp', 'txn' or 'bulk' (given: 'slow')"),
    (changed("  - to: [{connector: beta-1}]", "  - to: []"), 32, "routes[1].to", "must not be empty"),
    (changed("    fallback: [beta-1]", "    policy: cheapest"), 31, "routes[0].policy",
     "'cheapest' needs prices, which this version does not have; allowed: weighted, first"),
    (changed("    fallback: [beta-1]", "    policy: best"), 31, "routes[0].policy",
     "input should be 'weighted' or 'first' (given: 'best')"),
    (changed("weight: 70}, {connector: beta-1}", "weight: 0}"), 30, "routes[0].to",
     "the weights sum to zero; allowed: 0 to 1000000, at least one above 0"),
    (changed("lane: otp", "country: gb"), 29, "routes[0].match.country[0]", "*match pattern* (given: 'gb')"),
    (changed("lane: otp", "sender: [A, TwelveLetter]"), 29, "routes[0].match.sender[1]",
     "neither 3-15 digits nor 1-11 GSM-7 characters with a letter"),
    (changed("  - id: bank", "  - id: bank\n    limits: {lanes: [slow]}"), 28, "accounts[1].limits.lanes[0]",
     "*'otp', 'txn' or 'bulk' (given: 'slow')"),
    (changed("  - id: bank", "  - id: bank\n    limits: {lanes: []}"), 28, "accounts[1].limits.lanes",
     "must not be empty"),
    (changed("  - id: bank", "  - id: bank\n    limits: {lane: otp}"), 28, "accounts[1].limits.lane",
     "is unknown; did you mean lanes? *"),
    # passwords
    (changed("{env: SMSGW_SECRET_ACME}", "hunter2"), 8, "connectors[0].password", "*{env: NAME} or {file: /path}"),
    (changed("{env: SMSGW_SECRET_ACME}", "1234567"), 8, "connectors[0].password", "*{env: NAME} or {file: /path}"),
    (changed("{env: SMSGW_SECRET_ACME}", "{hunter2}"), 8, "connectors[0].password", "*{env: NAME} or {file: /path}"),
    (changed("{env: SMSGW_SECRET_ACME}", "{env: A, file: b}"), 8, "connectors[0].password",
     "give exactly one of env and file"),
    (changed("password: {env: SMSGW_SECRET_ACME}", "password:"), 8, "connectors[0].password", "must be a mapping"),
    # what options mean
    (changed("[turkish]", "[turkisch]"), 12, "connectors[0].options.national_tables",
     "'turkisch' is no language of TS 23.038; did you mean turkish?"),
    (changed("long_message: udh16", "default_alphabet: ascii"), 12, "connectors[0].options.national_tables",
     "need default_alphabet gsm7, not ascii"),
    (changed("gsm7: 241", "klingon: 241"), 13, "connectors[0].options.data_coding_map.klingon",
     "'klingon' is neither a number nor one of gsm7, ascii, latin1, binary, ucs2"),
    (changed("gsm7: 241", "256: 241"), 13, "connectors[0].options.data_coding_map.256", "*not within 0 to 255"),
    (changed("gsm7: 241", "gsm7: 300"), 13, "connectors[0].options.data_coding_map.gsm7", "*255 (given: 300)"),
    (changed("0x401: temporary", "0xZZ: temporary"), 14, "connectors[0].options.status_map.0xZZ",
     "is no command_status; write a number (0x14) or a name (ESME_RMSGQFUL)"),
    (changed("ESME_RSYSERR", "ESME_RSYSER"), 14, "connectors[0].options.status_map.ESME_RSYSER",
     "is no command_status; did you mean ESME_RSYSERR?"),
    (changed("0x401: temporary", "0: permanent"), 14, "connectors[0].options.status_map.0",
     "cannot mean anything but accepted"),
    (changed("0x401: temporary", "0x401: later"), 14, "connectors[0].options.status_map.0x401",
     "input should be 'accepted', 'throttled', 'temporary' or 'permanent' (given: 'later')"),
    (changed("long_message: udh16", "ton_npi: {short_code: 3}"), 11, "connectors[0].options.ton_npi.short_code", "*"),
    (changed("long_message: udh16", "ton_npi: {national: 2/1}"), 11, "connectors[0].options.ton_npi.national",
     "*'alphanumeric', 'short_code' or 'international'*"),
    (changed("long_message: udh16", "ton_npi: {short_code: 3/256}"), 11, "connectors[0].options.ton_npi.short_code",
     "*"),
    (changed("ok: delivrd", "ok: fine"), 15, "connectors[0].options.receipt_map.ok", "*'DELIVRD'*(given: 'FINE')"),
    (changed("ok: delivrd", '"o k": delivrd'), 15, "connectors[0].options.receipt_map.o k", "can never come*"),
    (changed("0x1401:", "0xFFFFF:"), 16, "connectors[0].options.vendor_tlvs.0xFFFFF", "*match pattern*"),
    (changed('"5122"', '"65536"'), 16, "connectors[0].options.vendor_tlvs.65536", "is no tag*"),
    (changed("hex:00ff", "int2:70000"), 16, "connectors[0].options.vendor_tlvs.0x1401",
     "70000 does not fit into 2 octets"),
    (changed("text}", "text:€}"), 16, "connectors[0].options.vendor_tlvs.5122", "text: takes characters up to U+00FF*"),
    # what a bind cannot say, or reach
    (changed("127.0.0.1", "smpp..net"), 5, "connectors[0].host", "is no host name: each part between dots*"),
    (changed("127.0.0.1", "x" * 64), 5, "connectors[0].host", "is no host name: each part between dots*"),
    (changed("127.0.0.1", "a b"), 5, "connectors[0].host", "is no host name: it has a blank*"),
    (changed("system_id: shop2", "system_id: sh€p"), 22, "connectors[1].system_id", "has a character beyond U+00FF*"),
    (changed("system_id: shop2", 'system_id: "a\\0b"'), 22, "connectors[1].system_id", "*cannot contain NUL"),
    (changed("long_message: udh16", "system_type: €"), 11, "connectors[0].options.system_type", "*beyond U+00FF*"),
    (changed("long_message: udh16", "service_type: €"), 11, "connectors[0].options.service_type", "*beyond U+00FF*"),
    (changed("long_message: udh16", "address_range: €"), 11, "connectors[0].options.address_range", "*beyond U+00FF*"),
    (changed("long_message: udh16", "hosts: [b, c..d]"), 11, "connectors[0].options.hosts[1]", "is no host name*"),
    (changed("long_message: udh16", "hosts: [b:99999]"), 11, "connectors[0].options.hosts[0]", "99999 is no port"),
    (changed("long_message: udh16", "local_host: a..b"), 11, "connectors[0].options.local_host", "is no host name*"),
    (changed("long_message: udh16", "interface_version: 4"), 11, "connectors[0].options.interface_version",
     "input should be '3.3', '3.4' or '5.0' (given: '4.0')"),
    # TLS
    (changed("tls: off", "tls: {mode: off, ca_file: x}"), 17, "connectors[0].options.tls",
     "mode off means no encryption, and ca_file would count for nothing; write mode: verify"),
    (changed("tls: off", "tls: {key_file: x}"), 17, "connectors[0].options.tls.key_file", "*give cert_file too"),
    (changed("hex:00ff", "hex:0"), 16, "connectors[0].options.vendor_tlvs.0x1401", "hex: takes pairs*"),
    # between the parts
    (changed("  - id: bank", "  - id: shop"), 27, "accounts[1].id", "'shop' is used twice"),
    (changed("id: beta-1", "id: acme-1").replace("connector: beta-1", "connector: acme-1").replace("[beta-1]", "[]"),
     18, "connectors[1].id", "'acme-1' is used twice"),
    (changed("  - to: [{connector: beta-1}]", "  - to: [{connector: gamma}]"), 32, "routes[1].to[0].connector",
     "connector 'gamma' is not defined (defined: acme-1, beta-1)"),
    (changed("fallback: [beta-1]", "fallback:\n    - gamma"), 32, "routes[0].fallback[0]", "connector 'gamma' is not*"),
    (changed("account: shop,", "account: [shop, shpo],"), 29, "routes[0].match.account[1]",
     "account 'shpo' is not defined (defined: bank, shop)"),
    (changed("long_message: udh16", "message_id_format: hex"), 18, "connectors[1].options.message_id_format",
     "auto here and hex at acme-1: connectors of one provider cannot differ"),
]  # fmt: skip


def test_the_kind_of_a_connector() -> None:
    assert parse_gateway(changed("  - id: beta-1\n", "  - id: beta-1\n    kind: smpp\n")).connectors[1].kind == "smpp"
    wrong = mistakes(changed("  - id: beta-1\n", "  - id: beta-1\n    kind: smmp\n    hosst: x\n"))
    assert wrong == [(19, "connectors[1].kind", "'smmp' is no kind of connector; did you mean smpp? known: smpp")]


@pytest.mark.parametrize(("text", "line", "key", "problem"), ONE_MISTAKE, ids=[f"{n}" for n in range(len(ONE_MISTAKE))])
def test_one_mistake_has_its_line_its_key_and_what_is_allowed(text: str, line: int, key: str, problem: str) -> None:
    """`*` in `problem` stands for whatever pydantic says there."""
    ((found_line, found_key, found),) = mistakes(text)
    assert (found_line, found_key) == (line, key)
    assert re.fullmatch(".*".join(map(re.escape, problem.split("*"))), found), found


def test_one_run_tells_every_mistake_in_the_order_of_the_file() -> None:
    text = GOOD
    for old, new in (
        ("port: 2775", "port: 0"),
        ("[turkish]", "[turkisch]"),
        ("port: 2776", "prot: 2776"),
        ("  - id: bank", "  - id: shop"),
        ("lane: otp", "lane: slow"),
        ("  - to: [{connector: beta-1}]", "  - to: [{connector: gamma}]"),
    ):
        text = text.replace(old, new)
    assert [(line, key) for line, key, _ in mistakes(text)] == [
        (6, "connectors[0].port"),
        (18, "connectors[1].port"),
        (21, "connectors[1].prot"),
        (27, "accounts[1].id"),
        (29, "routes[0].match.lane[0]"),
        (32, "routes[1].to[0].connector"),
    ]


@pytest.mark.parametrize(
    "password", ["hunter2", "1.5", "[hunter2]", "{hunter2: x}", "{value: hunter2}", '"hunter2"', "!!x hunter2"]
)
def test_a_literal_password_is_never_repeated(password: str) -> None:
    assert all(
        "hunter2" not in f"{key}{problem}"
        for _, key, problem in mistakes(changed("{env: SMSGW_SECRET_ACME}", password))
    )


def test_a_value_of_any_length_is_told_in_a_line() -> None:
    ((_, _, problem),) = mistakes(changed("lane: otp", f"lane: {'x' * 5000}"))
    assert len(problem) < 200


SNIPPETS = ["- ", ": ", "\n", "  ", "{", "}", "[", "]", "&a ", "*a", "<<: *a", "!!int ", "|", '"', "'", "#", "\t",
            "0x", "null", "[[[[[[", "1e999", "\u2028", "\ud800", "\x00", "- id: acme-1\n", "%YAML 1.1\n", "---\n",
            ]  # fmt: skip
EDITS = st.lists(
    st.tuples(
        st.integers(0, len(GOOD)),
        st.integers(0, 30),
        st.one_of(st.sampled_from(SNIPPETS), st.text(st.characters(exclude_categories=()), max_size=8)),
    ),
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(EDITS)
def test_any_text_gives_a_configuration_or_mistakes(edits: list[tuple[int, int, str]]) -> None:
    text = GOOD
    for place, length, inserted in edits:
        text = text[:place] + inserted + text[place + length :]
    try:
        gateway = parse_gateway(text)
    except GatewayFileError as error:
        assert error.mistakes
        assert str(error).encode()  # it can be printed
    else:
        assert Gateway.model_validate_json(gateway.model_dump_json()) == gateway


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("max_binds: 2", "max_binds: true", "connectors[0].max_binds"),
        ("max_binds: 2", "tps: true", "connectors[0].tps"),
        ("max_binds: 2", "window: false", "connectors[0].window"),
        ("long_message: udh16", "response_timeout_s: true", "connectors[0].options.response_timeout_s"),
        ("long_message: udh16", "dest_ton: false", "connectors[0].options.dest_ton"),
        ("{gsm7: 241, 0x08: 24}", "{gsm7: true}", "connectors[0].options.data_coding_map.gsm7"),
        ("weight: 70", "weight: true", "routes[0].to[0].weight"),
        ("version: 1", "version: true", "version"),
    ],
)
def test_true_is_no_number(old: str, new: str, key: str) -> None:
    assert [(m[1], m[2]) for m in mistakes(changed(old, new))] == [(key, "must be a number, not true or false")]


@pytest.mark.parametrize("provider", ['"a|b"', '"a\\tb"'])
def test_a_provider_is_part_of_a_key(provider: str) -> None:
    text = changed("provider: acme\n    host: 127.0.0.1", f"provider: {provider}\n    host: 127.0.0.1")
    assert [m[1:] for m in mistakes(text)] == [("connectors[0].provider", "must not contain | or control characters")]


def test_binds_that_get_no_work_are_worth_a_word() -> None:
    assert advice(parse_gateway(GOOD)) == []
    (sentence,) = advice(parse_gateway(changed("max_binds: 2", "max_binds: 5\n    tps: 3")))
    assert sentence == "connector acme-1: max_binds 5 is more than tps 3, so 2 of its binds get no work"


def test_a_variable_that_no_binder_reads_unless_it_is_listed_is_worth_a_word() -> None:
    (sentence,) = advice(parse_gateway(changed("SMSGW_SECRET_ACME", "ACME_PASSWORD")))
    assert sentence == (
        "connector acme-1: ACME_PASSWORD does not begin with SMSGW_SECRET_: no bind before SMSGW_SECRET_ENV of the "
        "binder lists it"
    )


def test_what_is_wrong_with_the_form_hides_nothing_of_the_rest() -> None:
    text = GOOD.replace("port: 2775", "port: 99999", 1) + "version: 1\nfoo: bar\n"
    with pytest.raises(GatewayFileError) as caught:
        parse_gateway(text)
    assert [m.key for m in caught.value.mistakes] == ["connectors[0].port", "version", "foo"]


def test_parts_that_are_no_mappings_have_no_id_to_share() -> None:
    with pytest.raises(GatewayFileError) as caught:
        parse_gateway("version: 1\nconnectors: [1, null, x]\n")
    assert {str(m.problem) for m in caught.value.mistakes} == {"must be a mapping"}


def test_a_file_of_megabytes_is_refused_at_once() -> None:
    with pytest.raises(GatewayFileError, match="is too much: 10000021 characters"):
        parse_gateway("version: 1\naccounts:\n" + "- {id: a}\n" * 1_000_000)


ACCOUNT = """  - id: shop
    default_sender: SHOP
"""


@pytest.mark.parametrize(
    ("added", "line", "key", "problem"),
    [
        ("numbers: [60777, {number: 60777, connector: beta-1}, +447700900999]", 0, "", ""),
        ("numbers:\n      - 60777\n      - 60777", 2, "accounts[0].numbers[1]", "account 'shop' has this number"),
        ('numbers: ["4474*009"]', 0, "accounts[0].numbers[0].number", "4474*009"),
        ("numbers: [{number: 60777, keyword: two words}]", 0, "accounts[0].numbers[0].keyword[0]", "two words"),
        ("numbers: [{number: 60777, connector: x}]", 0, "accounts[0].numbers[0].connector", "'x' is not defined"),
        ("numbers: [{number: 60777, keywords: A}]", 0, "accounts[0].numbers[0].keywords", "keyword"),
        ("replies: [{text: hi}]", 0, "accounts[0].replies[0].keyword", "is missing"),
        ('replies: [{keyword: A, text: "{name}"}]', 0, "accounts[0].replies[0].text", "{name} is no field"),
        ('replies: [{keyword: A, text: "{"}]', 0, "accounts[0].replies[0].text", "is written twice"),
        ("replies: [{keyword: A, text: a for apple}]", 0, "accounts[0].replies[0].text", "answered itself"),
        ("replies: [{keyword: Stop, text: bye}]", 0, "accounts[0].replies[0].keyword[0]", "stop_text"),
        ("opt_outs: {scope: all}", 0, "accounts[0].opt_outs.scope", "account"),
        ('opt_outs: {stop_text: "{0}"}', 0, "accounts[0].opt_outs.stop_text", "{0} is no field"),
    ],
)
def test_whose_inbound_messages_are(added: str, line: int, key: str, problem: str) -> None:
    text = changed(ACCOUNT, ACCOUNT + f"    {added}\n")
    if not key:
        assert [entry.number for entry in parse_gateway(text).accounts[0].numbers] == ["60777", "60777", "447700900999"]
        return
    first = text[: text.index(added)].count("\n") + 1
    (mistake,) = mistakes(text)
    assert (mistake[0], mistake[1].replace("[", ".").replace("]", "")) == (
        first + line,
        key.replace("[", ".").replace("]", ""),
    )
    assert problem in mistake[2]


HOURS = 'quiet_hours: {from: "21:00", to: "08:00"%s}'


@pytest.mark.parametrize(
    ("added", "line", "key", "problem"),
    [
        (HOURS % ", timezone: Europe/Berlin", 0, "", ""),
        (
            "default_timezone: Europe/Berlin\n    quiet_hours:\n      from: 21:00\n      to: 21:00\n      days: sa",
            0,
            "",
            "",
        ),
        (HOURS % "", -2, "accounts[0]", "need default_timezone"),
        (HOURS % ", timezone: Mars/Base", 0, "accounts[0].quiet_hours.timezone", "no time zone 'Mars/Base' is known"),
        (HOURS % ", timezone: ../etc/passwd", 0, "accounts[0].quiet_hours.timezone", "allowed: recipient, or a name"),
        ("default_timezone: recipient", 0, "accounts[0].default_timezone", "no time zone 'recipient' is known"),
        (HOURS % ", timezone: UTC, lanes: otp", 0, "accounts[0].quiet_hours.lanes[0]", "'txn' or 'bulk'"),
        (HOURS % ", timezone: UTC, days: [mon]", 0, "accounts[0].quiet_hours.days[0]", "'mo', 'tu'"),
        (HOURS % ", timezone: UTC, until: x", 0, "accounts[0].quiet_hours.until", "is unknown"),
        ('quiet_hours: {from: "25:00", to: "08:00", timezone: UTC}', 0, "accounts[0].quiet_hours.from", "25:00"),
        ("quiet_hours: {to: 21:00, timezone: UTC}", 0, "accounts[0].quiet_hours.from", "is missing"),
        ("quiet_hours: 21:00", 0, "accounts[0].quiet_hours", "must be a mapping"),
    ],
)
def test_quiet_hours(added: str, line: int, key: str, problem: str) -> None:
    text = changed(ACCOUNT, ACCOUNT + f"    {added}\n")
    if not key:
        hours = parse_gateway(text).accounts[0].quiet_hours
        assert hours is not None
        assert (hours.from_, hours.lanes) == ("21:00", ("bulk",))
        return
    (mistake,) = mistakes(text)
    assert mistake[:2] == (text[: text.index(added)].count("\n") + 1 + line, key)
    assert problem in mistake[2]


def test_a_number_that_two_accounts_claim() -> None:
    text = changed(ACCOUNT + "  - id: bank\n", ACCOUNT + "    numbers: [60777]\n  - id: bank\n    numbers: [60777]\n")
    ((_, _, problem),) = mistakes(text)
    assert problem.startswith("account 'shop' has this number")
