"""Edge: files of traces: who may read them, how many are kept, and what a bad disk does."""

import errno
import os
import stat
from pathlib import Path

import pytest

from services.binder.trace import files as trace_files
from services.binder.trace.files import SLICE, TraceFiles

AT_MS = 1_790_000_000_123


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = TraceFiles(tmp_path / "data").create("acme-1", 2, AT_MS)
    finally:
        os.umask(before)
    assert path == tmp_path / "data" / "traces" / "acme-1-2-20260921T141320123Z.txt"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_last_few_of_a_connector_are_kept_over_all_its_binds(tmp_path: Path) -> None:
    files = TraceFiles(tmp_path, kept=3)
    for number in range(6):
        assert files.create("acme", number % 2, AT_MS + number)
    assert [path.name[-8:-4] for path in files.of("acme")] == ["126Z", "127Z", "128Z"]


def test_connectors_whose_names_begin_alike_keep_their_own(tmp_path: Path) -> None:
    files = TraceFiles(tmp_path, kept=1)
    made = [files.create(name, partition, AT_MS) for name, partition in (("acme", 1), ("acme-1", 0), ("acme-1-1", 0))]
    assert files.create("acme", 0, AT_MS + 1)
    assert [path is not None and path.exists() for path in made] == [False, True, True]


async def test_it_is_filled_to_the_last_line(tmp_path: Path) -> None:
    files = TraceFiles(tmp_path)
    path = files.create("acme", 0, AT_MS)
    assert path is not None
    lines = [f"line {number}: ü" for number in range(3 * SLICE + 1)]
    await files.write(path, iter(lines))
    assert path.read_text(encoding="utf-8").splitlines() == lines
    await files.write(path, [])


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    assert TraceFiles(tmp_path / "file").create("acme", 0, AT_MS) is None
    assert "connector acme: no trace of the bind is kept" in caplog.text


async def test_a_full_disk_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    files = TraceFiles(tmp_path)
    path = files.create("acme", 0, AT_MS)
    assert path is not None
    monkeypatch.setattr(trace_files, "_append", full)
    await files.write(path, ["x"])
    assert f"the trace {path} could not be written: [Errno 28] No space left on device" in caplog.text
