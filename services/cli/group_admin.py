"""Edge: the members of consumer groups, and how one that is gone for good leaves.

aiokafka's admin client speaks versions of two requests that know nothing of static members, so the next ones stand here
(Kafka 2.4 and later has them). To leave in a member's name takes no join, so neither the group's assignor nor its other
members matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import NoError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

from shared.kafka import seam
from shared.kafka.client import administering
from shared.process.settings import Settings

_TEXT: Final = String("utf-8")


class _DescribedGroups(Response):  # type: ignore[misc]  # aiokafka is untyped here
    API_KEY = 15
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", _TEXT),
                ("state", _TEXT),
                ("protocol_type", _TEXT),
                ("protocol", _TEXT),
                (
                    "members",
                    Array(
                        ("member_id", _TEXT),
                        ("group_instance_id", _TEXT),
                        ("client_id", _TEXT),
                        ("client_host", _TEXT),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class _DescribeGroupsV4(RequestStruct):  # type: ignore[misc]  # aiokafka is untyped here
    API_KEY = 15
    API_VERSION = 4
    RESPONSE_TYPE = _DescribedGroups
    SCHEMA = Schema(("groups", Array(_TEXT)), ("include_authorized_operations", Boolean))


class _DescribeGroups(Request[_DescribeGroupsV4]):  # type: ignore[misc]  # aiokafka is untyped here
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_DescribeGroupsV4]) -> _DescribeGroupsV4:
        return request_struct_class([self._group], False)


class _Left(Response):  # type: ignore[misc]  # aiokafka is untyped here
    API_KEY = 13
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("members", Array(("member_id", _TEXT), ("group_instance_id", _TEXT), ("error_code", Int16))),
    )


class _LeaveGroupV3(RequestStruct):  # type: ignore[misc]  # aiokafka is untyped here
    API_KEY = 13
    API_VERSION = 3
    RESPONSE_TYPE = _Left
    SCHEMA = Schema(("group", _TEXT), ("members", Array(("member_id", _TEXT), ("group_instance_id", _TEXT))))


class _LeaveGroup(Request[_LeaveGroupV3]):  # type: ignore[misc]  # aiokafka is untyped here
    API_KEY = 13

    def __init__(self, group: str, instance_id: str) -> None:
        self._group = group
        self._instance_id = instance_id

    def build(self, request_struct_class: type[_LeaveGroupV3]) -> _LeaveGroupV3:
        return request_struct_class(self._group, [("", self._instance_id)])  # of a static member the instance id counts


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a group; `instance_id` is empty for a dynamic one, whose `member_id` changes with every start."""

    group: str
    state: str
    instance_id: str
    member_id: str
    host: str


async def group_members(settings: Settings, groups: Iterable[str]) -> list[Member]:
    """The members of those of the groups that exist, in the order given."""
    async with administering(settings) as admin:
        existing = {found[0] for found in await admin.list_consumer_groups()}
        members: list[Member] = []
        for group in groups:
            if group in existing:
                members += await _members(admin, group)
    return members


async def _members(admin: AIOKafkaAdminClient, group: str) -> list[Member]:
    response = await seam.ask_coordinator(admin, group, _DescribeGroups(group))
    (code, _, state, _, _, found, _) = response.groups[0]
    _check(code, group)
    members = [Member(group, state, instance or "", name, host.lstrip("/")) for name, instance, _, host, _, _ in found]
    return sorted(members, key=lambda member: (member.instance_id, member.member_id))


async def leave_in_the_name_of(settings: Settings, member: Member) -> None:
    """Its partitions are shared out among the others at once. Raises `KafkaError` when the group refuses."""
    async with administering(settings) as admin:
        response = await seam.ask_coordinator(admin, member.group, _LeaveGroup(member.group, member.instance_id))
    _check(response.error_code, member.group)
    for _, _, code in response.members:
        _check(code, member.group)


def _check(code: int, group: str) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error(f"group {group}")
