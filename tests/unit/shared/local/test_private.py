"""Edge: folders of ours are for their owner alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.up.run_file import RunFile, write_run_file
from shared.local.log_files import open_log
from shared.local.private import make_private_folder


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_one_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "data"
    assert make_private_folder(folder) is False
    write_run_file(folder, RunFile(1, "0", "k:1", ""))
    open_log(folder / "logs" / "x.log").close()
    modes = {path.name: mode(path) for path in (folder, *folder.rglob("*"))}
    assert modes == {"data": 0o700, "run.json": 0o600, "logs": 0o700, "x.log": 0o600}


def test_one_that_others_could_enter_is_closed_once(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    assert make_private_folder(folder) is True
    assert mode(folder) == 0o700
    assert make_private_folder(folder) is False


def test_one_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    if owner == 0:  # a volume that a cluster mounted
        assert make_private_folder(tmp_path) is False
        monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError) as caught:
        make_private_folder(tmp_path)
    assert str(caught.value.strerror).startswith("it belongs to ")
    assert str(caught.value.strerror).endswith(", not to user 4711")


def test_one_that_everybody_shares_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    for folder in (tmp_path, Path("/")):
        before = mode(folder)
        with pytest.raises(PermissionError) as caught:
            make_private_folder(folder)
        assert "everybody's" in str(caught.value.strerror)
        assert mode(folder) == before
    tmp_path.chmod(0o700)
