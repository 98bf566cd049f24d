"""Edge: the HTTP door end to end: what it has answered with 202 has one final status, kill -9 of the door or not."""

import asyncio
import http.client
import json
import os
import signal
import threading
from typing import Any

import pytest
import yaml

from services.cli.demo.traffic import read_stored
from services.http_api.access import rfc3339
from shared.local.ports import free_port
from shared.operations.keys import new_key
from shared.process.clock import now_ms
from tests.e2e.gateway import Gateway, accepted_at_ms, statuses_of, traffic

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SENDERS = 16
READY_S = 60.0
AFTER_THE_KILL = 40


class Door:
    """One more `http-api` on the gateway's Kafka, on a port that is known."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.port = free_port()
        self.key, self._hash = new_key("shop")
        self.up = gateway.up("--only", "http-api", instance="door", SMSGW_API_PORT=str(self.port))

    def configuration(self) -> dict[str, Any]:
        """The gateway's, in which the account has the key."""
        found: dict[str, Any] = yaml.safe_load(self._gateway.config_file.read_text(encoding="utf-8"))
        found["accounts"][0]["api_keys"] = [{"id": "web", "sha256": self._hash}]
        return found

    def post(
        self,
        body: dict[str, Any],
        key: str | None = None,
        path: str = "/v1/messages",
        method: str = "POST",
        **more: str,
    ) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer; status 0 where there was none."""
        headers = {name.replace("_", "-"): value for name, value in more.items()} | {
            "Authorization": f"Bearer {key or self.key}",
            "Content-Type": "application/json",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return 0, {}
        finally:
            connection.close()

    async def until_open(self) -> None:
        """Until it serves, with the key."""
        async with asyncio.timeout(READY_S):
            while (await asyncio.to_thread(self.post, {"to": "x", "text": "x"}))[0] != 400:
                await asyncio.sleep(0.2)


async def _applied(gateway: Gateway, configuration: dict[str, Any]) -> None:
    file = gateway.data_dir / "with-key.yaml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    done = await asyncio.to_thread(gateway.cli, "config", "apply", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


async def _repeats_are_answered_with_the_first(door: Door) -> None:
    """As soon as ingress has taken the key, whoever asks again with the same body is told the first id."""
    body, key = {"to": "+447700900111", "text": "once"}, f"once-{os.getpid()}"
    answers = [await asyncio.to_thread(door.post, body, Idempotency_Key=key)]
    async with asyncio.timeout(30):
        while answers[-1][0] == 202:
            answers.append(await asyncio.to_thread(door.post, body, Idempotency_Key=key))
    assert answers[-1] == (200, {"message_id": answers[0][1]["message_id"], "duplicate": True})
    status, told = await asyncio.to_thread(door.post, body | {"text": "twice"}, Idempotency_Key=key)
    assert (status, told["reason"]) == (409, "idempotency_conflict")


async def _a_batch(door: Door) -> list[str]:
    """The ids of what a batch has accepted."""
    messages = [{"to": f"+440299{number:07d}"} for number in range(20)]
    document = {"defaults": {"text": "from a batch", "lane": "bulk"}, "messages": [*messages, {"to": "x"}]}
    status, answer = await asyncio.to_thread(door.post, document, None, "/v1/messages/batch")
    assert (status, answer["accepted"], answer["rejected"]) == (202, 20, 1)
    return [one["message_id"] for one in answer["results"][:20]]


def _finals(port: int, key: str, last_id: str, opened: threading.Event, count: int) -> list[tuple[str, str, str]]:
    """(id, message, status) of a stream of events, until so many of them are final."""
    headers = {"Authorization": f"Bearer {key}"} | ({"Last-Event-ID": last_id} if last_id else {})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found: list[tuple[str, str, str]] = []
    finals, event_id = 0, ""
    try:
        connection.request("GET", "/v1/events", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        opened.set()
        while finals < count:
            name, _, value = answer.readline().decode().rstrip("\n").partition(": ")
            if name == "id":
                event_id = value
            elif name == "data":
                data = json.loads(value)["data"]
                found.append((event_id, data["message_id"], data["status"]))
                finals += data["final"]
    finally:
        opened.set()
        connection.close()
    return found


async def _events_are_told_and_told_again(door: Door) -> None:
    """A stream tells what becomes of two messages, one of them taken back; taken up at its first event it tells the
    rest again."""
    opened = threading.Event()
    reading = asyncio.create_task(asyncio.to_thread(_finals, door.port, door.key, "", opened, 2))
    assert await asyncio.to_thread(opened.wait, 60)
    body: dict[str, Any] = {"to": "+447700900112", "text": "told", "receipt": "all"}
    _, sent = await asyncio.to_thread(door.post, body)
    later = rfc3339(now_ms() + 3_600_000)
    _, waiting = await asyncio.to_thread(door.post, body | {"send_at": later})
    path = f"/v1/messages/{waiting['message_id']}"
    status, taken = await asyncio.to_thread(door.post, {}, None, path, "DELETE")
    assert (status, taken) == (202, {"message_id": waiting["message_id"]})
    told = await reading
    words = {message: word for _, message, word in told}
    assert words.keys() == {sent["message_id"], waiting["message_id"]}
    assert words[waiting["message_id"]] == "cancelled"
    again = await asyncio.to_thread(_finals, door.port, door.key, told[0][0], threading.Event(), 2)
    assert {(message, word) for _, message, word in again} == {(message, word) for _, message, word in told[1:]}


async def test_what_the_door_has_accepted_is_sent_although_it_is_killed(gateway: Gateway) -> None:
    door = Door(gateway)
    await _applied(gateway, door.configuration())
    await door.until_open()
    assert (await asyncio.to_thread(door.post, {"to": "+447700900001", "text": "x"}, "smsgw_shop_wrong"))[0] == 401
    await _events_are_told_and_told_again(door)
    await _repeats_are_answered_with_the_first(door)
    accepted = await _a_batch(door)
    killed = asyncio.Event()
    numbers = iter(range(10_000))

    async def send() -> None:
        sent_after = 0
        while sent_after < AFTER_THE_KILL // SENDERS + 1:
            to = f"+440298{next(numbers):07d}"
            status, answer = await asyncio.to_thread(door.post, {"to": to, "text": "from the door"})
            assert status in (0, 202), answer
            if status == 202:
                assert answer["to"] == to
                accepted.append(answer["message_id"])
                sent_after += killed.is_set()
            else:
                await asyncio.sleep(0.1)

    async def kill() -> None:
        while len(accepted) < 100:
            await asyncio.sleep(0.02)
        (pid,) = [state.pid for state in (await gateway.instances("http-api")).values() if state.instance == "door"]
        os.kill(pid, signal.SIGKILL)
        killed.set()

    async with traffic(gateway) as (_, follower):
        await asyncio.gather(kill(), *[send() for _ in range(SENDERS)])
        assert not await follower.wait_for(set(accepted), 90)
    told = await statuses_of(gateway, accepted)
    assert {sum(one.final for one in told[message_id]) for message_id in accepted} == {1}
    assert len(set(accepted)) == len(accepted)
    async with asyncio.timeout(30):
        first_ms = min(map(accepted_at_ms, accepted)) - 1
        while not set(accepted) <= (await read_stored(gateway.settings, 0, first_ms)).keys():
            await asyncio.sleep(0.25)
    await _applied(gateway, yaml.safe_load(gateway.config_file.read_text(encoding="utf-8")))
    door.up.terminate()
    assert await asyncio.to_thread(door.up.wait, 60) is not None
