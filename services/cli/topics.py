"""Edge: `smsgw topics`."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from schemas.gateway.file import AppliedConfig
from schemas.groups import CONSUMER_GROUPS
from schemas.topics import TOPICS, Topic, connector_topics, dispatch_topic
from services.cli.backlog import backlog_of
from services.cli.config_apply import (
    create_topics,
    forget_drained,
    is_over,
    read_applied,
    receipts_until_ms,
    wait_until_used,
)
from services.cli.errors import EXIT_FAILED, CliError
from services.cli.group_admin import Member, group_members, leave_in_the_name_of
from services.cli.output import console, print_json, print_json_lines, span, table
from services.cli.runtime import find_runtime, kafka_errors, no_topics, ranges_of
from services.cli.topic_admin import partition_counts
from shared.kafka.client import administering, consuming
from shared.process.clock import now_ms
from shared.process.settings import Settings

FORGET_S = 15.0
"""How long services may take to read that a connector is gone, before its topics go too."""


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
        if not any(map(registered, counts)):
            raise no_topics(settings)
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
    async with consuming(settings) as consumer:
        ranges = await ranges_of(consumer, counts)
    totals = dict.fromkeys(counts, 0)
    for tp, (start, end) in ranges.items():
        totals[tp.topic] += end - start
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


async def prune(connector_id: str | None, data_dir: Path | None, *, as_json: bool) -> int:
    """Delete a removed connector's topics, and forget the connector. Raises `CliError` while anything hangs on it.

    None: those of every removed connector; EXIT_FAILED when any of them must stay.
    """
    settings = find_runtime(data_dir).settings
    async with kafka_errors(settings):
        if connector_id is None:
            return await _prune_all(settings, as_json=as_json)
        deleted = await _prune(settings, connector_id)
    print_json({"deleted": deleted}) if as_json else console.print("deleted: " + ", ".join(deleted))
    return 0


async def _prune_all(settings: Settings, *, as_json: bool) -> int:
    removed = await _removed(settings)
    kept = 0
    for connector_id in removed:
        row: dict[str, Any] = {"connector_id": connector_id}
        try:
            row["deleted"] = await _prune(settings, connector_id)
            sentence = f"{connector_id}: deleted: {', '.join(row['deleted'])}"
        except CliError as error:
            kept += 1
            row |= {"kept": str(error), "hint": error.hint}
            sentence = f"{connector_id}: kept: {error}" + (f" ({error.hint})" if error.hint else "")
        print_json(row) if as_json else console.print(sentence)
    if not removed and not as_json:
        console.print("there are no topics of a removed connector")
    return EXIT_FAILED if kept else 0


async def _removed(settings: Settings) -> list[str]:
    """Connectors that are not configured, and have topics or are remembered; none where nothing was ever applied."""
    applied = await read_applied(settings)
    if applied is None:
        return []
    prefix = dispatch_topic("")
    names = filter(registered, await partition_counts(settings))
    with_topics = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    remembered = {draining.connector.id for draining in applied.draining}
    return sorted((with_topics | remembered) - {connector.id for connector in applied.gateway.connectors})


async def _prune(settings: Settings, connector_id: str) -> list[str]:
    applied = await read_applied(settings)
    if applied is not None:
        _refuse_while_used(applied, connector_id, now_ms())
    names = [topic.name for topic in connector_topics(connector_id, 1)]
    counts = await partition_counts(settings)
    existing = [name for name in names if name in counts]
    remembered = applied is not None and any(d.connector.id == connector_id for d in applied.draining)
    if not existing and not remembered:
        raise CliError(f"there are no topics of a connector {connector_id}")
    if waiting := (await backlog_of(settings, connector_id)).sentence():
        raise CliError(f"connector {connector_id} still has {waiting}; nothing was deleted")
    if applied is not None and remembered:
        forgotten = await forget_drained(settings, applied, connector_id)
        await wait_until_used(settings, forgotten.hash, FORGET_S, lambda _: None)
    if existing:
        async with administering(settings) as admin:
            await admin.delete_topics(existing)
    return existing


def _refuse_while_used(applied: AppliedConfig, connector_id: str, at_ms: int) -> None:
    if any(c.id == connector_id for c in applied.gateway.connectors):
        raise CliError(f"connector {connector_id} is configured", hint="remove it and `smsgw config apply`")
    for draining in applied.draining:
        if draining.connector.id == connector_id and not is_over(draining, at_ms):
            left = span(receipts_until_ms(draining) - at_ms)
            raise CliError(
                f"connector {connector_id} waits for receipts for another {left}",
                hint="`smsgw config apply --now` does without them",
            )


async def members(remove: str | None, data_dir: Path | None, *, as_json: bool) -> int:
    """The members of our groups; or make one that is gone for good leave."""
    settings = find_runtime(data_dir).settings
    async with kafka_errors(settings):
        found = await group_members(settings, CONSUMER_GROUPS)
        if remove is not None:
            return await _remove(settings, found, remove, as_json=as_json)
    if as_json:
        print_json_lines(asdict(member) for member in found)
    else:
        cells = [(m.group, m.state, m.instance_id or f"{m.member_id} (dynamic)", m.host) for m in found]
        console.print(table("Members", ["group", "state", "member", "host"], cells))
    return 0


async def _remove(settings: Settings, found: list[Member], instance_id: str, *, as_json: bool) -> int:
    member = next((m for m in found if m.instance_id == instance_id), None)
    if member is None:
        known = ", ".join(m.instance_id for m in found if m.instance_id) or "none"
        raise CliError(f"no group has a static member {instance_id!r}", hint=f"there are: {known}")
    await leave_in_the_name_of(settings, member)
    if as_json:
        print_json({"removed": instance_id, "group": member.group})
    else:
        console.print(f"{instance_id} has left group {member.group}", markup=False)
    return 0
