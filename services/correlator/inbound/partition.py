"""Pure: messages of handsets for one partition: parts put together, what is missing told, redeliveries recognised.

    first part ──▶ held ──every part is there──▶ told whole ──5 min──▶ forgotten
                     │                               ▲
                     └──timeout──▶ told as it is ────┘──1 h──▶ forgotten

Time is that of the log (LogAppendTime): a part counts as in time by its own record, and a timeout is decided when the
log has proven that no part in time is still to come. So a restart, however long it took, changes nothing.

Identity. `mo_id` is a function of the place of the first part's record. A second record of the same message has the
same one. A message that an SMSC delivers again, because it was not answered in time, is another record: it keeps the
first one's id only where the SMSC names the message (TLV receipted_message_id or user_message_reference) and all else
is equal. Same sender, destination and octets alone prove nothing: people do send the same word twice, and a reader that
collapses on `mo_id` would lose one.
"""

from collections.abc import Iterator
from functools import partial
from typing import Final

import orjson

from schemas.inbound_parts import (
    POSITIONS_KEY,
    HeldMessage,
    HeldPart,
    InboundEntries,
    InboundEntry,
    RedeliveryMark,
    RepliesMark,
    WholeMark,
)
from schemas.smsc_inbound import RawInbound
from schemas.topics import INBOUND_PARTS, SMSC_INBOUND
from services.correlator.inbound.answers import IN_A_ROW_MAX, REPLY_GAP_MS, SILENCE_MS
from services.correlator.inbound.entries import (
    WHOLE_MARKS,
    KeptEntries,
    digest,
    has_digest,
    held_part,
    pack,
    parts_key,
    read_back,
    redelivery_key,
    replies_key,
    unpack,
)
from services.correlator.inbound.messages import InboundTeller, ReadMessage
from services.correlator.join.deadlines import WATERMARK_MARGIN_MS, Calendar, LogClock
from services.correlator.state.table import StateTable
from shared.kafka.records import TRACEPARENT, Headers, In, Out, trace_headers, traceparent_of
from shared.messages.ids import derived_id
from shared.sms import tlv_tags
from shared.sms.inbound import InboundPart
from shared.sms.udh import Concatenation

LATE_KEEP_MS: Final = 3_600_000
"""After a message was told with parts missing, they complete it for so long. References are used again: longer, and a
part of the next message would be taken for one that is missing."""
REPEAT_KEEP_MS: Final = 300_000
"""After a message was told whole, a part that is delivered again is recognised for so long."""
REDELIVERY_KEEP_MS: Final = 600_000

SAME_KEY_MAX: Final = 4
"""Messages under one reference at a time; with more the oldest is told as it is."""
MESSAGE_OCTETS_MAX: Final = 96 << 10
"""Of one message that is put together, far above the 34 KB of 255 parts: only parts in message_payload reach it, and
what follows from them must fit a record."""
HELD_OCTETS_MAX: Final = 32 << 20
"""Of all that is held in a partition; with more the oldest message is told as it is."""
ENTRY_OCTETS: Final = 400
"""What a held message costs besides its octets."""

DUE_WIDTH_MS: Final = 1_000
RESTORE_SLICE: Final = 5_000
EXPIRE_MAX: Final = 2_000
"""Keys decided in one cycle at most."""

USER_MESSAGE_REFERENCE: Final = 0x0204
_NAMING_TAGS: Final = frozenset({tlv_tags.RECEIPTED_MESSAGE_ID, USER_MESSAGE_REFERENCE})

TIMED_OUT: Final = "not whole in time"
CROWDED: Final = "told before its time: too many parts of other messages wait"


class InboundPartition:
    """The state of one partition, and what has changed in it since the last `flush`."""

    def __init__(
        self, number: int, teller: InboundTeller, apart_ms: int = 0, *, held_octets_max: int = HELD_OCTETS_MAX
    ) -> None:
        """`apart_ms`: how far the clocks of Kafka's brokers may differ."""
        self._margin_ms: Final = WATERMARK_MARGIN_MS + apart_ms
        self.table: Final = StateTable(
            INBOUND_PARTS,
            number,
            model=InboundEntries,
            field="entries",
            positions_key=POSITIONS_KEY,
            pack=pack,
            unpack=unpack,
            cold=WHOLE_MARKS,
        )
        self.clock: Final = LogClock(apart_ms)
        self._number: Final = number
        self._teller: Final = teller
        self._held_octets_max: Final = held_octets_max
        self._outs: list[Out] = []
        self._due: Final = Calendar(DUE_WIDTH_MS)
        self._held: dict[bytes, int] = {}
        """Octets by key, the key that was first longest ago first."""
        self._held_octets = 0

    def restored(self) -> Iterator[None]:
        """The table is restored: note what is due when. Yields now and then, for heartbeats to go on."""
        held: list[tuple[str, bytes, int]] = []
        for count, (key, entries) in enumerate(self.table.items()):
            for entry in entries:
                self._due.add(entry.due_at_ms, key)
            octets = _octets(entries)
            if octets:
                held.append((next(e.mo_id for e in entries if isinstance(e, HeldMessage)), key, octets))
            if count % RESTORE_SLICE == 0:
                yield
        for _, key, octets in sorted(held):  # a mo_id begins with its time
            self._held[key] = octets
            self._held_octets += octets

    # -- what is read -----------------------------------------------------------------------------------------------

    def message(self, record: In, raw: RawInbound, part: InboundPart, timeout_ms: int) -> None:
        """A message or part, read. `timeout_ms`: how long to wait for the others if it is the first."""
        self.clock.read_record(record.timestamp)
        if part.concatenation is None or part.concatenation.total == 1:
            self._single(record, raw, part)
        else:
            self._part(record, raw, part, part.concatenation, record.timestamp + timeout_ms)

    def _single(self, record: In, raw: RawInbound, part: InboundPart) -> None:
        mo_id = own_id = self._place_id(record, raw)
        if any(tag in _NAMING_TAGS for tag, _ in raw.tlvs):
            mo_id = self._first_id(redelivery_key(raw), mo_id, record.timestamp)
        message = ReadMessage(
            mo_id, raw.connector_id, raw.source_addr, raw.destination_addr, raw.received_at_ms, [part],
            headers=trace_headers(record),
        )  # fmt: skip
        first = partial(self._may_reply, record.timestamp) if mo_id == own_id else None
        self._outs += self._teller.outs(message, raw.received_at_ms, first)

    def _first_id(self, key: bytes, mo_id: str, at_ms: int) -> str:
        """The id that the message got when it was delivered first: `mo_id` where this is that time."""
        entries = self.table.get(key)
        if entries and isinstance(known := entries[0], RedeliveryMark) and at_ms <= known.due_at_ms:
            mo_id = known.mo_id
        mark = RedeliveryMark("redelivery", at_ms + REDELIVERY_KEEP_MS, mo_id)
        self.table.put(key, [mark])
        self._due.add(mark.due_at_ms, key)
        return mo_id

    def _part(self, record: In, raw: RawInbound, part: InboundPart, place: Concatenation, due_at_ms: int) -> None:
        key = parts_key(raw, place)
        before = self.table.get(key) or []
        entries = self._settled(key, before, record.timestamp)
        held = held_part(part, place.index)
        if _is_repeat(entries, held):
            if entries != before:
                self._keep(key, entries)
            return
        message = _lacking(entries, held)
        if message is None:
            traceparent = (traceparent_of(record) or b"").decode("ascii")
            mo_id = self._place_id(record, raw)
            message = HeldMessage(
                "held", due_at_ms, mo_id, raw.received_at_ms, raw.connector_id, 0, traceparent, []
            )  # fmt: skip
            entries.append(message)
            self._due.add(due_at_ms, key)
        message.parts.append(held)
        if len(message.parts) == place.total:
            self._tell(key, message, raw.received_at_ms, record.timestamp)
            mark = WholeMark("whole", record.timestamp + REPEAT_KEEP_MS, _digests(message.parts))
            entries[entries.index(message)] = mark
            self._due.add(mark.due_at_ms, key)
        self._keep(key, self._few(key, entries))
        self._make_room()

    def _few(self, key: bytes, entries: KeptEntries) -> KeptEntries:
        """Without the oldest where there are too many: they are told."""
        for entry in entries[:-SAME_KEY_MAX]:
            self._give_up(key, entry)
        return entries[-SAME_KEY_MAX:]

    def _place_id(self, record: In, raw: RawInbound) -> str:
        return derived_id(raw.received_at_ms, "mo", SMSC_INBOUND, record.partition, record.offset)

    # -- what is due ------------------------------------------------------------------------------------------------

    def next_due_ms(self) -> int | None:
        """When, by Kafka's clock, something becomes due that a high watermark fetched then can decide; 0 when
        something decided is still to be done."""
        due = self._due.next_due_ms
        if due is None:
            return None
        return 0 if due <= self.clock.proven_ms else due + self._margin_ms

    def needs_proof(self, at_ms: int) -> bool:
        """Whether at `at_ms` something is due that the log has not decided yet."""
        due = self._due.next_due_ms
        return due is not None and self.clock.proven_ms < due <= at_ms - self._margin_ms

    def expire(self) -> None:
        """Decide what the log has decided, up to `EXPIRE_MAX` keys."""
        proven_ms = self.clock.proven_ms
        for key in self._due.take(proven_ms, EXPIRE_MAX):
            entries = self.table.get(key)
            if entries and any(entry.due_at_ms <= proven_ms for entry in entries):
                self._keep(key, self._settled(key, entries, proven_ms + 1))

    def _settled(self, key: bytes, entries: KeptEntries, at_ms: int) -> KeptEntries:
        """The entries after what was due before `at_ms`, in a list of its own."""
        kept: KeptEntries = []
        for entry in entries:
            left: InboundEntry | None = entry
            while left is not None and left.due_at_ms < at_ms:
                left = self._after_due(key, left)
            if left is not None:
                kept.append(left)
        return kept

    def _after_due(self, key: bytes, entry: InboundEntry) -> HeldMessage | None:
        """What becomes of an entry when its time has come."""
        if not isinstance(entry, HeldMessage):
            return None
        was_told = entry.told > 0
        if len(entry.parts) > entry.told:
            self._tell(key, entry, entry.due_at_ms, entry.due_at_ms, TIMED_OUT)
        if was_told:
            return None
        waiting = entry._replace(due_at_ms=entry.due_at_ms + LATE_KEEP_MS, told=len(entry.parts))
        self._due.add(waiting.due_at_ms, key)
        return waiting

    def _give_up(self, key: bytes, entry: InboundEntry) -> None:
        """An entry that has to go before its time."""
        if isinstance(entry, HeldMessage) and len(entry.parts) > entry.told:
            self._tell(key, entry, entry.received_at_ms, entry.due_at_ms, CROWDED)

    # -- the end of a cycle -----------------------------------------------------------------------------------------

    def flush(self) -> list[Out]:
        """Everything that follows from what was read and decided since the last call, the changelog included."""
        outs, self._outs = self._outs, []
        return outs + self.table.flush()

    # -- keeping and telling ----------------------------------------------------------------------------------------

    def _keep(self, key: bytes, entries: KeptEntries) -> None:
        octets = _octets(entries)
        self._held_octets += octets - self._held.get(key, 0)
        if octets:
            self._held[key] = octets
        else:
            self._held.pop(key, None)
        self.table.put(key, entries or None)

    def _make_room(self) -> None:
        while self._held_octets > self._held_octets_max:
            key = next(iter(self._held))
            for entry in self.table.get(key) or []:
                self._give_up(key, entry)
            self._keep(key, [])

    def _tell(self, key: bytes, message: HeldMessage, told_at_ms: int, at_ms: int, *notes: str) -> None:
        """`at_ms` is the log's time, from which the next reply to the handset counts."""
        _, sender, to, _, total = orjson.loads(key)
        parts = sorted(message.parts)
        missing = tuple(sorted(set(range(1, total + 1)) - {part.number for part in parts}))
        headers: Headers = ((TRACEPARENT, message.traceparent.encode()),) if message.traceparent else ()
        read = ReadMessage(
            message.mo_id, message.connector_id, sender, to, message.received_at_ms, [*map(read_back, parts)], missing,
            headers,
        )  # fmt: skip
        heard = any(part.number == 1 for part in message.parts[: message.told])
        first = None if heard else partial(self._may_reply, at_ms)
        self._outs += self._teller.outs(read, told_at_ms, first, *(notes if missing else ()))

    def _may_reply(self, at_ms: int, number: str) -> bool:
        """Whether a reply to `number` may go at `at_ms`; one that may is counted."""
        key = replies_key(number)
        entries = self.table.get(key)
        mark = entries[0] if entries else None
        if not isinstance(mark, RepliesMark) or mark.due_at_ms < at_ms:
            mark = RepliesMark("replies", 0, at_ms - REPLY_GAP_MS, 0)
        allowed = at_ms - mark.last_at_ms >= REPLY_GAP_MS and mark.in_a_row < IN_A_ROW_MAX
        allowed = allowed and not self._teller.answered_lately(number, at_ms)
        if allowed:
            self._teller.note_answer(number, at_ms)
            mark = mark._replace(last_at_ms=at_ms, in_a_row=mark.in_a_row + 1)
        mark = mark._replace(due_at_ms=at_ms + SILENCE_MS)
        self.table.put(key, [mark])
        self._due.add(mark.due_at_ms, key)
        return allowed


def _is_repeat(entries: KeptEntries, part: HeldPart) -> bool:
    """Whether this very part is known, by a message that is held or one that was told whole."""
    of_part = ""
    for entry in entries:
        if isinstance(entry, HeldMessage):
            if any(known.number == part.number and known[2:6] == part[2:6] for known in entry.parts):
                return True
        elif isinstance(entry, WholeMark):
            of_part = of_part or digest(part)
            if has_digest(entry, part.number, of_part):
                return True
    return False


def _lacking(entries: KeptEntries, part: HeldPart) -> HeldMessage | None:
    """The newest message that lacks this part and has room for it."""
    for entry in reversed(entries):
        if isinstance(entry, HeldMessage) and all(known.number != part.number for known in entry.parts):
            octets = len(part.octets) + sum(len(known.octets) for known in entry.parts)
            if octets <= MESSAGE_OCTETS_MAX * 4 // 3:
                return entry
    return None


def _digests(parts: list[HeldPart]) -> str:
    return "".join(digest(part) for part in sorted(parts))


def _octets(entries: KeptEntries) -> int:
    return sum(
        ENTRY_OCTETS + sum(len(part.octets) for part in entry.parts)
        for entry in entries
        if isinstance(entry, HeldMessage)
    )
