"""Edge: the one way in which `config.gateway` is changed: compare-and-set, so that of two writers one wins.

Kafka has no such operation on a topic. What it has is `transactional.id`: who starts a producer with it fences every
other one, for ever, at the coordinator and at the partition's leader. All writers share one id, and each does this:

    1. start with the id: whatever another writer had open is over now, committed or aborted, and none of them can
       write or commit any more
    2. read the topic to its end: nobody else can have changed it since 1 without fencing us
    3. compare: another hash than the one that was expected means that somebody was faster
    4. write and commit. Kafka refuses that to a writer that was fenced since 1, whatever it was doing in between:
       waiting, sleeping for an hour, or sending

So a commit that succeeds was compared against exactly the record that it follows. A writer that was fenced between 1
and 4 has changed nothing; neither has one whose transaction was left open for longer than its timeout. Where the end
of a commit is unknown, the log says it: our record is readable at its offset, or never will be.

Nothing is tried again: what a person meant was meant for the configuration they had seen.
"""

import asyncio
import contextlib
import getpass
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.gateway.file import AppliedConfig
from schemas.groups import CONFIG_WRITER
from schemas.topics import CONFIG_GATEWAY
from shared.kafka.client import consuming
from shared.kafka.committed_offsets import SETTLED_WITHIN_S
from shared.kafka.errors import FatalKafkaError
from shared.kafka.produce import BatchProducer
from shared.kafka.records import Out
from shared.operations.errors import Refused, Unreachable
from shared.operations.kafka_access import kafka_errors
from shared.process.settings import Settings

CONFIG_KEY: Final = b"gateway"
LOOK: Final = "`smsgw config show` has what is applied now"
CHANGE_S: Final = 30.0
"""For reading, comparing, writing and committing. Whoever is slower is treated as one whose commit ended unknown."""

RIVAL_S: Final = 10.0
"""How long who was fenced waits to be told by whom; a transaction takes no longer."""

_POLL_S: Final = 0.05
_PLACE: Final = TopicPartition(CONFIG_GATEWAY, 0)


class ConfigurationChanged(Refused):
    """Somebody else was faster; nothing was written."""


@dataclass(frozen=True, slots=True)
class _Log:
    """The committed records of the topic, by offset, up to an end before which no transaction is open."""

    records: dict[int, AppliedConfig]

    @property
    def last(self) -> AppliedConfig | None:
        return self.records[max(self.records)] if self.records else None


def hash_of(applied: AppliedConfig | None) -> str:
    """The hash to expect; empty before the first apply."""
    return applied.hash if applied else ""


def who_i_am() -> str:
    """user@host, for the record; a process without an entry in the user database has a number."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def changed_by_other(expected: str, found: AppliedConfig | None) -> ConfigurationChanged:
    """Why a change that expected `expected` was not made: what is applied is `found`."""
    if found is None:
        return ConfigurationChanged(f"no configuration is applied ({expected} was expected), nothing applied", LOOK)
    at = datetime.fromtimestamp(found.applied_at_ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")
    who = found.applied_by or "somebody (an earlier version does not say who)"
    wanted = f"{expected} was expected" if expected else "none was expected"
    return ConfigurationChanged(
        f"the configuration was changed by {who} at {at}, nothing applied (it is {found.hash} now, {wanted})", LOOK
    )


async def change_config(settings: Settings, expected: str, changed: AppliedConfig, events: Sequence[Out] = ()) -> None:
    """Make `changed` the configuration if the one that is applied still has the hash `expected` (empty: none is).

    `events` are written in the same transaction. Raises `ConfigurationChanged` where it has another hash or somebody
    changes it meanwhile: then nothing was written. Raises `Unreachable`, which says so where the end is not known.
    """
    async with kafka_errors(settings):
        change = _Change(settings, expected, changed, events)
        try:
            async with asyncio.timeout(CHANGE_S):
                await change.make()
            return
        except (FatalKafkaError, TimeoutError) as error:
            problem = error
        finally:
            await change.close()
    await _find_out(settings, change, problem)


class _Change:
    """One attempt. `offset`: where its record lies, once Kafka has it; it may not be committed."""

    def __init__(self, settings: Settings, expected: str, changed: AppliedConfig, events: Sequence[Out]) -> None:
        self._settings = settings
        self._producer = BatchProducer(settings, client_id="smsgw-config", transactional_id=CONFIG_WRITER)
        self._outs = [Out(CONFIG_GATEWAY, CONFIG_KEY, changed.to_json(), partition=_PLACE.partition), *events]
        self.expected = expected
        self.offset: int | None = None

    async def make(self) -> None:
        await self._producer.start()
        await self._producer.begin()  # returns when Kafka has given us the id: everybody else is fenced
        found = (await _settled_log(self._settings)).last
        if hash_of(found) != self.expected:
            raise changed_by_other(self.expected, found)
        placed = await self._producer.send_all(self._outs)
        self.offset = placed[_PLACE.topic, _PLACE.partition]
        await self._producer.commit()

    async def close(self) -> None:
        await self._producer.stop()


async def _find_out(settings: Settings, change: _Change, problem: Exception) -> None:
    """Returns when the change was made after all. Raises what `change_config` raises.

    The producer is closed, so nothing more of it reaches Kafka than what is on its way, which readers wait for.
    """
    try:
        async with kafka_errors(settings):
            found = await _settled_log(settings)
            if change.offset in found.records:
                return
            found = await _until_changed(settings, change.expected, found)
    except Unreachable as error:
        if change.offset is None:
            raise
        raise Unreachable(f"{error}; whether the configuration was changed is not known", LOOK) from problem
    if hash_of(found.last) != change.expected:
        raise changed_by_other(change.expected, found.last) from problem
    raise ConfigurationChanged(f"another change of the configuration was begun meanwhile ({problem}); nothing applied",
                               LOOK) from problem  # fmt: skip


async def _until_changed(settings: Settings, expected: str, found: _Log) -> _Log:
    """Whoever fenced us is about to change the configuration, or to find that it may not: what it is then."""
    try:
        async with asyncio.timeout(RIVAL_S):
            while hash_of(found.last) == expected:
                await asyncio.sleep(_POLL_S * 4)
                found = await _settled_log(settings)
    except TimeoutError:
        pass  # it was stopped, or died
    return found


async def _settled_log(settings: Settings) -> _Log:
    """What is committed up to the end that the topic has now, once every transaction before that end is over.

    Raises TimeoutError when that takes too long, and what clients raise.
    """
    async with (
        asyncio.timeout(SETTLED_WITHIN_S),
        consuming(settings) as consumer,
        consuming(settings, isolation_level="read_uncommitted") as all_of_it,
    ):
        end = await _end(all_of_it)
        while await _end(consumer) < end:  # noqa: ASYNC110  # Kafka tells nobody
            await asyncio.sleep(_POLL_S)
        return _Log(await _read(consumer, end))


async def _end(consumer: AIOKafkaConsumer) -> int:
    """For a reader of committed records: where the first open transaction begins, if there is one."""
    ends = await consumer.end_offsets([_PLACE])
    return int(ends[_PLACE])


async def _read(consumer: AIOKafkaConsumer, end: int) -> dict[int, AppliedConfig]:
    found: dict[int, AppliedConfig] = {}
    consumer.assign([_PLACE])
    await consumer.seek_to_beginning(_PLACE)
    while await consumer.position(_PLACE) < end:
        for records in (await consumer.getmany(_PLACE, timeout_ms=200)).values():
            for record in records:
                if record.value is not None and record.offset < end:
                    with contextlib.suppress(ValueError):  # services pass over what they cannot read, too
                        found[record.offset] = AppliedConfig.from_json(record.value)
    return found
