"""Edge: ten rounds of `make chaos`: the same ones on every machine."""

from pathlib import Path

import pytest

from tests.chaos.__main__ import main

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600), pytest.mark.long]

ROUNDS = 10
SEED = 23052
"""Twenty faults of nine kinds in little time; none of Kafka, which others do (`test_kill.py`), and which takes long."""
LONGEST_S = 12.0
"""Longer than a session: whoever sleeps so long is replaced."""


def test_ten_rounds_lose_double_and_contradict_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        f"--rounds={ROUNDS}", f"--seed={SEED}", f"--longest={LONGEST_S}", f"--keep={tmp_path / 'chaos'}"
    ]  # fmt: skip
    status = main(arguments)
    assert status == 0, capsys.readouterr().out
