"""The file of evidence, over restarts and full disks."""

import os
from pathlib import Path

import pytest

from services.simulator.submit_log import SubmitLog


def test_lines_are_written_at_a_flush_and_kept_over_restarts(tmp_path: Path) -> None:
    file = tmp_path / "log"
    log = SubmitLog(file)
    log.add(b"1\n")
    log.add(b"2\n")
    assert file.read_bytes() == b""
    log.flush()
    assert file.read_bytes() == b"1\n2\n"
    log.add(b"3\n")
    log.close()
    again = SubmitLog(file)
    again.add(b"4\n")
    again.close()
    assert file.read_bytes() == b"1\n2\n3\n4\n"


@pytest.mark.parametrize("whole", [b"", b"1\n2\n", b"x" * 200_000 + b"\n"])
@pytest.mark.parametrize("torn", [b"", b'{"at_ms"', b"y" * 150_000])
def test_a_torn_last_line_is_cut(tmp_path: Path, whole: bytes, torn: bytes) -> None:
    file = tmp_path / "log"
    file.write_bytes(whole + torn)
    SubmitLog(file).close()
    assert file.read_bytes() == whole


def test_a_write_that_stops_half_way_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log"
    log = SubmitLog(file)
    write = os.write
    calls: list[int] = []

    def half(fd: int, octets: bytes) -> int:
        calls.append(len(octets))
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(fd, octets[:7])

    monkeypatch.setattr(os, "write", half)
    log.add(b"12345\n")
    log.add(b"67890\n")
    with pytest.raises(OSError, match="No space left"):
        log.flush()
    monkeypatch.undo()
    assert file.read_bytes() == b"12345\n"
    log.add(b"next\n")
    log.close()
    assert file.read_bytes() == b"12345\nnext\n"


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        SubmitLog(tmp_path)
