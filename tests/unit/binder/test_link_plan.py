"""Pure: a connector as a bind needs it."""

from pathlib import Path

import pytest

from services.binder.smpp.link_plan import esme_config, link_plan, over_long, peculiarities, vendor_tlvs
from shared.smpp.constants import BindMode
from shared.smpp.tls import ClientTls
from shared.smpp.tlv import Tlv
from tests.integration.binder_rig import connector


def test_a_pair_is_one_bind_of_two_connections() -> None:
    assert link_plan(connector("c", 1)).modes == (BindMode.TRANSCEIVER,)
    pair = link_plan(connector("c", 1, bind="transmitter+receiver"))
    assert pair.modes == (BindMode.TRANSMITTER, BindMode.RECEIVER)


def test_plans_differ_where_a_new_bind_is_needed_and_nowhere_else() -> None:
    plan = link_plan(connector("c", 1))
    same = connector("c", 1, window=99, tps=7, max_binds=3, options={"status_map": {"1": "temporary"}})
    assert link_plan(same) == plan
    for change in ({"host": "other"}, {"system_id": "b"}, {"password": {"env": "B"}}, {"bind": "transmitter+receiver"}):
        assert link_plan(connector("c", 1, **change)) != plan, change
    assert link_plan(connector("c", 1, options={"tls": "verify"})) != plan


def test_q14_the_window_is_10_by_default_and_the_sessions() -> None:
    assert esme_config(connector("c", 1), BindMode.TRANSCEIVER, "p").window_size == 10
    assert esme_config(connector("c", 1, window=3), BindMode.TRANSCEIVER, "p").window_size == 3


def test_q15_q24_timers_come_from_the_options() -> None:
    config = esme_config(
        connector(
            "c", 1, options={"response_timeout_s": 7, "enquire_link_s": 8, "inactivity_s": 9, "bind_timeout_s": 4}
        ),
        BindMode.TRANSCEIVER,
        "p",
    )
    times = (config.response_timeout_s, config.enquire_link_s, config.inactivity_s, config.bind_timeout_s)
    assert times == (7, 8, 9, 4)


def test_q25_the_budget_is_the_accounts() -> None:
    one, two = link_plan(connector("a", 1)), link_plan(connector("b", 1))
    assert one.account == two.account
    assert link_plan(connector("c", 1, password={"env": "OTHER"})).account != one.account


def test_q45_tls_is_verified_unless_a_certificate_is_pinned() -> None:
    assert link_plan(connector("c", 1)).tls is None
    verified = link_plan(connector("c", 1, options={"tls": "verify"})).tls
    assert verified is not None
    assert verified.pins == ()
    pinned = link_plan(connector("c", 1, options={"tls": {"mode": "pin", "pin_sha256": "ab" * 32}})).tls
    assert pinned is not None
    assert pinned.pins == ("ab" * 32,)
    two = link_plan(connector("c", 1, options={"tls": {"mode": "pin", "pin_sha256": ["ab" * 32, "cd" * 32]}})).tls
    assert two is not None
    assert two.pins == ("ab" * 32, "cd" * 32)


def test_q45_a_mapping_without_a_mode_is_not_plaintext() -> None:
    plan = link_plan(connector("c", 1, options={"tls": {"ca_file": "/etc/smsc.pem"}}))
    assert plan.tls == ClientTls(ca_file=Path("/etc/smsc.pem"))
    assert link_plan(connector("c", 1, options={"tls": "off"})).tls is None


def test_q46_q47_what_the_bind_says_can_be_told_and_needs_a_new_bind() -> None:
    options = {
        "system_type": "VMA",
        "interface_version": 3.3,
        "addr_ton": 1,
        "addr_npi": 2,
        "address_range": "^4477",
    }
    told = connector("c", 1, options=options)
    config = esme_config(told, BindMode.RECEIVER, "p")
    assert (config.system_type, config.interface_version) == ("VMA", 0x33)
    assert (config.addr_ton, config.addr_npi, config.address_range) == (1, 2, "^4477")
    for name, value in options.items():
        assert link_plan(connector("c", 1, options={name: value})) != link_plan(connector("c", 1)), name
    versions = [connector("c", 1, options={"interface_version": v}).options.interface_version for v in (3.4, 5, "5.0")]
    assert versions == ["3.4", "5.0", "5.0"]
    unusual = ("system_type: VMA", "interface_version: 3.3", "addr_ton: 1", "addr_npi: 2", "address_range: ^4477")
    assert set(unusual) < set(peculiarities(told))
    assert "secret" not in str(peculiarities(connector("c", 1, password={"env": "secret"})))


def test_q52_further_hosts_and_our_own_address() -> None:
    plan = link_plan(
        connector("c", 1, options={"hosts": ["b", "c:2", "[::1]:3", "fe80::1"], "local_host": "192.0.2.1"})
    )
    assert plan.addresses == (("127.0.0.1", 1), ("b", 1), ("c", 2), ("::1", 3), ("fe80::1", 1))
    assert plan.local_host == "192.0.2.1"
    assert plan.account == link_plan(connector("d", 1)).account, "one account, wherever it is reached"
    assert link_plan(connector("c", 1, options={"hosts": "b"})).addresses[1:] == (("b", 1),)


def test_q46_q47_blank_system_type_and_version_34() -> None:
    config = esme_config(connector("c", 1), BindMode.TRANSCEIVER, "p")
    assert (config.system_type, config.address_range, config.interface_version) == ("", "", 0x34)
    assert (
        esme_config(connector("c", 1, options={"system_type": "VMA"}), BindMode.TRANSCEIVER, "p").system_type == "VMA"
    )


def test_q48_long_credentials_are_allowed_with_a_warning_that_does_not_tell_them() -> None:
    assert over_long(connector("c", 1), "12345678") == ()
    warnings = over_long(connector("c", 1, system_id="x" * 16), "secret-secret")
    assert warnings == (
        "system_id is longer than the 15 characters of the specification",
        "password is longer than the 8 characters of the specification",
    )
    assert not any("secret-secret" in w for w in warnings)
    assert esme_config(connector("c", 1), BindMode.TRANSCEIVER, "secret-secret").password == "secret-secret"


def test_q50_vendor_parameters_by_type() -> None:
    tlvs, problems = vendor_tlvs({"0x1401": "hex:00ff", "5122": "text:shop", "0x1403": "int:7", "0x1404": "plain"})
    assert problems == ()
    assert tlvs == (Tlv(0x1401, b"\0\xff"), Tlv(5122, b"shop"), Tlv(0x1403, b"\7"), Tlv(0x1404, b"plain"))


@pytest.mark.parametrize("entry", [{"x": "a"}, {"0x1400": "hex:zz"}, {"70000": "a"}, {"0x1400": "text:Ж"}])
def test_q50_a_wrong_entry_is_a_problem_and_the_others_count(entry: dict[str, str]) -> None:
    tlvs, problems = vendor_tlvs({**entry, "0x1500": "ok"})
    assert tlvs == (Tlv(0x1500, b"ok"),)
    assert len(problems) == 1
