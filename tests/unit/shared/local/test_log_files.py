"""Logs are appended to, and cannot fill the disk."""

from pathlib import Path

from shared.local.log_files import open_log, trim_log


def test_logs_are_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "service.log"
    for word in (b"one ", b"two"):
        with open_log(path) as log:
            log.write(word)
    assert path.read_bytes() == b"one two"


def test_a_long_log_is_moved_while_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        assert not trim_log(path, limit_bytes=100)
        writer.write(b"y")
        assert trim_log(path, limit_bytes=100)
        writer.write(b"after")
    assert path.read_bytes() == b"after"
    assert path.with_name("service.log.1").read_bytes() == b"x" * 100 + b"y"


def test_a_log_that_is_not_there_is_short(tmp_path: Path) -> None:
    assert not trim_log(tmp_path / "none.log")
