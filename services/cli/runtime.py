"""Edge: which Kafka and which ClickHouse a command talks to: the environment, else run.json."""

import os
from dataclasses import dataclass
from pathlib import Path

from schemas.kafka_prefix import PREFIX_VARIABLE
from services.cli.up.run_file import RunFile, read_run_file
from shared.operations.errors import ManyInvalid, Unreachable
from shared.process.settings import (
    ClickHouseSettings,
    Settings,
    SettingsError,
    read_clickhouse_settings,
    read_settings,
)

KAFKA_VARIABLE = "SMSGW_KAFKA_BOOTSTRAP_SERVERS"
CLICKHOUSE_VARIABLE = "SMSGW_CLICKHOUSE_URL"
REQUEST_TIMEOUT_MS = 5_000
"""A person waits: a broker that says nothing for so long does not answer."""

_OF_THE_MACHINE = {"SMSGW_CACHE_DIR", PREFIX_VARIABLE}


def forget_environment() -> None:
    """Remove the addresses and options of ours from the environment, for a command that must run by itself whatever
    else runs on this machine.
    """
    for name in [name for name in os.environ if name.startswith("SMSGW_") and name not in _OF_THE_MACHINE]:
        del os.environ[name]


def data_dir_of(option: Path | None) -> Path:
    """`--data-dir`, else SMSGW_DATA_DIR, else ./.smsgw."""
    return (option or Path(os.environ.get("SMSGW_DATA_DIR") or ".smsgw")).expanduser().absolute()


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where things are. `run` is None when there is no run.json."""

    settings: Settings
    data_dir: Path
    run: RunFile | None

    @property
    def knows_clickhouse(self) -> bool:
        """Whether anything says where ClickHouse is; else the settings have the default address."""
        return self.run is None or bool(self.run.clickhouse_url or os.environ.get(CLICKHOUSE_VARIABLE))


def find_runtime(option: Path | None) -> Runtime:
    """Raises `Invalid` for a wrong environment, `Unreachable` when nobody says where Kafka is."""
    data_dir = data_dir_of(option)
    run = read_run_file(data_dir)
    overrides: dict[str, object] = {"data_dir": data_dir, "kafka_request_timeout_ms": REQUEST_TIMEOUT_MS}
    if not os.environ.get(KAFKA_VARIABLE):
        if run is None:
            raise _nothing_known(data_dir, KAFKA_VARIABLE)
        overrides["kafka_bootstrap_servers"] = run.kafka_bootstrap_servers
    if not os.environ.get(CLICKHOUSE_VARIABLE) and run is not None and run.clickhouse_url:
        overrides["clickhouse_url"] = run.clickhouse_url
    try:
        return Runtime(read_settings(**overrides), data_dir, run)
    except SettingsError as error:
        raise ManyInvalid(str(error).splitlines()) from None


def find_clickhouse(option: Path | None) -> ClickHouseSettings:
    """The ClickHouse of a command that needs nothing else. Raises `Invalid`, or `Unreachable` when nobody says where
    ClickHouse is.
    """
    data_dir = data_dir_of(option)
    run = read_run_file(data_dir)
    overrides: dict[str, object] = {}
    if not os.environ.get(CLICKHOUSE_VARIABLE):
        if run is None:
            raise _nothing_known(data_dir, CLICKHOUSE_VARIABLE)
        if not run.clickhouse_url:
            raise Unreachable(f"{data_dir} does not say where ClickHouse is", f"set {CLICKHOUSE_VARIABLE}")
        overrides["clickhouse_url"] = run.clickhouse_url
    try:
        return read_clickhouse_settings(**overrides)
    except SettingsError as error:
        raise ManyInvalid(str(error).splitlines()) from None


def _nothing_known(data_dir: Path, variable: str) -> Unreachable:
    return Unreachable(
        f"no running gateway is known in {data_dir}",
        f"start one with `smsgw up`, name its --data-dir, or set {variable}",
    )
