"""Edge: messages with a `send_at`: each goes once, never early, though the services that hold it are killed."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from shared.process.clock import now_ms
from tests.e2e.gateway import Gateway, messages_to, rows, settle, statuses_of, traffic, until_submits

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PREFIX = "440301"
TAKEN_BACK, MOVED, STAYS, QUIET = "440302", "440303", "440304", "440305"
COUNT = 300
FIRST_S, LAST_S = 3.0, 13.0


def at(s: float) -> str:
    return datetime.fromtimestamp(s, UTC).isoformat()


def spread(begins_s: float) -> list[dict[str, Any]]:
    """Messages whose times follow one another evenly, some of them of two segments."""
    step = (LAST_S - FIRST_S) / COUNT
    return [
        one
        for n in range(COUNT)
        for one in messages_to(
            PREFIX, 1, n, send_at=at(begins_s + FIRST_S + n * step), receipt="all", text="x" * (20 if n % 10 else 200)
        )
    ]


async def test_kill_9_of_whoever_holds_a_message_neither_loses_nor_doubles_it(gateway: Gateway) -> None:
    async with traffic(gateway) as (publisher, follower):
        begins_s = now_ms() / 1000
        messages = spread(begins_s)
        await publisher.publish(messages[: COUNT // 2])
        await gateway.kill("scheduler")
        await publisher.publish(messages[COUNT // 2 :])
        await until_submits(gateway, [PREFIX], COUNT // 10)
        await gateway.kill("scheduler")
        await until_submits(gateway, [PREFIX], COUNT // 2)
        await gateway.kill("ingress")
        await gateway.kill("scheduler")
        found = await settle(gateway, publisher, follower, [PREFIX])
    assert found.ok, found
    due_ms = {
        message["value"]["to"].removeprefix("+"): datetime.fromisoformat(message["value"]["send_at"]).timestamp() * 1000
        for message in messages
    }
    early = [submit for submit in gateway.submits_to([PREFIX]) if submit.at_ms < due_ms[submit.to]]
    assert early == []


async def test_commands_are_answered_and_hold_although_the_scheduler_is_killed(gateway: Gateway) -> None:
    def cli(*arguments: str) -> tuple[int, dict[str, Any]]:
        done = gateway.cli(*arguments, "--account", "shop", "--wait", "30", "--json")
        return done.returncode, json.loads(done.stdout or "{}")

    def to(prefix: str, count: int, **fields: Any) -> list[dict[str, Any]]:
        return messages_to(prefix, count, send_at=at(now_ms() / 1000 + 3600), **fields)

    async with traffic(gateway) as (publisher, follower):
        await publisher.publish(to(TAKEN_BACK, 40, campaign_id="e2e-sale"))
        await publisher.publish(to(MOVED, 2, receipt="all") + to(STAYS, 1))
        *campaign, one, other, stays = [published.message_id for published in publisher.published]
        await gateway.kill("scheduler")
        code, answer = await asyncio.to_thread(cli, "cancel", campaign[0])
        assert (code, answer) == (0, {"done": 1, "answer": "", "reason": ""})
        code, answer = await asyncio.to_thread(cli, "cancel", campaign[0])
        assert (code, answer["reason"]) == (0, "already_cancelled")
        code, answer = await asyncio.to_thread(cli, "cancel", "01a0c450-6c7b-782c-8acb-76b5d128c95a")
        assert (code, answer["answer"], answer["reason"]) == (1, "cancel_too_late", "unknown_message")
        listed = await until_listed(gateway, {*campaign[1:], one, other, stays})
        assert {line["why"] for line in listed} == {"send_at"}
        soon = at(now_ms() / 1000 + 4)
        code, answer = await asyncio.to_thread(cli, "reschedule", one, "--send-at", soon)
        assert (code, answer["done"]) == (0, 1)
        command = gateway.cli("cancel", "--campaign", "e2e-sale", "--account", "shop")
        assert command.returncode == 0, command.stderr
        await gateway.kill("scheduler")
        assert not await follower.wait_for({*campaign, one}, 60)
        code, answer = await asyncio.to_thread(cli, "cancel", one)
        assert (code, answer["answer"]) == (1, "cancel_too_late")
        told = await statuses_of(gateway, [*campaign, one, other])
        assert {tuple(s.status for s in told[name] if s.final) for name in campaign} == {("cancelled",)}
        assert [s.status for s in told[one]] == [
            "accepted",
            "scheduled",
            "scheduled",
            "queued",
            "submitted",
            "delivered",
        ]
        assert [s.status for s in told[other]] == ["accepted", "scheduled"]
        assert gateway.submits_to([TAKEN_BACK, STAYS]) == []
        for name in (other, stays):
            assert (await asyncio.to_thread(cli, "cancel", name))[0] == 0


async def until_listed(gateway: Gateway, message_ids: set[str]) -> list[dict[str, Any]]:
    """What `schedule list` says of them, as soon as ClickHouse has all, and no other of this test's."""
    async with asyncio.timeout(30):
        while True:
            done = await asyncio.to_thread(gateway.cli, "schedule", "list", "--account", "shop", "--json")
            assert done.returncode == 0, done.stderr
            listed = [line for line in rows(done) if line["message_id"] in message_ids]
            if {line["message_id"] for line in listed} == message_ids:
                return listed
            await asyncio.sleep(0.3)


async def test_what_comes_in_quiet_hours_waits_and_ends_at_its_validity(gateway: Gateway) -> None:
    plain = yaml.safe_load(gateway.config_file.read_text(encoding="utf-8"))
    hours = {"from": "00:00", "to": "00:00", "timezone": "Europe/Berlin"}
    night = {"id": "night", "default_sender": "NIGHT", "quiet_hours": hours}
    await applied(gateway, plain | {"accounts": [*plain["accounts"], night]})
    async with traffic(gateway) as (publisher, follower):
        fields: dict[str, Any] = {"account_id": "night", "lane": "bulk", "validity_s": 8, "receipt": "all"}
        await publisher.publish(messages_to(QUIET, 2, **fields))
        await publisher.publish(messages_to(QUIET, 1, 2, **fields | {"send_at": at(now_ms() / 1000 + 2)}))
        await publisher.publish(messages_to(QUIET, 1, 3, **fields | {"lane": "txn", "validity_s": 60}))
        *quiet, later, other = [published.message_id for published in publisher.published]
        assert not await follower.wait_for({*quiet, later, other}, 60)
    told = {name: [s.status for s in found] for name, found in (await statuses_of(gateway, [*quiet, later])).items()}
    assert [told[name] for name in quiet] == [["accepted", "scheduled", "expired"]] * 2
    assert told[later] == ["accepted", "scheduled", "scheduled", "expired"]
    assert [submit.to[-1] for submit in gateway.submits_to([QUIET])] == ["3"]
    await applied(gateway, plain)


async def applied(gateway: Gateway, configuration: dict[str, Any]) -> None:
    file = gateway.data_dir / "quiet.yaml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    done = await asyncio.to_thread(gateway.cli, "config", "apply", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
