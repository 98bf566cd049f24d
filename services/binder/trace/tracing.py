"""Edge: the frames of this process's binds: kept in case a bind dies, and shown to whoever looks just now.

Every connection has a ring of its last frames (PDUs, with SMPP); that is all there is while nobody looks. A request in
`smsc.trace_requests` taps the connections of its connector: what its filter wants goes, decoded and redacted, to
`smsc.traces`. A bind that dies leaves its rings in a file.
"""

import asyncio
import heapq
import logging
from collections import deque
from collections.abc import Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

import orjson
from aiokafka import ConsumerRecord

from schemas.topics import TRACES
from schemas.trace_requests import TraceRequest
from services.binder.outbox import Outbox
from services.binder.submit.dispatch_record import read_id
from services.binder.trace.files import TraceFiles, utc
from services.binder.trace.frames import Description, FrameReader, TracedFrame
from services.binder.trace.views import LinkTrace, TracedConnection, View, Viewing
from shared.kafka.records import Out
from shared.process.clock import now_ms

log = logging.getLogger(__name__)

RINGS_OCTETS: Final = 64 * 1024 * 1024
"""Memory for the rings of a process; its open connections share it. On one that carries 5,000 frames a second it holds
the last minute."""
RING_OCTETS_MIN: Final = 1024 * 1024

REQUESTS_MAX: Final = 20
HELD_MAX: Final = 20_000
"""Frames that pass while an earlier part of the trace is still being shown."""

CLEAN: Final = "unbound"
"""The reason of a bind that we have ended ourselves."""

CAUGHT_UP_AT_A_TIME: Final = 256
"""Held frames that are looked through between two looks at everything else."""


class Tracing:
    """All traces of a process. `read` gets the records of `smsc.trace_requests`."""

    def __init__(self, outbox: Outbox, owner: str, files: TraceFiles) -> None:
        self._loop = asyncio.get_running_loop()
        self._outbox = outbox
        self._owner = owner
        self._files = files
        self._links: WeakSet[LinkTrace] = WeakSet()
        self._viewings: dict[str, Viewing] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self._showing: set[asyncio.Task[None]] = set()

    # -- binds ------------------------------------------------------------------------------------------------------

    def link(self, connector_id: str, partition: int, peer: str, reader: FrameReader) -> LinkTrace:
        """The trace of a new bind; it is forgotten with the bind."""
        link = LinkTrace(connector_id, partition, peer, reader, self.opened)
        self._links.add(link)
        return link

    def opened(self, connection: TracedConnection) -> None:
        """A connection of a link begins."""
        connections = [c for link in self._links for c in link.open_connections()]
        for one in connections:
            one.ring.octets_max = max(RING_OCTETS_MIN, RINGS_OCTETS // len(connections))
        for key, viewing in self._viewings.items():
            if viewing.request.connector_id == connection.link.connector_id:
                self._attach(key, viewing, connection)

    def ended(self, link: LinkTrace, reason: str) -> Path | None:
        """The bind is gone. Returns the file in which its last PDUs will stand; None when we ended it ourselves, or
        there can be no file."""
        at_ms = now_ms()
        path = self._files.create(link.connector_id, link.partition, at_ms) if reason != CLEAN else None
        if path is not None:
            self._spawn(self._files.write(path, self._story(link, reason, at_ms)), self._writing)
        self.forget(link)
        return path

    def forget(self, link: LinkTrace) -> None:
        """The bind is gone, or never came up."""
        for connection in link.connections:
            connection.ring.tap = None
        link.connections.clear()  # a cycle, and megabytes: not for the garbage collector to find
        self._links.discard(link)

    def _story(self, link: LinkTrace, reason: str, at_ms: int) -> Iterator[str]:
        """The lines of the file: made only as fast as they are written."""
        rings = [(connection.source.short_mode, connection.ring.blocks()) for connection in link.connections]
        offset_ms = at_ms - self._loop.time() * 1000

        def told() -> Iterator[str]:
            count = sum(len(block) for _, blocks in rings for block in blocks)
            yield f"# connector {link.connector_id}, bind {link.partition} at {link.peer}: {reason}"
            yield f"# {utc(at_ms)} UTC; the last {count} PDUs, numbers and texts redacted"
            for at, mode, direction, frame in heapq.merge(*map(_named, rings), key=lambda one: one[0]):
                shown = link.reader.describe(direction, frame, redact=True, with_octets=False)
                yield f"{utc(round(at * 1000 + offset_ms))} {mode:3} {shown.line()}"

        return told()

    async def finish(self, timeout_s: float) -> None:
        """Show nothing any more, and let files that are being written come to their end."""
        for key in list(self._viewings):
            self._end(key)
        for task in self._showing:
            task.cancel()
        if self._writing:
            await asyncio.wait(self._writing, timeout=timeout_s)
        for task in self._writing:
            task.cancel()
        await asyncio.gather(*self._showing, *self._writing, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception:
                log.exception("a trace was given up: a mistake of ours")

        task = asyncio.create_task(guarded())
        among.add(task)
        task.add_done_callback(among.discard)
        task.add_done_callback(lambda _: work.close())  # one that is cancelled may never have begun

    # -- requests ---------------------------------------------------------------------------------------------------

    def read(self, record: ConsumerRecord) -> None:
        """A record of `smsc.trace_requests`. An old one, that a restart reads, lives for its ttl once more."""
        key = (record.key or b"").decode()
        if record.value is None:
            self._end(key)
            return
        request = TraceRequest.from_json(record.value)
        viewing = self._viewings.get(key)
        if viewing is not None:
            viewing.timer.cancel()
            viewing.request = request
            viewing.timer = self._loop.call_later(request.ttl_s, self._end, key)
            for link in self._of(request.connector_id):
                viewing.ids(link.reader)
        elif len(self._viewings) < REQUESTS_MAX:
            self._begin(key, request)
        else:
            log.warning("more than %d traces at a time: %s is not served", REQUESTS_MAX, key)

    def _of(self, connector_id: str) -> list[LinkTrace]:
        return [link for link in self._links if link.connector_id == connector_id]

    def _begin(self, key: str, request: TraceRequest) -> None:
        log.info("connector %s is traced for %s", request.connector_id, request.request_id)
        viewing = Viewing(request, self._loop.call_later(request.ttl_s, self._end, key))
        self._viewings[key] = viewing
        for link in self._of(request.connector_id):
            for connection in link.open_connections():
                self._begin_view(connection, self._attach(key, viewing, connection))

    def _begin_view(self, connection: TracedConnection, view: View) -> None:
        """Say that this connection is traced: one that is still being made may come to nothing, so at its first PDU."""
        if not view.began:
            view.began = True
            fields = {"kind": "began", "at_ms": now_ms(), "peer": connection.link.peer}
            self._post(connection, view.viewing.request, fields)

    def _end(self, key: str) -> None:
        viewing = self._viewings.pop(key, None)
        if viewing is None:
            return
        viewing.timer.cancel()
        viewing.over = True
        for link in self._of(viewing.request.connector_id):
            for connection in link.connections:
                connection.views.pop(key, None)
                if not connection.views:
                    connection.ring.tap = None

    def _attach(self, key: str, viewing: Viewing, connection: TracedConnection) -> View:
        request, reader = viewing.request, connection.link.reader
        wanted = reader.new_filter(request.msisdn, request.message_id, viewing.ids(reader))
        now_s = self._loop.time()
        view = View(viewing, wanted, offset_ms=now_ms() - now_s * 1000, allowed_at=now_s)
        connection.views[key] = view
        connection.ring.tap = partial(self._tapped, connection)
        before = connection.ring.blocks(now_s - request.since_s) if request.since_s else []
        if before:
            self._begin_view(connection, view)
            view.held = deque()
            self._spawn(self._catch_up(connection, view, before), self._showing)
        return view

    # -- PDUs -------------------------------------------------------------------------------------------------------

    def _tapped(self, connection: TracedConnection, at: float, direction: str, frame: bytes) -> None:
        """Called in the middle of a session: whatever goes wrong here must not reach it."""
        try:
            segment_id = connection.source.segment_id(direction, frame)
            for view in connection.views.values():
                self._begin_view(connection, view)
                if view.held is None:
                    self._see(connection, view, (at, direction, frame), segment_id)
                elif len(view.held) < HELD_MAX:
                    view.held.append((at, direction, frame, segment_id))
                else:
                    view.skipped += 1
        except Exception:
            log.exception("connector %s is not traced any more: a mistake of ours", connection.link.connector_id)
            connection.ring.tap = None

    def _see(self, connection: TracedConnection, view: View, traced: TracedFrame, segment_id: str) -> None:
        at, direction, frame = traced
        if view.filter.wants(direction, frame, message_id_of(segment_id)) and view.may_show(at):
            self._show(connection, view, traced, segment_id)

    async def _catch_up(self, connection: TracedConnection, view: View, before: list[list[TracedFrame]]) -> None:
        """Show what passed before the request came, then what passed meanwhile; no faster than Kafka takes it."""
        for block in before:
            for _, direction, frame in block:
                view.filter.recall(direction, frame)
            await asyncio.sleep(0)
        for block in before:
            for traced in block:
                _, direction, frame = traced
                segment_id = connection.source.segment_id(direction, frame)
                if view.filter.wants(direction, frame, message_id_of(segment_id)):
                    self._show(connection, view, traced, segment_id)
            await self._outbox.flushed()
            if view.viewing.over:
                return
        while view.held:
            at, direction, frame, segment_id = view.held.popleft()
            self._see(connection, view, (at, direction, frame), segment_id)
            if not len(view.held) % CAUGHT_UP_AT_A_TIME:
                await asyncio.sleep(0)
        view.held = None

    def _show(self, connection: TracedConnection, view: View, traced: TracedFrame, segment_id: str) -> None:
        at, direction, frame = traced
        request, segment = view.viewing.request, read_id(segment_id)
        shown = connection.link.reader.describe(
            direction, frame, redact=not request.unredacted, with_octets=request.with_octets
        )
        fields = {
            "kind": "pdu",
            "at_ms": round(at * 1000 + view.offset_ms),
            "direction": direction,
            "command": shown.command,
            "status": shown.status,
            "sequence_number": shown.sequence_number,
            "fields": unique_names(shown),
            "skipped": view.skipped,
        }
        if segment is not None:
            fields |= {"message_id": segment.message_id, "segment_index": segment.index}
        view.skipped = 0
        self._post(connection, request, fields)

    def _post(self, connection: TracedConnection, request: TraceRequest, fields: dict[str, Any]) -> None:
        """One record, a `schemas.traces.TraceLine`, made by hand: there may be hundreds a second."""
        line = {
            "schema_version": 1,
            "connector_id": request.connector_id,
            "request_id": request.request_id,
            "partition": connection.link.partition,
            "bind": connection.source.mode,
            "owner": self._owner,
        }
        line |= {name: value for name, value in fields.items() if value}
        self._outbox.post(Out(TRACES, request.connector_id.encode(), orjson.dumps(line)))


def _named(ring: tuple[str, list[list[TracedFrame]]]) -> Iterator[tuple[float, str, str, bytes]]:
    mode, blocks = ring
    return ((at, mode, direction, frame) for block in blocks for at, direction, frame in block)


def message_id_of(segment_id: str) -> str:
    """The first part of a segment's id."""
    return segment_id.partition("/")[0]


def unique_names(shown: Description) -> dict[str, str]:
    """The fields by name; a parameter that is there twice has its place behind it."""
    found: dict[str, str] = {}
    for place, (name, text) in enumerate(shown.fields):
        found[f"{name}#{place}" if name in found else name] = text
    return found
