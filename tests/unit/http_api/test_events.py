"""Events as a stream, without Kafka."""

import asyncio
from collections.abc import AsyncGenerator

import httpx
import pytest

from schemas.topics import MT_STATUSES
from services.http_api.event_calls import COMMENT_EVERY_S, STREAMS_MAX
from services.http_api.event_ids import KEPT_MS, StreamPlace, event_id, place_of
from services.http_api.live_feed import FeedEvent
from shared.kafka.errors import KafkaUnavailable
from shared.process.clock import now_ms
from tests.unit.http_api.listening import listening
from tests.unit.http_api.scene import KEY, CannedFeed, Scene

PLACES = {(MT_STATUSES, 0): 5, (MT_STATUSES, 1): 7}


def test_an_id_is_where_a_stream_goes_on() -> None:
    assert place_of(event_id(17, PLACES)) == StreamPlace(17, PLACES)


@pytest.mark.parametrize("text", ["x", "", "W10", "WzEsW1sxXV1d", "WyJhIixbXV0", "a" * 9_000, "\u00e9", "LTE"])
def test_what_is_no_id_is_none(text: str) -> None:
    assert place_of(text) is None


def test_a_stream_has_a_comment_and_events_with_ids() -> None:
    scene = Scene()
    scene.feed = CannedFeed(FeedEvent("message.status", b'{"a":1}', "i1"), FeedEvent("message.inbound", b"{}", "i2"))
    answer = scene.call("GET", "/v1/events", Last_Event_ID=event_id(now_ms(), PLACES))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.split("\n\n")[1:3] == [
        'event: message.status\nid: i1\ndata: {"a":1}', "event: message.inbound\nid: i2\ndata: {}"
    ]  # fmt: skip
    assert isinstance(scene.feed, CannedFeed)
    [(asked, since)] = scene.feed.asked
    assert asked == "shop" and since is not None and since.next_offsets == PLACES


def test_a_stream_that_cannot_be_taken_up() -> None:
    too_old = event_id(now_ms() - KEPT_MS - 60_000, PLACES)
    for last_id, status, reason in ((too_old, 410, "gone"), ("x", 400, "invalid_field")):
        answer = Scene().call("GET", "/v1/events", Last_Event_ID=last_id)
        assert (answer.status_code, answer.json()["reason"]) == (status, reason)


def test_kafka_that_is_away_is_told_and_frees_its_place() -> None:
    scene, feed = Scene(), CannedFeed()
    feed.error = KafkaUnavailable("away")
    scene.feed = feed

    async def ask(client: httpx.AsyncClient) -> list[int]:
        headers = {"Authorization": f"Bearer {KEY}"}
        return [(await client.get("/v1/events", headers=headers)).status_code for _ in range(STREAMS_MAX + 1)]

    assert scene.asked(ask) == [503] * (STREAMS_MAX + 1)


class _Silent:
    """A feed in which nothing happens until its stream is closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def events(self, account_id: str, since: StreamPlace | None) -> AsyncGenerator[FeedEvent | None, None]:
        """Waits for ever."""
        try:
            yield None
            await asyncio.Event().wait()
        finally:
            self.closed += 1


def test_an_account_has_four_streams_and_a_client_that_leaves_frees_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.http_api.event_calls.COMMENT_EVERY_S", 0.05)
    scene, feed = Scene(), _Silent()
    scene.feed = feed
    request = f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()

    async def opened(port: int) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        return await reader.readuntil(b"\r\n\r\n"), reader, writer

    async def meeting() -> None:
        async with listening(scene) as port, asyncio.timeout(20):
            streams = [await opened(port) for _ in range(STREAMS_MAX)]
            assert all(head.startswith(b"HTTP/1.1 200") for head, _, _ in streams)
            for _ in range(3):
                await streams[0][1].readuntil(b": still here\n\n")
            refused = await opened(port)
            assert refused[0].startswith(b"HTTP/1.1 429")
            streams[0][2].close()
            while not feed.closed:
                await asyncio.sleep(0.01)
            again = await opened(port)
            assert again[0].startswith(b"HTTP/1.1 200")
            for _, _, writer in (*streams, refused, again):
                writer.close()
            while feed.closed < STREAMS_MAX + 1:
                await asyncio.sleep(0.01)

    asyncio.run(meeting())
    assert COMMENT_EVERY_S == 15.0
