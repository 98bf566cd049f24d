"""Edge: `make test-image`: the image built, the compose file up, its traffic reconciled while services are killed.

Exit codes: 0 all of it; 1 not; 77 this machine has no engine and cannot be given one.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from tests.containers.engine import Engine, engine
from tests.containers.evidence import Load, Verdict, load
from tests.containers.images import TOP, make_images
from tests.containers.machine import exit_code_of, home, run, say
from tests.containers.names import OURS
from tests.fixtures_containers import VARIABLE

PROJECT: Final = "smsgw-test-image"
BETWEEN: Final = 300
"""Messages before, between and after the kills."""
KILLED: Final = ("encoder", "throttler")
"""Whose death leaves nothing in doubt."""


class Compose:
    """The project's compose file under a name of its own."""

    def __init__(self, on: Engine) -> None:
        self._engine = on
        self._command = [*on.compose, "--file", str(TOP / "compose" / "compose.yaml"), "--project-name", PROJECT]

    def __call__(self, *arguments: str) -> str:
        return run([*self._command, *arguments], env=self._engine.environment).stdout

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        """Everything up and healthy while the block runs; volumes and networks are gone afterwards."""
        self("down", "--volumes", "--timeout", "5")  # of a run that was interrupted
        try:
            self("up", "--detach", "--wait", "--wait-timeout", "240", "--no-build")
            yield
        except BaseException:
            self._explain()
            raise
        finally:
            self("down", "--volumes", "--timeout", "5")

    def _explain(self) -> None:
        """What the probes of each container said, and a file with all logs."""
        file = home() / "compose.log"
        file.write_text(self("logs", "--no-color", "--timestamps"))
        health = "{{.Name}} {{.State.Status}} {{with .State.Health}}{{.Status}} {{json .Log}}{{end}}"
        said = self._engine.docker("inspect", "--format", health, *self("ps", "--all", "--quiet").split())
        say(f"{said}\nlogs: {file}")

    def in_simulator(self, program: Sequence[str]) -> str:
        return self("exec", "--no-TTY", "simulator", *program)

    @contextlib.contextmanager
    def traffic(self) -> Iterator[Load]:
        inside = ["run", "--rm", "--no-TTY", "--interactive", "--no-deps", "--entrypoint", "python", "setup", "-c"]
        with load([*self._command, *inside], self._engine.environment, self.in_simulator) as running:
            yield running


def image_answers(on: Engine) -> None:
    """The command line and a service of the image say what they are for."""
    assert "Usage" in on.docker("run", "--rm", "--network=none", "--entrypoint", "smsgw", OURS, "--help")
    who = on.docker("run", "--rm", "--network=none", "--entrypoint", "id", OURS)
    assert who.startswith("uid=10001"), who


def documented(compose: Compose) -> None:
    """What README.md says to type."""
    sent = compose("run", "--rm", "--no-TTY", "--entrypoint", "smsgw", "setup",
                   "send", "+447700900123", "hello", "--wait", "30")  # fmt: skip
    say(f"sent one: {sent.strip().splitlines()[-1]}")
    shown = compose("run", "--rm", "--no-TTY", "--entrypoint", "smsgw", "setup", "status")
    assert shown.rstrip().endswith("healthy"), shown


def reconciled(compose: Compose) -> Verdict:
    """Traffic, and one service after the other killed in the middle of it."""
    with compose.traffic() as running:
        running.until_published(BETWEEN)
        for service in KILLED:
            compose("kill", "--signal", "KILL", service)
            say(f"killed {service}")
            running.until_published(BETWEEN // 3)
            compose("up", "--detach", "--wait", "--no-build", "--no-deps", service)
            running.until_published(BETWEEN)
        return running.end()


def through_testcontainers(on: Engine) -> bool:
    """One file of end-to-end tests, whose fixtures start Kafka and ClickHouse in containers."""
    variables = {VARIABLE: "containers"} | ({"TESTCONTAINERS_RYUK_DISABLED": "true"} if on.own else {})
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/e2e/test_paths.py"]
    done = subprocess.run([*on.inside, *tests], cwd=TOP, env=on.environment | variables, check=False)
    return done.returncode == 0


def main() -> int:
    with engine(builds=True) as on:
        make_images(on)
    with engine(builds=False) as on:
        image_answers(on)
        compose = Compose(on)
        with compose.up():
            say("compose is up, every service healthy")
            documented(compose)
            verdict = reconciled(compose)
            say(str(verdict))
        passed = through_testcontainers(on)
    problems = verdict.problems(unknown_max=0)
    if not passed:
        problems.append("tests/e2e/test_paths.py failed in containers")
    for problem in problems:
        say(f"WRONG {problem}")
    say("image and compose file: " + ("WRONG" if problems else "as they should be"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
