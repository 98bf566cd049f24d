"""Edge: two requests about consumer groups, in versions that know static members.

aiokafka's admin client speaks versions that know nothing of them, so the next ones stand here (Kafka 2.4 and later has
them). To leave in a member's name takes no join, so neither the group's assignor nor its other members matter.
"""

from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import NoError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

from shared.kafka import seam

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


async def describe_group(admin: AIOKafkaAdminClient, group: str) -> tuple[str, list[tuple[str, str | None, str]]]:
    """State of the group; member id, static id and host of each member. Raises `KafkaError`."""
    response = await seam.ask_coordinator(admin, group, _DescribeGroups(group))
    (code, _, state, _, _, found, _) = response.groups[0]
    _check(code, group)
    return state, [(member_id, instance_id, host) for member_id, instance_id, _, host, _, _ in found]


async def leave_group(admin: AIOKafkaAdminClient, group: str, instance_id: str) -> None:
    """A static member leaves. Raises `KafkaError` when the group refuses."""
    response = await seam.ask_coordinator(admin, group, _LeaveGroup(group, instance_id))
    _check(response.error_code, group)
    for _, _, code in response.members:
        _check(code, group)


def _check(code: int, group: str) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error(f"group {group}")
