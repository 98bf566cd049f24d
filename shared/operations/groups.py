"""Edge: the members of consumer groups, and how one that is gone for good leaves."""

import socket
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient

from schemas.groups import CONSUMER_GROUPS, GROUPS_OF, static_member
from shared.kafka.client import administering
from shared.kafka.group_requests import describe_group, leave_group
from shared.operations.beats import read_beats
from shared.operations.errors import NotFound, Refused
from shared.operations.kafka_access import kafka_errors
from shared.operations.spans import span
from shared.process.instance import BEAT_FRESH_MS, lives_here
from shared.process.settings import Settings


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One member of a group; `instance_id` is empty for a dynamic one, whose `member_id` changes with every start."""

    group: str
    state: str
    instance_id: str
    member_id: str
    host: str


async def group_members(settings: Settings) -> list[GroupMember]:
    """The members of our groups, in flow order. Raises `Unreachable`."""
    async with kafka_errors(settings), administering(settings) as admin:
        existing = {found[0] for found in await admin.list_consumer_groups()}
        found: list[GroupMember] = []
        for group in CONSUMER_GROUPS:
            if group in existing:
                found += await _members(admin, group)
    return found


async def _members(admin: AIOKafkaAdminClient, group: str) -> list[GroupMember]:
    state, found = await describe_group(admin, group)
    members = [GroupMember(group, state, instance or "", name, host.lstrip("/")) for name, instance, host in found]
    return sorted(members, key=lambda member: (member.instance_id, member.member_id))


async def remove_member(settings: Settings, instance_id: str) -> GroupMember:
    """Have a static member leave; its partitions are shared out among the others at once.

    Raises `Refused` while that member lives, by its beats: it would go on for up to a second, beside its successor.
    Raises `NotFound` where no group has it, `Unreachable` also where its group refuses.
    """
    members = await group_members(settings)
    member = next((m for m in members if m.instance_id == instance_id), None)
    if member is None:
        known = ", ".join(m.instance_id for m in members if m.instance_id) or "none"
        raise NotFound(f"no group has a static member {instance_id!r}", f"there are: {known}")
    await _refuse_while_alive(settings, member)
    async with kafka_errors(settings), administering(settings) as admin:
        await leave_group(admin, member.group, member.instance_id)
    return member


async def _refuse_while_alive(settings: Settings, member: GroupMember) -> None:
    async with kafka_errors(settings):
        at_ms, beats = await read_beats(settings)
    for beat in beats:
        state = beat.state
        groups = GROUPS_OF.get(state.service, ())
        mine = member.group in groups and static_member(member.group, state.instance) == member.instance_id
        gone = state.host == socket.gethostname() and not lives_here(state, at_ms)
        if mine and beat.fresh and not gone:
            raise Refused(
                f"{member.instance_id} is alive: {state.service} {state.instance} (pid {state.pid} on "
                f"{state.host or 'a host that is not known'}) has beaten {span(beat.age_ms)} ago; not removed",
                f"stop it first; one that was killed elsewhere counts as alive for {span(BEAT_FRESH_MS)}",
            )
