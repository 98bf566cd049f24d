"""Edge: what a machine must have for an engine or a cluster of its own, and the sentence where it has not."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from shared.local.cache import cache_folder
from shared.process.clock import monotonic_s

EXIT_CANNOT: Final = 77
"""As in Automake: not failed, not passed: cannot be tried here."""


CGROUPS: Final = Path("/sys/fs/cgroup")
_BEGAN_S: Final = monotonic_s()


class CannotHere(Exception):
    """Why this machine cannot do it; the text is one sentence for the person who asked."""


def home() -> Path:
    """The folder of all that is made once and kept."""
    folder = cache_folder() / "containers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def exit_code_of(work: Callable[[], int]) -> int:
    """That of `work`; 77, with its one sentence on standard error, where the machine cannot."""
    try:
        return work()
    except CannotHere as reason:
        sys.stderr.write(f"{reason}\n")
        return EXIT_CANNOT


def run(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, said: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """A command that must succeed, `said` on its standard input; raises AssertionError with what it said itself."""
    done = subprocess.run(command, text=True, input=said or "", capture_output=True, check=False, env=env)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done


def say(sentence: str) -> None:
    """A line of progress, at once, with the seconds since the start."""
    sys.stdout.write(f"{monotonic_s() - _BEGAN_S:5.0f} s  {sentence}\n")
    sys.stdout.flush()


def need_packages(programs: Mapping[str, str], instead: str) -> None:
    """Install the Debian packages of those programs (program -> package) that are not there.

    Raises CannotHere: not Linux, not root, no apt-get, or the packages are not to be had; `instead` says what a person
    may name to do without all that.
    """
    missing = sorted({package for program, package in programs.items() if shutil.which(program) is None})
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise CannotHere(f"To set one up takes Linux and root here: {instead}.")
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise CannotHere(f"To set one up takes {', '.join(missing)}, and there is no apt-get: {instead}.")
    say(f"installing {' '.join(missing)}")
    # by this runlevel no service that a package brings is started
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", *missing]):
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise CannotHere(f"{' '.join(command[:2])} does not bring {', '.join(missing)}: {last}")


def pause(seconds: float) -> None:
    """Between two looks at something that tells nobody when it changes."""
    threading.Event().wait(seconds)


def remove_remains(folders: Sequence[Path], cgroup: str) -> None:
    """Mounts on and below the folders, and the control groups of that name: what killed programs leave."""
    mounts = {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()}
    for mount in sorted(mounts, reverse=True):
        if any(Path(mount).is_relative_to(folder) for folder in folders):
            run(["umount", "--lazy", mount])
    for place in (CGROUPS, *CGROUPS.iterdir()):
        group = place / cgroup.lstrip("/")
        if group.is_dir():
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
