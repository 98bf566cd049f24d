"""Pure: trace and span ids of messages, and which messages are traced: the same in every service, told by nobody.

A message that came with a W3C trace context belongs to that trace. Any other has one of its own, whose id follows from
its message_id, so that nothing needs to travel with it. Whether it is traced follows from its message_id, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple
from zlib import crc32

_ALL: Final = 1 << 32
_SAMPLED: Final = 0x01
DEFAULT_SAMPLER: Final = "parentbased_always_on"
SAMPLERS: Final = (
    "always_on", "always_off", "traceidratio", DEFAULT_SAMPLER, "parentbased_always_off", "parentbased_traceidratio",
)  # fmt: skip
"""What `OTEL_TRACES_SAMPLER` may be here (OpenTelemetry specification, general SDK configuration)."""


class TraceContext(NamedTuple):
    """The trace of a message, the span of whoever sent it (0 = nobody's), and whether that one is sampled."""

    trace_id: int
    parent_id: int
    sampled: bool


def context_of(traceparent: bytes) -> TraceContext:
    """Of a header that was found well-formed (`shared.kafka.records`)."""
    _, trace_id, parent_id, flags = traceparent.decode("ascii").split("-")[:4]
    return TraceContext(int(trace_id, 16), int(parent_id, 16), bool(int(flags, 16) & _SAMPLED))


def own_trace_id(message_id: str) -> int:
    """The trace of a message that came without one: 128 bits that follow from its id."""
    return int.from_bytes(blake2b(message_id.encode(), digest_size=16).digest()) or 1


def span_id(*what: object) -> int:
    """64 bits that follow from what the span is about: done again after a crash, it is the same span."""
    return int.from_bytes(blake2b("\x1f".join(map(str, what)).encode(), digest_size=8).digest()) or 1


def first_span_id(message_id: str) -> int:
    """The span of ingress, under which all others of the message are."""
    return span_id(message_id, "ingress")


def submit_span_id(message_id: str, route_no: int, segment_index: int, attempt: int) -> int:
    """The span of the binder for one segment's way to the SMSC and back; spans of its receipt link to it."""
    return span_id(message_id, route_no, segment_index, attempt, "submit")


@dataclass(frozen=True, slots=True)
class Sampler:
    """`share` of the messages; where `follows`, what the sender of a context has decided goes first."""

    share: float
    follows: bool

    def takes(self, key: bytes, context: TraceContext | None) -> bool:
        """`key` is the message_id."""
        if context is not None and self.follows:
            return context.sampled
        return crc32(key) < self.share * _ALL


def sampler_of(environment: Mapping[str, str]) -> Sampler:
    """By `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`. Raises ValueError with a sentence."""
    name = environment.get("OTEL_TRACES_SAMPLER") or DEFAULT_SAMPLER
    if name not in SAMPLERS:
        raise ValueError(f"OTEL_TRACES_SAMPLER: {name[:60]!r} is not known; there are: {', '.join(SAMPLERS)}")
    kind = name.removeprefix("parentbased_")
    share = {"always_on": 1.0, "always_off": 0.0}.get(kind)
    if share is None:
        text = environment.get("OTEL_TRACES_SAMPLER_ARG") or "1"
        try:
            share = float(text)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            raise ValueError(f"OTEL_TRACES_SAMPLER_ARG: {text[:60]!r} is no number from 0 to 1")
    return Sampler(share, name.startswith("parentbased_"))
