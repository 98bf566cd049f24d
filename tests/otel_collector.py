"""Edge: a real OpenTelemetry collector, which passes on what it gets to a receiver of the test."""

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from shared.local.cache import cache_folder
from shared.local.ports import free_port

COMPOSE_CONFIG = Path(__file__).parents[1] / "observability" / "collector.yaml"


def otelcol() -> str:
    """The program, from the path or the cache folder; skips the test where there is none."""
    cached = cache_folder() / "bin" / "otelcol"
    found = shutil.which("otelcol") or (str(cached) if os.access(cached, os.X_OK) else None)
    if found is None:
        pytest.skip("no OpenTelemetry collector is there: `make otelcol` builds one where Go is")
    return found


@contextmanager
def collector(folder: Path, receiver_url: str) -> Iterator[str]:
    """Runs it by the configuration of compose, with an exporter to `receiver_url`; yields where it takes OTLP."""
    program, port = otelcol(), free_port()
    config = yaml.safe_load(COMPOSE_CONFIG.read_text(encoding="utf-8"))
    config["receivers"]["otlp"]["protocols"]["http"]["endpoint"] = f"127.0.0.1:{port}"
    config["exporters"]["otlp_http"] = {"endpoint": receiver_url}
    for pipeline in config["service"]["pipelines"].values():
        pipeline["exporters"].append("otlp_http")
    file, log = folder / "collector.yaml", folder / "collector.log"
    file.write_text(yaml.safe_dump(config))
    with log.open("wb") as output:
        process = subprocess.Popen([program, f"--config={file}"], stdout=output, stderr=output)
    try:
        while not _answers(port):
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise AssertionError(f"it ended with {process.wait(0.05)}: {log.read_text()}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        assert process.wait(20) == 0, log.read_text()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True
