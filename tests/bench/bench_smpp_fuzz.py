"""Fuzz of the codec: mutated golden PDUs; the invariant is: a value or a protocol error as a value, nothing else.

`python -m tests.bench.bench_smpp_fuzz [--count 1000000] [--seed 2775]`; `make test` runs 50,000.
"""

import argparse
import random
import time

from shared.smpp import pdu
from shared.smpp.codec import FramingLost, NeedMore, UnparsablePdu, decode_next, encode
from tests.vectors.pdus import load_vectors


def mutate(frame: bytes, chance: random.Random) -> bytes:
    """A frame with a few faults; in most, command_length is made to fit again, so that the body is reached."""
    octets = bytearray(frame)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(octets) + 1)
        match chance.randrange(5):
            case 0 if at < len(octets):
                octets[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 1:
                del octets[at : at + chance.randint(1, 8)]
            case 2:
                octets[at:at] = chance.randbytes(chance.randint(1, 8))
            case 3:
                octets[at : at + 4] = octets[:4]
            case _:
                octets = octets[:at] + octets[max(0, at - chance.randint(1, 16)) :]
    if len(octets) >= 16 and chance.random() < 0.9:
        octets[:4] = len(octets).to_bytes(4, "big")
    return bytes(octets)


def fuzz(chance: random.Random, count: int) -> int:
    """Decode `count` mutated PDUs and encode again what was understood; returns how many were tried.

    Raises whatever the codec raises: that is the finding. Raises AssertionError when a PDU does not survive a second
    round.
    """
    frames = [vector.frame for vector in load_vectors()]
    for _ in range(count):
        data = mutate(chance.choice(frames), chance)
        outcome, following = decode_next(data)
        if isinstance(outcome, pdu.Pdu):
            again, _ = decode_next(encode(outcome))
            if not isinstance(again, pdu.Pdu) or encode(again) != encode(outcome):
                raise AssertionError(f"{data.hex()}: {outcome} is {again} when sent on")
        elif not isinstance(outcome, NeedMore | UnparsablePdu | FramingLost) or following > len(data):
            raise AssertionError(f"{data.hex()}: {outcome}")
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=2775)
    arguments = parser.parse_args()
    started = time.perf_counter()
    tried = fuzz(random.Random(arguments.seed), arguments.count)
    print(f"{tried} mutated PDUs in {time.perf_counter() - started:.1f} s: values only")


if __name__ == "__main__":
    main()
