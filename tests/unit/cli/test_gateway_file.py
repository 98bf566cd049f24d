"""Edge: a gateway.yaml that is too much, or without an end, costs neither time nor memory."""

import os
import threading
import tracemalloc
from pathlib import Path

import pytest

from services.cli.gateway_file import OCTETS_MAX, read_gateway_file
from shared.operations.errors import Invalid


@pytest.mark.parametrize("octets", [10 << 20, OCTETS_MAX, 1_000_001])
def test_a_file_of_megabytes_is_refused_before_it_is_looked_into(octets: int, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_bytes(b"version: 1 # " + b"x" * (octets - 13))
    tracemalloc.start()
    try:
        with pytest.raises(Invalid, match="is too much"):
            read_gateway_file(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * OCTETS_MAX


def test_of_a_file_without_an_end_only_so_much_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "gateway.yaml"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("wb", buffering=0) as file, pytest.raises(BrokenPipeError):
            while True:
                file.write(b"#" * 65_536)

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(Invalid, match="is too much: more than"):
        read_gateway_file(pipe)
    writer.join(10)
    assert not writer.is_alive()
