"""Edge: which Kafka and which ClickHouse a command talks to: the environment, else run.json."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiokafka.errors import KafkaError
from dotenv import dotenv_values

from services.cli.errors import Invalid, Unreachable
from services.cli.run_file import RunFile, read_run_file
from shared.kafka import BatchProducer, KafkaUnavailable
from shared.settings import Settings, SettingsError, read_settings

KAFKA_VARIABLE = "SMSGW_KAFKA_BOOTSTRAP_SERVERS"
CLICKHOUSE_VARIABLE = "SMSGW_CLICKHOUSE_URL"


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
async def kafka_errors(settings: Settings) -> AsyncIterator[None]:
    """Turns whatever the client raises for a broker that does not answer into one sentence."""
    try:
        yield
    except (KafkaError, KafkaUnavailable, TimeoutError) as error:
        detail = str(error) or type(error).__name__
        raise Unreachable(
            f"Kafka at {settings.kafka_bootstrap_servers} does not answer: {detail}", "is `smsgw up` running?"
        ) from error


@asynccontextmanager
async def producing(settings: Settings) -> AsyncIterator[BatchProducer]:
    """A producer for one command."""
    producer = BatchProducer(settings, client_id="smsgw-cli")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
