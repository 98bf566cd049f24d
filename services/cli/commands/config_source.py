"""Edge: the configuration that a command speaks of: a file, or what is applied."""

from pathlib import Path

from schemas.gateway.file import AppliedConfig
from services.cli.gateway_file import read_gateway_file
from services.cli.runtime import find_runtime
from shared.operations.config.apply import read_applied
from shared.operations.config.gateway_yaml import parse_gateway
from shared.operations.errors import NotFound


async def applied_or_file(config: Path | None, data_dir: Path | None) -> AppliedConfig:
    """`config` as it would be applied now, else what is applied. Raises `NotFound` where nothing is."""
    if config is not None:
        return AppliedConfig(hash="", applied_at_ms=0, gateway=parse_gateway(read_gateway_file(config)))
    applied = await read_applied(find_runtime(data_dir).settings)
    if applied is None:
        raise NotFound("no configuration has been applied", "name the file: --config gateway.yaml")
    return applied
