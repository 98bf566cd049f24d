"""Edge: jars that are fetched once by Maven coordinates, kept in the user's cache folder, and always checked.

A list beside the code names every jar and its SHA-256. Nothing else is ever put on the class path: a jar more, a jar
less or another octet is an error. All of them are hashed at every start: the 44 MB of the broker take 0.1 s of the 2 to
4 s that it needs, and a stamp of sizes and times would believe exactly the change that a check is for.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.local.cache import cache_folder

_RESOLVER = Path(__file__).with_name("jar_resolver.py")
_FETCH_TIMEOUT_S = 600.0
_CANCEL_POLL_S = 0.1


class JarsUnavailableError(Exception):
    """The jars could not be fetched, or are not the ones the list names. The text is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class JarSet:
    """The jars of one Java program.

    title: how a sentence calls them. coordinates: what Maven resolves to exactly the jars of `list_file`, whose lines
    are `<sha256>  <name>`, as `sha256sum` writes them.
    """

    title: str
    version: str
    coordinates: str
    list_file: Path

    def expected(self) -> dict[str, str]:
        """File name -> SHA-256 in hex of every jar."""
        return parse_list(self.list_file.read_text(encoding="ascii"))

    def folder(self, cache: Path) -> Path:
        """Where they are kept; named after the list, so versions never mix."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.expected().items()))
        return cache / f"{self.title.lower()}-{self.version}-{hashlib.sha256(lines.encode()).hexdigest()[:12]}"

    def ensure(self, cache: Path, cancelled: threading.Event | None = None) -> list[Path]:
        """The checked jars, sorted by name, fetched into `cache` first if they are not there yet.

        Two processes may do this at once: each fetches into a folder of its own, and the first to rename it wins.
        Raises JarsUnavailableError, also soon after `cancelled` is set.
        """
        expected, folder = self.expected(), self.folder(cache)
        if not folder.is_dir():
            self._fetch(folder, expected, cancelled or threading.Event())
        if problem := check_jars(folder, expected):
            raise JarsUnavailableError(
                f"The {self.title} jars in {folder} are not the expected ones ({problem}); delete it."
            )
        return [folder / name for name in sorted(expected)]

    def are_fetched(self, cache: Path) -> bool:
        """Whether `ensure` will not need a network (whether the jars are the right ones is not looked at)."""
        return self.folder(cache).is_dir()

    def _fetch(self, folder: Path, expected: Mapping[str, str], cancelled: threading.Event) -> None:
        """Fetch into a new folder, check it, then give it its name: a folder with that name is always complete.

        The second attempt uses a Maven repository folder of its own: jgo keeps what an interrupted download left behind
        in the user's, and would take it for the jar ever after.
        """
        problem = ""
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder.parent) as scratch:
                for attempt, environ in enumerate(({}, {"M2_REPO": str(Path(scratch) / "m2")})):
                    target = Path(scratch) / f"jars{attempt}"
                    problem = resolve_into(target, self.coordinates, environ, cancelled) or ""
                    problem = problem or check_jars(target, expected) or ""
                    if not problem:
                        _give_name(target, folder)
                        return
                    if cancelled.is_set():
                        break
        except OSError as error:
            problem = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
        raise JarsUnavailableError(
            f"Could not fetch the {self.title} jars ({problem}); connect this machine to the internet for the first"
            f" start, or copy {folder} from a machine that has it."
        )


def parse_list(text: str) -> dict[str, str]:
    """Read lines of `<sha256>  <name>`, as `sha256sum` writes them. Raises ValueError for a line that is none."""
    jars: dict[str, str] = {}
    for line in text.splitlines():
        digest, _, name = line.partition("  ")
        if len(digest) != 64 or not name.endswith(".jar") or "/" in name:
            raise ValueError(f"not a line of a jar list: {line!r}")
        jars[name] = digest
    return jars


def check_jars(folder: Path, expected: Mapping[str, str]) -> str | None:
    """What distinguishes the files of `folder` from the list, in a few words, or None when they are the same."""
    present = {path.name for path in folder.iterdir()}
    if missing := sorted(set(expected) - present):
        return f"{missing[0]} is missing"
    if surplus := sorted(present - set(expected)):
        return f"{surplus[0]} is not in the list"
    for name, digest in expected.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            return f"{name} has another SHA-256 sum"
    return None


def resolve_into(target: Path, coordinates: str, environ: Mapping[str, str], cancelled: threading.Event) -> str | None:
    """Resolve the coordinates and copy the jars to `target`. Returns what went wrong, in a few words, or None."""
    target.mkdir()
    command = [sys.executable, "-P", str(_RESOLVER), coordinates, str(target.with_suffix(".jgo"))]
    resolver = subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
        command,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for us, and `cancelled` tells it
    )
    found = _communicate(resolver, cancelled)
    if found is None:
        return "it was interrupted" if cancelled.is_set() else f"no end after {_FETCH_TIMEOUT_S:.0f} s"
    output, errors = found
    if resolver.returncode != 0:
        lines = errors.strip().splitlines()
        return lines[-1][:300] if lines else f"jgo ended with code {resolver.returncode}"
    for line in output.splitlines():
        shutil.copyfile(line, target / Path(line).name)
    return None


def _communicate(process: "subprocess.Popen[str]", cancelled: threading.Event) -> tuple[str, str] | None:
    """What the process wrote to its end; None when it was killed, because of `cancelled` or the time limit."""
    waited_s = 0.0
    with process:
        while waited_s < _FETCH_TIMEOUT_S and not cancelled.is_set():
            try:
                return process.communicate(timeout=_CANCEL_POLL_S)
            except subprocess.TimeoutExpired:
                waited_s += _CANCEL_POLL_S
        process.kill()
        process.communicate()
    return None


def _give_name(target: Path, folder: Path) -> None:
    try:
        target.rename(folder)
    except OSError:
        if not folder.is_dir():  # another process was faster: its folder is as good as ours
            raise


def fetch_or_exit(jars: JarSet, size: str) -> None:
    """For `make jars`: fetch before a test's time limit runs; ends the process with a sentence when it cannot."""
    try:
        if not jars.are_fetched(cache_folder()):
            sys.stderr.write(f"Fetching {jars.title} {jars.version} ({size}, once)\n")
        jars.ensure(cache_folder())
    except JarsUnavailableError as error:
        sys.exit(str(error))
