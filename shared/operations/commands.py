"""Edge: a command to `mt.commands`, as any producer would publish it, and what has become of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from pydantic import ValidationError

from schemas.commands import Command
from schemas.topics import LIFECYCLE_EVENTS, MT_COMMANDS, MT_STATUSES
from shared.kafka.client import connection_options, consuming, partitions_of
from shared.kafka.errors import MissingTopics
from shared.kafka.records import object_of
from shared.operations.errors import Invalid
from shared.operations.kafka_access import kafka_errors
from shared.process.settings import Settings

_REFUSED: Final = frozenset({"cancel_too_late", "reschedule_too_late", "command_ignored"})
QUIET_S: Final = 2.0
"""A campaign that is cancelled has come to its end when nothing more of it ends for so long."""


def command_of(**fields: Any) -> Command:
    """The command; raises `Invalid` with a sentence for what is none."""
    try:
        return Command.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise Invalid(f"{where}: {what}" if where else what) from None


async def publish(settings: Settings, command: Command) -> str:
    """Returns the place of the command (`PARTITION/OFFSET`) once Kafka has acknowledged it.

    Raises `Unreachable`, `NotFound` (no topics).
    """
    producer = AIOKafkaProducer(**connection_options(settings), acks="all", enable_idempotence=True)
    async with kafka_errors(settings):
        try:
            await producer.start()
            if not await producer.partitions_for(MT_COMMANDS):
                raise MissingTopics(f"topics are missing: {MT_COMMANDS}")
            ack = await producer.send_and_wait(MT_COMMANDS, command.to_json(), key=command.account_id.encode())
        finally:
            await producer.stop()
    return f"{ack.partition}/{ack.offset}"


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """What has become of a command: how many messages it ended or moved, and a word where it was none."""

    done: int
    word: str = ""
    reason: str = ""

    @property
    def is_as_wished(self) -> bool:
        return self.done > 0 or self.reason == "already_cancelled"


class CommandAnswers:
    """What is told from now on; see `command_answers`."""

    def __init__(self, settings: Settings, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        self._settings = settings
        self._consumer = consumer
        self._partitions = partitions

    async def wait_for(self, command: Command, place: str, wait_s: float) -> CommandAnswer:
        """What is known within `wait_s`; nothing of a message that nobody has seen. Raises `Unreachable`."""
        self._done: set[str] = set()
        async with kafka_errors(self._settings):
            try:
                async with asyncio.timeout(wait_s):
                    return await self._answer(command, place)
            except TimeoutError:
                return CommandAnswer(len(self._done), "" if self._done else "unknown")

    async def _answer(self, command: Command, place: str) -> CommandAnswer:
        polls_ms = round(QUIET_S * 1000) if command.command == "cancel_campaign" else 200
        while True:
            found = await self._consumer.getmany(*self._partitions, timeout_ms=polls_ms)
            for record in (record for records in found.values() for record in records):
                value = object_of(record.value)
                if value.get("event") in _REFUSED and str(value.get("detail", "")).endswith(f" {place}"):
                    return CommandAnswer(0, str(value["event"]), str(value.get("reason", "")))
                if _is_done(command, record, value):
                    self._done.add(str(value.get("message_id")))
                    if command.command != "cancel_campaign":
                        return CommandAnswer(1)
                elif command.command == "cancel" and _is_final(command, record, value):
                    return CommandAnswer(0, "ended", str(value.get("status", "")))
            if self._done and not found:
                return CommandAnswer(len(self._done))


def _is_done(command: Command, record: ConsumerRecord, value: dict[str, Any]) -> bool:
    if not _is_about(command, value):
        return False
    if command.command == "reschedule":
        return bool(record.topic == LIFECYCLE_EVENTS and value.get("event") == "rescheduled")
    return bool(record.topic == MT_STATUSES and value.get("status") == "cancelled")


def _is_final(command: Command, record: ConsumerRecord, value: dict[str, Any]) -> bool:
    return bool(record.topic == MT_STATUSES and value.get("final") and _is_about(command, value))


def _is_about(command: Command, value: dict[str, Any]) -> bool:
    if value.get("account_id") != command.account_id:
        return False
    named = (
        ("message_id", command.message_id),
        ("idempotency_key", command.idempotency_key),
        ("campaign_id", command.campaign_id),
    )
    return any(wanted is not None and value.get(name) == wanted for name, wanted in named)


@asynccontextmanager
async def command_answers(settings: Settings) -> AsyncIterator[CommandAnswers]:
    """The answers from now on. Enter it before the command is published.

    Raises `Unreachable`, `NotFound` (no topics).
    """
    async with kafka_errors(settings), consuming(settings) as consumer:
        partitions = await partitions_of(consumer, MT_STATUSES, LIFECYCLE_EVENTS)
        consumer.assign(partitions)
        for tp, end in (await consumer.end_offsets(partitions)).items():
            consumer.seek(tp, end)
        yield CommandAnswers(settings, consumer, partitions)
