"""Edge: `smsgw topics`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.cli.errors import EXIT_FAILED
from services.cli.output import console, print_json, print_json_lines, table
from services.cli.runtime import find_runtime
from shared.operations import adoption, groups, topics
from shared.operations.acls import ROLES, commands, rights_of
from shared.operations.adoption import AdoptionChoice
from shared.operations.errors import Invalid, NotFound, Refused
from shared.operations.hanging.find import end_hanging, find_hanging
from shared.operations.hanging.verdicts import Hanging
from shared.operations.layout_choice import LayoutWish
from shared.process.settings import Settings


async def show(data_dir: Path | None, *, as_json: bool) -> int:
    """Every topic that exists, in flow order, then the rest."""
    found = await topics.topic_statuses(find_runtime(data_dir).settings)
    if as_json:
        print_json_lines(asdict(topic) for topic in found)
        return 0
    cells = [
        (t.topic, t.partitions, t.records, ", ".join(t.producers), ", ".join(t.consumers), t.summary) for t in found
    ]
    columns = ["topic", "partitions", "offsets", "written by", "read by", "what"]
    console.print(table("Topics", columns, cells, right=["partitions", "offsets"]))
    return 0


async def create(wish: LayoutWish, data_dir: Path | None, *, as_json: bool) -> int:
    """Create what is missing: the shared topics, and those of the applied connectors."""
    made = await topics.create_missing(find_runtime(data_dir).settings, wish)
    if as_json:
        print_json({"created": made})
    else:
        for line in made or ["nothing is missing"]:
            console.print(line)
    return 0


async def check(data_dir: Path | None, *, as_json: bool) -> int:
    """0 when every topic is as it was laid out; EXIT_FAILED when any is not."""
    layout, found = await topics.layout_differences(find_runtime(data_dir).settings)
    if as_json:
        print_json({"layout": layout.model_dump(), "differences": [asdict(one) for one in found]})
    else:
        console.print(f"laid out as {layout.partitions} partitions, {layout.replication_factor} replicas, "
                      f"min.insync.replicas {layout.min_insync}")  # fmt: skip
        for sentence in [one.sentence() for one in found] or ["every topic is so"]:
            console.print(sentence)
    return EXIT_FAILED if found else 0


async def acls(service: str | None, principal: str, *, as_json: bool) -> int:
    """The rights of one service, or of everybody. Raises `Invalid` for one that there is not."""
    if service is not None and service not in ROLES:
        raise Invalid(f"there is no {service!r}", f"there are: {', '.join(ROLES)}")
    roles = ROLES if service is None else (service,)
    rights = {role: rights_of(role, principal.replace("{service}", role)) for role in roles}
    if as_json:
        print_json_lines({"service": role, **asdict(right)} for role, held in rights.items() for right in held)
        return 0
    for role, held in rights.items():
        console.print(f"# {role}")
        for command in commands(held):
            console.print(command, soft_wrap=True)
    return 0


async def prune(connector_id: str | None, data_dir: Path | None, *, as_json: bool) -> int:
    """Delete a removed connector's topics; None: those of every one, and EXIT_FAILED when any of them must stay."""
    settings = find_runtime(data_dir).settings
    if connector_id is None:
        return await _prune_all(settings, as_json=as_json)
    deleted = await topics.prune(settings, connector_id)
    print_json({"deleted": deleted}) if as_json else console.print("deleted: " + ", ".join(deleted))
    return 0


async def _prune_all(settings: Settings, *, as_json: bool) -> int:
    removed = await topics.removed_connectors(settings)
    kept = 0
    for connector_id in removed:
        row: dict[str, Any] = {"connector_id": connector_id}
        try:
            row["deleted"] = await topics.prune(settings, connector_id)
            sentence = f"{connector_id}: deleted: {', '.join(row['deleted'])}"
        except (Refused, NotFound) as error:
            kept += 1
            row |= {"kept": str(error), "hint": error.hint}
            sentence = f"{connector_id}: kept: {error}" + (f" ({error.hint})" if error.hint else "")
        print_json(row) if as_json else console.print(sentence)
    if not removed and not as_json:
        console.print("there are no topics of a removed connector")
    return EXIT_FAILED if kept else 0


async def adopt(group: str, chosen: AdoptionChoice, data_dir: Path | None, *, dry_run: bool, as_json: bool) -> int:
    """Say where a group goes on where it has lost its place."""
    found = await adoption.adopt(find_runtime(data_dir).settings, group, chosen, dry_run=dry_run)
    if as_json:
        print_json_lines(asdict(one) | {"dry_run": dry_run} for one in found)
        return 0
    would = "would go on" if dry_run else "goes on"
    for one in found:
        console.print(f"{one.wrong}; there is {one.begin} to {one.end}: {group} {would} at {one.start}, "
                      f"{one.left_out} offsets are not read")  # fmt: skip
    return 0


async def members(remove: str | None, data_dir: Path | None, *, as_json: bool) -> int:
    """The members of our groups; or make one that is gone for good leave."""
    settings = find_runtime(data_dir).settings
    if remove is not None:
        return await _remove(settings, remove, as_json=as_json)
    found = await groups.group_members(settings)
    if as_json:
        print_json_lines(asdict(member) for member in found)
    else:
        cells = [(m.group, m.state, m.instance_id or f"{m.member_id} (dynamic)", m.host) for m in found]
        console.print(table("Members", ["group", "state", "member", "host"], cells))
    return 0


async def _remove(settings: Settings, instance_id: str, *, as_json: bool) -> int:
    member = await groups.remove_member(settings, instance_id)
    if as_json:
        print_json({"removed": instance_id, "group": member.group})
    else:
        console.print(f"{instance_id} has left group {member.group}")
    return 0


async def hanging(data_dir: Path | None, *, end: bool, as_json: bool) -> int:
    """Transactions that Kafka counts as over and has not ended: EXIT_FAILED where there are any; or end them, and
    EXIT_FAILED where any must stay because nobody knows how it ended."""
    settings = find_runtime(data_dir).settings
    found = await find_hanging(settings)
    ended = await end_hanging(settings, found) if end else []
    if as_json:
        print_json_lines(_hanging_row(one) | {"ended": one in ended} for one in found)
    elif not found:
        console.print("no transaction hangs")
    else:
        cells = [(one.open.tp.topic, one.open.tp.partition, one.open.since, one.transactional_id or "?", one.outcome,
                  "yes" if one in ended else "no") for one in found]  # fmt: skip
        columns = ["topic", "partition", "since offset", "transactional id", "was to", "ended"]
        console.print(table("Transactions that hang", columns, cells, right=["partition", "since offset"]))
    return EXIT_FAILED if len(found) > len(ended) else 0


def _hanging_row(one: Hanging) -> dict[str, Any]:
    return {
        "topic": one.open.tp.topic,
        "partition": one.open.tp.partition,
        "since_offset": one.open.since,
        "producer_id": one.open.producer_id,
        "transactional_id": one.transactional_id,
        "outcome": one.outcome,
    }
