"""Pure: what is known about a supervised process: how it is to run, how it is, and what just happened to it."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

INSTANCE_IN_USE = 75
WRONG_TOPICS = 78

ChildPhase = Literal["starting", "running", "waiting", "stopping", "gave_up", "stopped"]
"""`waiting`: dead, to be started again after its back-off. `gave_up`: dead, and starting again would not help."""

ChildEventKind = Literal["started", "exited", "restarting", "gave_up", "killed", "stopped"]


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to run one process, and how to stop it.

    `env` is its whole environment; `log_file` takes its stdout and stderr, appended. It is started again whenever it
    dies, with any exit code, unless `restart` is false or the code is one of `no_restart_exit_codes` (an instance id in
    use: two processes would evict each other without end; topics that somebody has to mend). Children with a lower
    `stop_order` are stopped first, those with the same together; one that is still there `stop_timeout_s` after
    `stop_signal` gets SIGKILL. When all want to run, it gives way to those with a lower `nice`.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log_file: Path
    cwd: Path | None = None
    restart: bool = True
    no_restart_exit_codes: frozenset[int] = frozenset({INSTANCE_IN_USE, WRONG_TOPICS})
    stop_order: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 15.0
    nice: int = 0


@dataclass(frozen=True, slots=True)
class ChildState:
    """How a process is now. `pid` is None unless it runs; `restarts` counts every start but the first.

    `last_exit_code` is negative for a signal, and None as long as it never ended. `start_error` says why the last
    attempt to start it failed; empty when it did not.
    """

    name: str
    phase: ChildPhase
    pid: int | None
    restarts: int
    last_exit_code: int | None
    start_error: str = ""


@dataclass(frozen=True, slots=True)
class ChildEvent:
    """What happened to a process.

    `started` (pid); `exited` (exit_code; or, when it could not be started at all, error); `restarting` (delay_s until
    then, 0 when it was asked for); `gave_up`; `killed` (it did not end in time); `stopped` (for good, as was asked).
    """

    name: str
    kind: ChildEventKind
    pid: int | None = None
    exit_code: int | None = None
    delay_s: float | None = None
    error: str | None = None
