"""What encoding and parsing cost: `python -m tests.bench.bench_sms_encoding`: µs of CPU a call, best and median of 15.

Aims: a 100-character GSM 7-bit text ≤ 8 µs, a UCS-2 text of six
segments with emoji ≤ 40 µs, both for the whole of `encode_message`.
"""

import statistics
import time
import timeit
from collections.abc import Callable
from typing import Final

from shared.sms.inbound import read_inbound
from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest
from shared.sms.preview import preview
from shared.sms.receipt_text import parse_receipt
from shared.sms.segmentation import encode_message

MESSAGE_ID: Final = "01938a5e-1f2a-7abc-8def-0123456789ab"
TO: Final = "4915112345678"
PLAIN: Final = ConnectorProfile()
RECEIPT: Final = (
    b"id:0123456789 sub:001 dlvrd:001 submit date:2401021200 done date:2401021201 stat:DELIVRD err:000 text:Hello"
)
EMOJI: Final = "Привет! Ваш заказ готов 👍🏽 и ждёт вас 👨\u200d👩\u200d👧\u200d👦 сегодня до 20:00 🇩🇪. "


def encoding(text: str, profile: ConnectorProfile = PLAIN, *, transliterate: bool = False) -> Callable[[], object]:
    request = EncodeRequest(MESSAGE_ID, TO, text=text, transliterate=transliterate)
    result = encode_message(request, profile)
    assert isinstance(result, Encoded)
    return lambda: encode_message(request, profile)


def cases() -> dict[str, tuple[Callable[[], object], float | None]]:
    plain = ("Hello World, your code is 123456. " * 3)[:100]
    emoji = (EMOJI * 20)[:350]
    request = EncodeRequest(MESSAGE_ID, TO, text=plain)
    turkish = ConnectorProfile(national_tables=("turkish",))
    return {
        "GSM-7, 100 characters": (encoding(plain), 8),
        "GSM-7, 100 characters, accents and €": (encoding(("Es kostet 5 € à Zürich {ok}. " * 4)[:100]), 8),
        "GSM-7, 100 characters, packed": (encoding(plain, ConnectorProfile(gsm7_packed=True)), None),
        "GSM-7, 6 segments": (encoding("a" * 153 * 6), None),
        "UCS-2, 1 segment": (encoding("Привет! Ваш заказ готов"), None),
        "UCS-2, 6 segments with emoji": (encoding(emoji), 40),
        "UCS-2, 6 segments of emoji only": (encoding("👍🏽" * 96), 40),
        "Turkish, national tables, 1 segment": (encoding("Şişli'de görüşürüz ağaç " * 4, turkish), None),
        "transliteration, 120 characters": (encoding("“It’s” " + "a" * 113, transliterate=True), None),
        "preview, 100 characters": (lambda: preview(request, PLAIN), None),
        "receipt in the usual form": (lambda: parse_receipt(RECEIPT), None),
        "receipt in another form": (lambda: parse_receipt(RECEIPT.upper().replace(b" ", b", ")), None),
        "inbound, 30 octets": (lambda: read_inbound(b"STOP sending me these messages", 0, 0, (), PLAIN), None),
    }  # fmt: skip


def main() -> None:
    print(f"{'':40} {'best µs':>9} {'median':>9} {'aim':>6}")
    for name, (call, aim_us) in cases().items():
        times = timeit.repeat(call, number=2_000, repeat=15, timer=time.process_time)
        best, median = min(times) / 2_000 * 1e6, statistics.median(times) / 2_000 * 1e6
        judged = "" if aim_us is None else f"{aim_us:6g}  {'met' if best <= aim_us else 'missed'}"
        print(f"{name:40} {best:9.2f} {median:9.2f} {judged}".rstrip())


if __name__ == "__main__":
    main()
