"""Jasmin's HTTP API, as its documentation and its users write it."""

from base64 import b64encode
from typing import Any

import httpx
import orjson
import pytest

from tests.unit.http_api.scene import KEY, MESSAGE_ID, Scene

ACCOUNT = f"username=shop&password={KEY}"


def _asked(query: str, path: str = "/send", scene: Scene | None = None) -> httpx.Response:
    return (scene or Scene()).call("GET", f"{path}?{query}", None, None)


def _sent(query: str) -> dict[str, Any]:
    scene = Scene()
    answer = _asked(f"{ACCOUNT}&{query}", scene=scene)
    assert (answer.status_code, answer.text) == (200, f'Success "{MESSAGE_ID}"')
    request: dict[str, Any] = orjson.loads(scene.outs[0].value or b"")
    return request


def _data(octets: bytes, coding: int) -> dict[str, Any]:
    return {"data": b64encode(octets).decode(), "data_coding": coding}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("content=Hello", {"text": "Hello"}),
        ("content=%D0%B6&coding=0", {"text": "ж"}),
        ("content=%04%36&coding=8", {"text": "ж", "encoding": "ucs2"}),
        ("content=%04&coding=8", _data(b"\4", 8)),
        ("content=%E9&coding=3", {"text": "é", "encoding": "latin1"}),
        ("content=%00%FF&coding=4", _data(b"\0\xff", 4)),
        ("hex-content=0436&coding=8", {"text": "ж", "encoding": "ucs2"}),
        ("hex-content=48", _data(b"H", 0)),
        ("content=x&priority=2&validity-period=1440", {"text": "x", "priority_flag": 2, "validity_s": 86_400}),
        ("content=x&from=84433&tags=1,2", {"text": "x", "from": "84433", "metadata": {"tags": "1,2"}}),
        ("content=x&dlr=no&dlr-level=1&dlr-method=GET", {"text": "x"}),
    ],
)
def test_what_is_sent(query: str, said: dict[str, Any]) -> None:
    about = {"to": "447700900123", "account_id": "shop", "receipt": "final"}
    assert _sent(f"to=447700900123&{query}") == about | said


def test_a_time_to_send_at() -> None:
    assert "send_at" in _sent("to=447700900123&content=x&sdt=000000001000000R")


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        (f"username=shop&password={KEY}x&to=1&content=x", 403, "Authentication failure for username:shop"),
        (f"username=other&password={KEY}&to=1&content=x", 403, "Authentication failure for username:other"),
        ("username=shop&to=1&content=x", 400, "Mandatory argument [password] is not found."),
        (f"{ACCOUNT}&content=x", 400, "Mandatory argument [to] is not found."),
        (f"{ACCOUNT}&to=447700900123", 400, "content or hex-content not present."),
        (f"{ACCOUNT}&to=447700900123&content=x&fruit=1", 400, "Argument [fruit] is unknown."),
        (f"{ACCOUNT}&to=447700900123&content=x&priority=4", 400, "Argument [priority] has an invalid value: [4]."),
        (f"{ACCOUNT}&to=447700900123&hex-content=4", 400, "Argument [hex-content] has an invalid value: [4]."),
        (f"{ACCOUNT}&to=447700900123&content=x&sdt=soon", 400, "Argument [sdt] has an invalid value: [soon]."),
        (f"{ACCOUNT}&to=1&content=x", 400, "Argument [to] has an invalid value: invalid_destination."),
        (f"{ACCOUNT}&to=447700900123&content=x&dlr=yes&dlr-url=http%3A%2F%2Fx%2F", 400,
         "Argument [dlr] has an invalid value: [yes]: there are no callbacks yet."),
    ],
)  # fmt: skip
def test_what_is_refused_in_jasmin_s_words(query: str, status: int, words: str) -> None:
    scene = Scene()
    answer = _asked(query, scene=scene)
    assert (answer.status_code, answer.text, scene.outs) == (status, f'Error "{words}"', [])


def test_rate_and_balance() -> None:
    rate = _asked(f"{ACCOUNT}&to=447700900123&content={'a' * 161}", "/rate")
    assert rate.json() == {"unit_rate": 0.0, "submit_sm_count": 2}
    assert _asked(ACCOUNT, "/balance").json() == {"balance": "ND", "sms_count": "ND"}
    assert _asked("username=shop&password=x", "/balance").status_code == 403


def test_kafka_away() -> None:
    scene = Scene()
    scene.away = True
    answer = _asked(f"{ACCOUNT}&to=447700900123&content=x", scene=scene)
    assert answer.status_code == 500 and answer.text.startswith('Error "Cannot send submit_sm')
