"""Edge: a data directory remembers its cluster."""

from pathlib import Path

import pytest

from services.cli.errors import CliError
from services.cli.up.cluster_file import NAME, remember_cluster
from shared.operations.errors import Refused


def test_the_first_cluster_is_remembered_and_another_one_is_a_sentence(tmp_path: Path) -> None:
    remember_cluster(tmp_path, "h:1", "first")
    remember_cluster(tmp_path, "h:2", "first")
    with pytest.raises(Refused, match="at h:1 is another cluster than before: it was first and is second") as told:
        remember_cluster(tmp_path, "h:1", "second")
    assert str(tmp_path / NAME) in told.value.hint
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


def test_one_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(CliError, match="cannot use"):
        remember_cluster(tmp_path, "h:1", "first")
