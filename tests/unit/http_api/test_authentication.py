"""Whose key it is, and how guessing is slowed."""

from base64 import b64encode
from hashlib import sha256
from ipaddress import ip_network

import pytest

from schemas.gateway.accounts import Account, ApiKey
from services.http_api.authentication import ATTEMPTS_MAX, Failures, KeyRing, client_of, network_of

KEY = "smsgw_shop_abc"
SHOP = Account(id="shop", api_keys=(ApiKey(id="web", sha256=sha256(KEY.encode()).hexdigest()),))
BANK = Account(id="bank", api_keys=(ApiKey(id="cron", env="SMSGW_SECRET_GONE"),))


def _hash_of(key: ApiKey) -> bytes | None:
    return bytes.fromhex(key.sha256) if key.sha256 else None


RING = KeyRing((SHOP, BANK), _hash_of)


def _basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode()}"


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer {KEY}", _basic(f"shop:{KEY}")])
def test_a_key_is_found(header: str) -> None:
    assert RING.account_of(header) == SHOP


@pytest.mark.parametrize(
    "header",
    [None, "", KEY, "Bearer", "Bearer ", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", f"Digest {KEY}", "Basic !", "Basic 4",
     _basic(f"bank:{KEY}"), _basic(KEY), _basic(f":{KEY}"), _basic("shop:"), f"Bearer {KEY * 50}", "Bearer \ud800"],
)  # fmt: skip
def test_what_is_no_key_is_nobodys(header: str | None) -> None:
    assert RING.account_of(header) is None


def test_further_failures_wait_after_twenty_within_a_minute() -> None:
    failures = Failures()
    assert [failures.failed("192.0.2.1", at) for at in range(ATTEMPTS_MAX)] == [0.0] * ATTEMPTS_MAX
    assert failures.failed("192.0.2.1", 30.0) == 60.0
    assert failures.failed("192.0.2.1", 89.0) == 1.0
    assert failures.failed("192.0.2.2", 31.0) == 0.0
    assert failures.failed("192.0.2.1", 91.0) == 0.0


def test_failures_that_are_a_minute_old_count_no_more() -> None:
    failures = Failures()
    assert all(failures.failed("192.0.2.1", 4.0 * number) == 0.0 for number in range(100))


def test_an_ipv6_network_is_one_address() -> None:
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"


def test_a_forwarded_address_is_believed_of_trusted_proxies_alone() -> None:
    trusted = [ip_network("10.0.0.0/8")]
    assert client_of("192.0.2.9", "198.51.100.1", trusted) == "192.0.2.9"
    assert client_of("10.0.0.1", "198.51.100.1, 198.51.100.2, 10.0.0.7", trusted) == "198.51.100.2"
    assert client_of("10.0.0.1", "", trusted) == "10.0.0.1"
