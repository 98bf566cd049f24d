"""The locks: complete, with hashes, and without a word about where packages come from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)((?: ; [^\\]+)?) \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def pins(lock: str) -> set[tuple[str, str, str]]:
    """Name, version and marker of every package. Anything that is neither a pin, a hash nor a comment fails."""
    found: set[tuple[str, str, str]] = set()
    for line in (ROOT / lock).read_text().splitlines():
        if pin := PIN.match(line):
            found.add((pin[1], pin[2], pin[3].strip()))
        else:
            assert line.startswith("#") or HASH.match(line), f"{lock}: {line}"
    return found


def normalised(requirement: str) -> str:
    """The name in a requirement, spelt as in a lock."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert not re.search(r"://|index|find-links|host", text)


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime = {normalised(requirement) for requirement in project["dependencies"]}
    dev = {normalised(requirement) for requirement in project["optional-dependencies"]["dev"]}
    assert runtime <= {name for name, _, _ in pins("requirements.lock")}
    assert runtime | dev <= {name for name, _, _ in pins("requirements-dev.lock")}


def test_both_locks_agree() -> None:
    """Markers apart: what the image needs on one platform, what is embedded may need on all."""
    assert {pin[:2] for pin in pins("requirements.lock")} <= {pin[:2] for pin in pins("requirements-dev.lock")}
