"""Kannel's sendsms, as its user guide and its users write it."""

from base64 import b64encode
from typing import Any
from urllib.parse import quote_from_bytes

import httpx
import orjson
import pytest

from tests.unit.http_api.scene import KEY, Scene, account

ACCOUNT = f"username=shop&password={KEY}"


def _asked(query: str, scene: Scene | None = None) -> httpx.Response:
    return (scene or Scene()).call("GET", f"/cgi-bin/sendsms?{query}", None, None)


def _sent(query: str) -> list[dict[str, Any]]:
    scene = Scene()
    answer = _asked(f"{ACCOUNT}&{query}", scene)
    assert (answer.status_code, answer.text) == (202, "0: Accepted for delivery")
    return [orjson.loads(out.value or b"") for out in scene.outs]


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode()


HELLO: dict[str, Any] = {"to": "447700900123", "text": "Hello", "account_id": "shop", "encoding": "auto"}
FINAL = {"receipt": "final"}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("to=447700900123&text=Hello", HELLO | FINAL),
        ("to=%2B447700900123&text=Hello&from=84433", HELLO | FINAL | {"to": "+447700900123", "from": "84433"}),
        ("to=447700900123&text=Gr%FC%DFe&charset=ISO-8859-1", HELLO | FINAL | {"text": "Grüße"}),
        ("to=447700900123&text=%D0%B6&coding=0", HELLO | FINAL | {"text": "ж"}),
        ("to=447700900123&text=%04%36&coding=2&charset=UTF-16BE", HELLO | FINAL | {"text": "ж", "encoding": "ucs2"}),
        ("to=447700900123&text=Hello&mclass=0", HELLO | FINAL | {"flash": True}),
        ("to=447700900123&text=Hello&validity=2&priority=1&smsc=acme-1&pid=64",
         HELLO | FINAL | {"validity_s": 120, "priority_flag": 1, "connector_id": "acme-1", "protocol_id": 64}),
        ("to=447700900123&text=Hello&dlr-mask=31", HELLO | {"receipt": "all"}),
        ("to=447700900123&text=Hello&dlr-mask=3", HELLO | FINAL),
        ("to=447700900123&text=%00%FF&coding=1",
         {"to": "447700900123", "data": _base64(b"\0\xff"), "data_coding": 4, "account_id": "shop"} | FINAL),
        ("to=447700900123&text=%01%02&udh=%06%05%04%0B%84%23%F0&coding=1",
         {"to": "447700900123", "data": _base64(b"\1\2"), "data_coding": 4, "account_id": "shop",
          "udh": _base64(b"\x06\x05\x04\x0b\x84\x23\xf0")} | FINAL),
        ("to=447700900123&text=Hi%E2%82%AC&udh=%05%00%03%01%01%01",
         {"to": "447700900123", "data": _base64(b"Hi\x1be"), "data_coding": 0, "account_id": "shop",
          "udh": _base64(b"\x05\0\3\1\1\1")} | FINAL),
    ],
)  # fmt: skip
def test_what_is_sent(query: str, said: dict[str, Any]) -> None:
    assert _sent(query) == [said]


def test_several_receivers_of_which_one_is_bad() -> None:
    assert [one["to"] for one in _sent("to=447700900123+1+447700900124&text=x")] == ["447700900123", "447700900124"]


def test_a_form_and_other_names_for_the_account() -> None:
    scene = Scene()
    form = f"user=shop&pass={KEY}&to=447700900123&text={quote_from_bytes('é'.encode())}".encode()
    answer = scene.call(
        "POST", "/cgi-bin/sendsms", form, None, Content_Type="application/x-www-form-urlencoded; charset=utf-8"
    )
    assert answer.status_code == 202 and orjson.loads(scene.outs[0].value or b"")["text"] == "é"


def test_deferred_is_a_time_to_send_at() -> None:
    assert "send_at" in _sent("to=447700900123&text=x&deferred=10")[0]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        (f"username=shop&password={KEY}x&to=1&text=x", 403, "Authorization failed for sendsms"),
        (f"username=other&password={KEY}&to=1&text=x", 403, "Authorization failed for sendsms"),
        ("to=1&text=x", 403, "Authorization failed for sendsms"),
        (f"{ACCOUNT}&text=x", 400, "Empty receiver number not allowed, rejected"),
        (f"{ACCOUNT}&to=1&text=x", 400, "Receiver number misformed, rejected"),
        (f"{ACCOUNT}&to=447700900123&text=x&coding=3", 400, "Coding field misformed, rejected"),
        (f"{ACCOUNT}&to=447700900123&text=x&mclass=x", 400, "Mclass field misformed, rejected"),
        (f"{ACCOUNT}&to=447700900123&text=%FF", 400, "Charset or body misformed, rejected"),
        (f"{ACCOUNT}&to=447700900123&text=x&charset=none", 400, "Charset or body misformed, rejected"),
        (f"{ACCOUNT}&to=447700900123&text=x&fruit=1", 400, "Unknown field fruit, rejected"),
        (f"{ACCOUNT}&to=447700900123&text=x&dlr-mask=1&dlr-url=http%3A%2F%2Fx%2F", 400,
         "DLR-URL: there are no callbacks yet, rejected"),
    ],
)  # fmt: skip
def test_what_is_refused_in_kannel_s_words(query: str, status: int, words: str) -> None:
    scene = Scene()
    answer = _asked(query, scene)
    assert (answer.status_code, answer.text, scene.outs) == (status, words, [])


def test_kafka_away_and_too_many_a_second_are_temporal() -> None:
    scene = Scene()
    scene.away = True
    answer = _asked(f"{ACCOUNT}&to=447700900123&text=x", scene)
    assert (answer.status_code, answer.text) == (503, "Temporal failure, try again later.")
    slow = Scene(account("shop", KEY, limits={"tps": 1}))
    answer = _asked(f"{ACCOUNT}&to=447700900123+447700900124&text=x", slow)
    assert (answer.status_code, len(slow.outs)) == (202, 1)
