"""Edge: long messages of handsets: whatever the order, the repeats and what comes in between, the same text."""

from base64 import b64encode
from collections import Counter
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.mo_messages import InboundMessage
from schemas.topics import MO_MESSAGES, SMSC_INBOUND
from services.correlator.inbound.cycle import InboundCycle
from shared.kafka.records import In
from shared.sms.message import ConnectorProfile, Encoded, EncodeRequest, LongMessage
from shared.sms.segmentation import encode_message
from tests.unit.correlator.making import EVENTS, T0, Record, raw_inbound

WAYS: st.SearchStrategy[LongMessage] = st.sampled_from(["udh8", "udh16", "sar"])
TEXTS = st.one_of(
    st.text("abc€{}^ \nÄ", min_size=1, max_size=700),
    st.text("ğşİıç abc", min_size=170, max_size=500),
    st.text("жизнь 😀👨‍👩‍👧 é", min_size=1, max_size=300),
)
NUMBERS = ("447700900001", "447700900002")


@settings(deadline=None)
@given(st.data(), st.lists(st.tuples(TEXTS, WAYS, st.sampled_from(NUMBERS)), min_size=1, max_size=4))
def test_any_order_repeats_and_messages_in_between(
    data: st.DataObject, messages: list[tuple[str, LongMessage, str]]
) -> None:
    parts: list[tuple[int, bytes]] = []
    wanted: Counter[tuple[str, str]] = Counter()
    for number, (text, way, sender) in enumerate(messages):
        profile = ConnectorProfile(long_message=way, national_tables=("turkish",))
        encoded = encode_message(EncodeRequest(f"{number}-{data.draw(st.integers(0, 99))}", "60777", text), profile)
        assert isinstance(encoded, Encoded)
        for segment in encoded.segments:
            raw = raw_inbound(
                segment.octets,
                esm_class=encoded.esm_class,
                data_coding=encoded.data_coding,
                source_addr=f"{sender}{number}",  # references are a handset's own; one never has two under way
                tlvs=[(tag, b64encode(value).decode()) for tag, value in segment.tlvs],
            )
            parts.append((len(encoded.segments), raw.to_json()))
        wanted[(f"{sender}{number}", text)] += 1
    order = data.draw(st.permutations(parts))
    repeated = [part for part in order for _ in range(data.draw(st.integers(1, 2)) if part[0] > 1 else 1)]
    offsets = count()
    records: list[In] = [Record(SMSC_INBOUND, 0, next(offsets), T0, b"60777", value) for _, value in repeated]
    cycle = InboundCycle(EVENTS)
    cycle.partitions[0] = cycle.make(0)
    cut = data.draw(st.integers(0, len(records)))
    outs = cycle.take(records[:cut], T0) + cycle.flush() + cycle.take(records[cut:], T0) + cycle.flush()
    told = [InboundMessage.from_json(out.value or b"") for out in outs if out.topic == MO_MESSAGES]
    assert all(message.complete for message in told)
    assert Counter((message.sender, message.text) for message in told) == wanted
