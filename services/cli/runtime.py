"""Edge: which Kafka and which ClickHouse a command talks to: the environment, else run.json."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from dotenv import dotenv_values

from services.cli.errors import CliError, Invalid, Unreachable
from services.cli.run_file import RunFile, read_run_file
from shared.kafka import BatchProducer, FatalKafkaError, KafkaUnavailable, MissingTopics, connection_options
from shared.settings import Settings, SettingsError, read_settings

KAFKA_VARIABLE = "SMSGW_KAFKA_BOOTSTRAP_SERVERS"
CLICKHOUSE_VARIABLE = "SMSGW_CLICKHOUSE_URL"
CREATE_TOPICS = "`smsgw topics create` makes what is missing"
PROBE_TIMEOUT_MS = 3_000


def load_dotenv_file(directory: Path) -> None:
    """Variables of `.env` in `directory` that the environment does not have. Only the CLI reads that file."""
    for name, value in dotenv_values(directory / ".env").items():
        if value is not None and name.startswith("SMSGW_"):
            os.environ.setdefault(name, value)


def data_dir_of(option: Path | None) -> Path:
    """`--data-dir`, else SMSGW_DATA_DIR, else ./.smsgw."""
    return (option or Path(os.environ.get("SMSGW_DATA_DIR") or ".smsgw")).expanduser().absolute()


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where things are. `run` is None when the environment says it all."""

    settings: Settings
    data_dir: Path
    run: RunFile | None


def find_runtime(option: Path | None) -> Runtime:
    """Raises `Invalid` for a wrong environment, `Unreachable` when nobody says where Kafka is."""
    data_dir = data_dir_of(option)
    run = read_run_file(data_dir)
    overrides: dict[str, object] = {"data_dir": data_dir}
    if not os.environ.get(KAFKA_VARIABLE):
        if run is None:
            raise Unreachable(
                f"no running gateway is known in {data_dir}",
                f"start one with `smsgw up`, name its --data-dir, or set {KAFKA_VARIABLE}",
            )
        overrides["kafka_bootstrap_servers"] = run.kafka_bootstrap_servers
    if not os.environ.get(CLICKHOUSE_VARIABLE) and run is not None:
        overrides["clickhouse_url"] = run.clickhouse_url
    try:
        return Runtime(read_settings(**overrides), data_dir, run)
    except SettingsError as error:
        raise Invalid(str(error)) from None


@asynccontextmanager
async def kafka_errors(settings: Settings, hint: str = "is `smsgw up` running?") -> AsyncIterator[None]:
    """Turns whatever the client raises for a broker that does not answer, or has no topics of ours, into one sentence.

    Raises `Unreachable`, or `CliError` where Kafka answers and `smsgw topics create` is what is missing.
    """
    address = settings.kafka_bootstrap_servers
    try:
        yield
    except MissingTopics as error:
        raise CliError(f"Kafka at {address}: {str(error).partition(';')[0]}", hint=CREATE_TOPICS) from error
    except UnknownTopicOrPartitionError as error:
        raise CliError(f"Kafka at {address} has no topics of ours", hint=CREATE_TOPICS) from error
    except (KafkaError, KafkaUnavailable, FatalKafkaError, TimeoutError) as error:
        detail = str(error) or type(error).__name__
        raise Unreachable(f"Kafka at {address} does not answer: {detail}", hint) from error


async def kafka_answers(settings: Settings) -> bool:
    """Whether any broker of the address answers, with the credentials that the services use too."""
    admin = AIOKafkaAdminClient(**connection_options(settings), request_timeout_ms=PROBE_TIMEOUT_MS)
    try:
        await admin.start()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return True


@asynccontextmanager
async def producing(settings: Settings) -> AsyncIterator[BatchProducer]:
    """A producer for one command."""
    producer = BatchProducer(settings, client_id="smsgw-cli")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
