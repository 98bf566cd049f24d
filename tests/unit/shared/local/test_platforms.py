"""Pure: where embedded parts run."""

import pytest

from shared.local.platforms import embedded_problem


def test_here() -> None:
    assert embedded_problem() == ""


@pytest.mark.parametrize(
    ("system", "machine", "libc", "problem"),
    [
        ("linux", "aarch64", "glibc", ""),
        ("darwin", "arm64", "", ""),
        ("linux", "x86_64", "", "Linux with musl instead of glibc"),
        ("linux", "armv7l", "glibc", "linux on armv7l"),
        ("win32", "AMD64", "", "win32"),
        ("freebsd14", "amd64", "", "freebsd14"),
    ],
)
def test_elsewhere(system: str, machine: str, libc: str, problem: str) -> None:
    assert embedded_problem(system, machine, libc) == problem
