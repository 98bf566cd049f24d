"""Edge: `smsgw topics`."""

import re
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition

from schemas.topics import TOPICS, Topic, connector_topics
from services.cli.config_apply import create_topics, read_applied
from services.cli.connectors import waiting_messages
from services.cli.errors import CliError, Invalid
from services.cli.output import console, print_json, print_json_lines, table
from services.cli.runtime import find_runtime, kafka_errors
from services.cli.topic_admin import admin_client, partition_counts
from shared.kafka import committed_with_metadata, group_options, leave_for_good, make_consumer
from shared.settings import Settings

GROUPS = (
    "ingress",
    "ingress-otp",
    "encoder",
    "encoder-otp",
    "throttler",
    "binder",
    "correlator-join",
    "correlator-fold",
    "recorder",
)


def registered(name: str) -> Topic | None:
    """The registry's entry of a concrete topic; None for dead letters and strangers."""
    if name.endswith(".dlq"):
        return None
    for topic in TOPICS:
        pattern = re.escape(topic.name).replace(re.escape("<connector>"), "[a-z0-9][a-z0-9-]*")
        if re.fullmatch(pattern, name):
            return topic
    return None


async def show(data_dir: Path | None, *, as_json: bool) -> int:
    """Every topic that exists, in flow order, then the rest."""
    settings = find_runtime(data_dir).settings
    async with kafka_errors(settings):
        counts = await partition_counts(settings)
        records = await _record_counts(settings, counts)
    order = {topic.name: number for number, topic in enumerate(TOPICS)}
    rows: list[dict[str, Any]] = []
    for name, partitions in counts.items():
        topic = registered(name)
        rows.append(
            {
                "topic": name,
                "partitions": partitions,
                "records": records[name],
                "key": topic.key if topic else "",
                "producers": list(topic.producers) if topic else [],
                "consumers": list(topic.consumers) if topic else [],
                "summary": topic.summary if topic else "dead letters" if name.endswith(".dlq") else "",
                "_order": order.get(topic.name, 0) if topic else 1000,
            }
        )
    rows.sort(key=lambda row: (row.pop("_order"), row["topic"]))
    if as_json:
        print_json_lines(rows)
    else:
        cells = [
            (
                r["topic"], r["partitions"], r["records"],
                ", ".join(r["producers"]), ", ".join(r["consumers"]), r["summary"],
            )
            for r in rows
        ]  # fmt: skip
        columns = ["topic", "partitions", "offsets", "written by", "read by", "what"]
        console.print(table("Topics", columns, cells, right=["partitions", "offsets"]))
    return 0


async def _record_counts(settings: Settings, counts: dict[str, int]) -> dict[str, int]:
    """Offsets between beginning and end of each topic: its records, plus transaction markers and compacted ones."""
    consumer = make_consumer(settings)
    await consumer.start()
    try:
        partitions = [TopicPartition(name, p) for name, count in counts.items() for p in range(count)]
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions)
    finally:
        await consumer.stop()
    totals = dict.fromkeys(counts, 0)
    for tp, end in ends.items():
        totals[tp.topic] += end - starts[tp]
    return totals


async def create(data_dir: Path | None, *, as_json: bool) -> int:
    """Create what is missing: the shared topics, and those of the applied connectors."""
    settings = find_runtime(data_dir).settings
    async with kafka_errors(settings):
        made = await create_topics(settings)
        applied = await read_applied(settings)
        if applied is not None:
            made += await create_topics(settings, applied.gateway.connectors)
    if as_json:
        print_json({"created": made})
    else:
        console.print("\n".join(made) if made else "nothing is missing")
    return 0


async def prune(connector_id: str, data_dir: Path | None, *, as_json: bool) -> int:
    """Delete a removed connector's topics. Raises `CliError` while it is configured or anything waits."""
    settings = find_runtime(data_dir).settings
    async with kafka_errors(settings):
        applied = await read_applied(settings)
        if applied is not None:
            if any(c.id == connector_id for c in applied.gateway.connectors):
                raise CliError(f"connector {connector_id} is configured", hint="remove it and `smsgw config apply`")
            if any(d.connector.id == connector_id and not d.now for d in applied.draining):
                raise CliError(f"connector {connector_id} still waits for receipts", hint="or apply with --now")
        names = [topic.name for topic in connector_topics(connector_id, 1)]
        existing = [name for name in names if name in await partition_counts(settings)]
        if not existing:
            raise Invalid(f"there are no topics of a connector {connector_id}")
        waiting = (await waiting_messages(settings, [connector_id])).get(connector_id, 0)
        if waiting:
            raise CliError(f"{waiting} messages wait for connector {connector_id}; nothing was deleted")
        async with admin_client(settings) as admin:
            await admin.delete_topics(existing)
    print_json({"deleted": existing}) if as_json else console.print("deleted: " + ", ".join(existing))
    return 0


async def members(remove: str | None, data_dir: Path | None, *, as_json: bool) -> int:
    """The members of our groups; or make one that is gone for good leave."""
    settings = find_runtime(data_dir).settings
    async with kafka_errors(settings):
        if remove is not None:
            return await _remove(settings, remove, as_json=as_json)
        rows = await _members(settings)
    if as_json:
        print_json_lines(rows)
    else:
        cells = [(r["group"], r["state"], r["member_id"], r["host"]) for r in rows]
        console.print(table("Members", ["group", "state", "member", "host"], cells))
    return 0


async def _members(settings: Settings) -> list[dict[str, Any]]:
    async with admin_client(settings) as admin:
        described = await admin.describe_consumer_groups(list(GROUPS))
    rows = []
    for response in described:
        for _, group, state, _, _, found, *_ in response.groups:
            rows += [
                {"group": group, "state": state, "member_id": member[0], "host": member[2].lstrip("/")}
                for member in found
            ]
    return rows


async def _remove(settings: Settings, member: str, *, as_json: bool) -> int:
    """Take the identity of a static member over for a moment, and leave the group with it."""
    group = next((g for g in sorted(GROUPS, key=len, reverse=True) if member.startswith(f"{g}-")), None)
    if group is None:
        raise Invalid(f"{member!r} is no member id of ours", "it reads <group>-<instance>; see `smsgw topics members`")
    options = group_options(settings, group) | {"group_instance_id": member}
    committed = await committed_with_metadata(settings, group)
    consumer = make_consumer(settings, *{tp.topic for tp in committed}, **options)
    await consumer.start()
    leave_for_good(consumer)
    await consumer.stop()
    print_json({"removed": member, "group": group}) if as_json else console.print(f"{member} has left group {group}")
    return 0
