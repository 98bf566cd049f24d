"""Edge: a load on a gateway in containers, run from outside, and the reconciliation of what it comes to."""

import contextlib
import json
import queue
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from services.cli.demo.reconcile import Published, Reconciliation, Told, reconcile
from services.cli.demo.traffic import submits_in
from tests.bench.scale_figures import JITTER, longest_gap_ms, most_in_a_second
from tests.containers.machine import say

SCRIPT: Final = Path(__file__).with_name("traffic.py").read_text(encoding="utf-8")
LIMITS: Final = {"alpha": (500, 2), "beta": (300, 1)}
"""tps and max_binds of the two connectors of compose/ and of the overlay dev, by system_id."""
_STATS: Final = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:2776/stats').read().decode())"
_BEGIN_S: Final = 120.0
_END_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`pause_ms`: the longest time in which the SMSC accepted nothing. By system_id: `tps`, the most in a second, and
    `binds`, the most at any look.
    """

    result: Reconciliation
    pause_ms: int
    tps: Mapping[str, int]
    binds: Mapping[str, int]
    missing: int

    def problems(self, unknown_max: int, dead_binds: int = 0) -> list[str]:
        """What is not as it should be, a sentence each. `dead_binds`: how many of a connector the SMSC may still hold
        open whose other end is gone without a word.
        """
        result = self.result
        found = [*result.lost, *result.duplicates, *result.contradictions]
        if self.missing:
            found.append(f"{self.missing} messages have no final status")
        if (unknown := sum(result.unknown.values())) > unknown_max:
            found.append(f"{unknown} are in doubt, {unknown_max} may be: {dict(result.unknown)}")
        for name, (tps, binds) in LIMITS.items():
            if self.tps.get(name, 0) > tps * JITTER:
                found.append(f"{name}: {self.tps[name]} in a second, tps is {tps}")
            if self.binds.get(name, 0) > binds + dead_binds:
                found.append(f"{name}: {self.binds[name]} binds, max_binds is {binds}")
        return found

    def __str__(self) -> str:
        result = self.result
        ends = ", ".join(f"{count} {word}" for word, count in sorted(result.finals.items()))
        return (
            f"{result.published} messages and {result.dead_letters} dead letters, {result.submits} segments at the"
            f" SMSC, {result.stored} in ClickHouse: {len(result.lost)} lost, {len(result.duplicates)} doubled,"
            f" {len(result.contradictions)} contradictions, {sum(result.unknown.values())} in doubt; {ends};"
            f" longest pause {self.pause_ms} ms; most in a second {dict(self.tps)}, binds {dict(self.binds)}"
        )


@dataclass(slots=True)
class Load:
    """Traffic that goes on while things are done to the gateway. `in_simulator` runs a program where the SMSC is."""

    process: "subprocess.Popen[str]"
    in_simulator: Callable[[Sequence[str]], str]
    lines: "queue.Queue[str | None]"
    log_before: int
    published: int = 0
    binds: dict[str, int] = field(default_factory=dict)

    def until_published(self, more: int) -> None:
        """Until so many more messages have been published than now. Raises AssertionError when nothing comes."""
        aim = self.published + more
        while self.published < aim:
            line = self.lines.get(timeout=_BEGIN_S)
            assert line is not None, "the traffic ended by itself"
            if found := re.fullmatch(r"published (\d+)", line):
                self.published = int(found[1])
        for name, stats in json.loads(self.in_simulator(["python", "-c", _STATS])).items():
            self.binds[name] = max(self.binds.get(name, 0), stats["binds"])

    def end(self) -> Verdict:
        """No more messages; wait for what there are, and compare all four sources."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        told: dict[str, Any] | None = None
        while (line := self.lines.get(timeout=_END_S)) is not None:
            if line.startswith("{"):
                told = json.loads(line)
        assert told is not None, "the traffic ended without its evidence"
        log = _log(self.in_simulator)[self.log_before :]
        submits = [one for one in submits_in(log) if one.to in {p["to"] for p in told["published"]}]
        result = reconcile(
            [Published(**{**one, "copies": tuple(one["copies"])}) for one in told["published"]],
            (told["raw"], told["dead"]),
            submits,
            [Told(**one) for one in told["told"]],
            {message_id: (status, final) for message_id, (status, final) in told["stored"].items()},
        )
        at_ms = [one.at_ms for one in submits]
        by_name: dict[str, list[int]] = {}
        for entry in map(json.loads, log.splitlines()):
            by_name.setdefault(entry["system_id"], []).append(entry["at_ms"])
        pause_ms = longest_gap_ms(at_ms, min(at_ms, default=0), max(at_ms, default=0))
        tps = {name: most_in_a_second(moments) for name, moments in by_name.items()}
        return Verdict(result, pause_ms, tps, self.binds, told["missing"])


@contextlib.contextmanager
def load(
    command: Sequence[str], environment: Mapping[str, str], in_simulator: Callable[[Sequence[str]], str]
) -> Iterator[Load]:
    """`command` runs its last argument, a Python program, in a container that reaches Kafka and ClickHouse."""
    before = len(_log(in_simulator))
    process = subprocess.Popen(
        [*command, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(environment)
    )
    lines: queue.Queue[str | None] = queue.Queue()
    assert process.stdout is not None
    reader = threading.Thread(target=_read_into, args=(process, lines))
    reader.start()
    try:
        running = Load(process, in_simulator, lines, before)
        running.until_published(1)
        say("traffic has begun")
        yield running
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _log(in_simulator: Callable[[Sequence[str]], str]) -> bytes:
    """What the SMSC has accepted since it was started: loads one after the other use the same numbers."""
    return in_simulator(["sh", "-c", "cat /data/submits.jsonl 2>/dev/null || true"]).encode()


def _read_into(process: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line.rstrip("\n"))
    lines.put(None)
