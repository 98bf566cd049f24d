"""Pure: the demo's sample messages: mixed alphabets and lengths, lanes, accounts and countries, a few that are wrong.

`python -m services.cli.demo.sample` writes the file that stands in the repository; a test keeps the two equal.
"""

import base64
import json
import random
import sys
from typing import Any, Final

COUNT: Final = 6000
SEED: Final = 20_240_601

_PREFIXES: Final = ("44", "49", "1", "33", "34", "48", "39", "380", "30", "91", "52", "972")
_SHORT: Final = (
    "Your parcel {n} is on its way.",
    "Hello! Your table for two is booked for tonight, reference {n}.",
    "Bill {n}: €24.90 due on Friday. Reply STOP to opt out.",
    "Ihr Paket {n} ist da. Abholung bis 20 Uhr in der Königstraße.",
    "Votre colis n° {n} est arrivé à la boutique.",
)  # fmt: skip
_WIDE: Final = (
    "Ваш заказ {n} готов к выдаче.",
    "Η παραγγελία σας {n} είναι έτοιμη.",
    "Your order {n} is here 🎉📦 enjoy!",
    "आपका ऑर्डर {n} तैयार है।",
    "ההזמנה שלך {n} מוכנה",
    "Family plan 👨‍👩‍👧‍👦 renewed, thank you 🙏🏽 {n}",
)
_PORT_HEADER: Final = base64.b64encode(bytes.fromhex("0605041582158a")).decode()
"""A user data header of the message's own: application port addressing, 16 bit (3GPP TS 23.040, 9.2.3.24.4)."""

_SENTENCE: Final = "We are happy to tell you that order {n} left our warehouse; see our terms [1] ~ {{valid}} today. "
_WIDE_SENTENCE: Final = "Мы рады сообщить, что заказ {n} отправлен со склада 🚚. "


def sample() -> list[dict[str, Any]]:
    """The messages, in the order to publish them.

    Each has `value` (the request) or `raw` (what is no request at all), `otp` true where it goes to `mt.requests.otp`,
    and `wrong` true where nothing may be sent. Destinations are unique: by them a submit_sm tells its message.
    """
    chance = random.Random(SEED)
    return [_wrong(n, chance) if n % 75 == 74 else _right(n, chance) for n in range(COUNT)]


def _number(n: int) -> str:
    return f"{_PREFIXES[n % len(_PREFIXES)]}7{n:08d}"


def _right(n: int, chance: random.Random) -> dict[str, Any]:
    value: dict[str, Any] = {"account_id": "bank" if chance.random() < 0.3 else "shop", "to": f"+{_number(n)}"}
    kind = chance.random()
    if kind < 0.08:
        code = chance.randrange(10**6)
        return {"otp": True, "value": value | {"text": f"{code:06d} is your code. Do not share it.", "validity_s": 120}}
    if kind < 0.11:
        value |= {"data": base64.b64encode(chance.randbytes(chance.randrange(1, 130))).decode()}
        if chance.random() < 0.5:
            value["udh"] = _PORT_HEADER
    elif kind < 0.68:
        value["text"] = chance.choice(_SHORT).format(n=n)
    elif kind < 0.85:
        value["text"] = chance.choice(_WIDE).format(n=n)
    else:
        sentence = chance.choice((_SENTENCE, _SENTENCE, _WIDE_SENTENCE)).format(n=n)
        segments = chance.randrange(2, 7)
        limit = segments * (153 if sentence.isascii() else 67) - 20
        value["text"] = (sentence * 20)[: limit - limit // 12]
    if chance.random() < 0.7:
        value["lane"] = "bulk"
    if chance.random() < 0.1:
        value["from"] = chance.choice(("4477009001", "12345", "Info", "Shop & Co"))
    if (receipt := chance.random()) < 0.15:
        value["receipt"] = "all" if receipt < 0.08 else "none"
    if chance.random() < 0.05:
        value["idempotency_key"] = f"order-{n}"
    if chance.random() < 0.1:
        value["metadata"] = {"order": str(n), "campaign": "spring"}
    return {"value": value}


def _wrong(n: int, chance: random.Random) -> dict[str, Any]:
    good = {"account_id": "shop", "to": f"+{_number(n)}", "text": f"never sent {n}"}
    kinds: list[dict[str, Any]] = [
        {"value": good | {"to": "0044-not-a-number"}},
        {"value": good | {"account_id": "nobody"}},
        {"value": good | {"from": "TwelveLetter"}},
        {"value": good | {"data": "AAEC"}},
        {"value": {"account_id": "shop", "to": good["to"]}},
        {"value": good | {"connector_id": "no-such-1"}},
        {"value": good | {"encoding": "gsm7", "text": f"не латиница {n}"}},
        {"value": good | {"account_id": "bank", "text": "too long " * 200}},
        {"raw": f"this is no JSON {n}"},
    ]
    return {"wrong": True} | chance.choice(kinds)


def main() -> None:
    """Write the file's lines to standard output."""
    for message in sample():
        sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
