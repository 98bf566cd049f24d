"""Bench of the SMPP codec: microseconds of one core per PDU, ours beside aiosmpplib, smpplib and smpp.pdu3.

`python -m tests.bench.bench_smpp_codec [--rounds 20000]`. The figure that counts: encode a submit_sm of 100 octets and
decode its submit_sm_resp, together. Best of five, in CPU time, so that a busy machine does not matter much. No
assertion.
"""

import argparse
import io
import time
import timeit
from collections.abc import Callable

import aiosmpplib
import smpplib.smpp
from aiosmpplib.protocol import SmppMessage
from smpp.pdu.pdu_encoding import PDUEncoder

from shared.smpp import pdu
from shared.smpp.codec import decode_frame, encode_body
from shared.smpp.hot import decode_message_id, encode_short_message, encode_submit_sm_resp
from tests.bench.bench_smpp_session import DELIVER, SUBMIT

RESPONSE = encode_submit_sm_resp(7, 0, "0123456789")
DELIVERED = encode_body(DELIVER, 7)
SUBMITTED = encode_body(SUBMIT, 7)


class _Client:
    def next_sequence(self) -> int:
        return 7


_CLIENT = _Client()
_ENCODER = PDUEncoder()


def _aiosmpplib_message() -> aiosmpplib.SubmitSm:
    message = aiosmpplib.SubmitSm(
        sequence_num=7,
        short_message="x" * 100,
        source=aiosmpplib.PhoneNumber("SHOP"),
        destination=aiosmpplib.PhoneNumber("447700900123"),
    )
    message.set_encoded_message(b"x" * 100)
    return message


def _aiosmpplib_response() -> object:
    header = SmppMessage.parse_header(RESPONSE)
    return aiosmpplib.SubmitSmResp.from_pdu(RESPONSE, header)


def _smpplib_message() -> object:
    return smpplib.smpp.make_pdu(
        "submit_sm",
        client=_CLIENT,
        source_addr="SHOP",
        destination_addr="447700900123",
        short_message=b"x" * 100,
    ).generate()


CASES: tuple[tuple[str, Callable[[], object]], ...] = (
    ("ours: build SubmitSm", lambda: pdu.SubmitSm(destination_addr="447700900123", short_message=b"x" * 100)),
    ("ours: encode submit_sm (hot)", lambda: encode_short_message(SUBMIT, 7)),
    ("ours: decode submit_sm_resp (hot)", lambda: decode_message_id(RESPONSE)),
    ("ours: decode submit_sm_resp to a Pdu", lambda: decode_frame(RESPONSE)),
    ("ours: decode deliver_sm to a Pdu", lambda: decode_frame(DELIVERED)),
    ("aiosmpplib: build and encode submit_sm", lambda: _aiosmpplib_message().pdu()),
    ("aiosmpplib: decode submit_sm_resp", _aiosmpplib_response),
    ("smpplib: build and encode submit_sm", _smpplib_message),
    ("smpplib: decode submit_sm_resp", lambda: smpplib.smpp.parse_pdu(RESPONSE, client=_CLIENT)),
    ("smpp.pdu3: decode submit_sm_resp", lambda: _ENCODER.decode(io.BytesIO(RESPONSE))),
)


def microseconds(case: Callable[[], object], rounds: int) -> float:
    """Best of five runs."""
    return min(timeit.repeat(case, number=rounds, repeat=5, timer=time.process_time)) / rounds * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20_000)
    arguments = parser.parse_args()
    measured = {name: microseconds(case, arguments.rounds) for name, case in CASES}
    for name, cost in measured.items():
        print(f"{cost:8.2f} us  {name}")
    pair = measured["ours: encode submit_sm (hot)"] + measured["ours: decode submit_sm_resp to a Pdu"]
    print(f"{pair:8.2f} us  encode submit_sm + decode submit_sm_resp to a Pdu, together (aim: 8)")


if __name__ == "__main__":
    main()
