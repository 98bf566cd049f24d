"""Edge: run.json."""

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from services.cli.up.run_file import NAME, RunFile, read_run_file, remove_run_file, write_run_file
from shared.process.clock import now_ms

RUN = RunFile(
    os.getpid(), "0", "127.0.0.1:9092", "http://127.0.0.1:8123", started_at_ms=now_ms(),
    processes={"kafka": 5, "binder": None},
)  # fmt: skip


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_run_file(tmp_path, RUN)
    assert read_run_file(tmp_path) == RUN
    assert [file.name for file in tmp_path.iterdir()] == [NAME]
    remove_run_file(tmp_path)
    remove_run_file(tmp_path)
    assert read_run_file(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1, "of_another_version": 2}', "\udcff"])
def test_what_is_not_ours_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text, encoding="utf-8", errors="surrogateescape")
    assert read_run_file(tmp_path) is None


def test_a_process_that_runs_is_alive() -> None:
    assert RUN.alive
    assert not RunFile(2**22 + 5, "0", "", "").alive


def test_whoever_has_the_number_now_and_began_later_is_another_process() -> None:
    """As after a restart of the machine, where numbers begin anew."""
    began_ms = int(psutil.Process().create_time() * 1000)
    assert not replace(RUN, started_at_ms=began_ms - 60_000).alive
    assert replace(RUN, started_at_ms=began_ms).alive
