"""Edge: `python -m tests.chaos --rounds N --seed S`: see docs/testing.md. Exit status 1 when anything is wrong."""

import argparse
import asyncio
import json
import logging
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.kafka import seam
from shared.process.clock import monotonic_s
from tests.chaos.fleet import Fleet
from tests.chaos.plan import plan
from tests.chaos.run import Run
from tests.chaos.table import full_table
from tests.chaos.verdict import Verdict

BEGAN_S = monotonic_s()


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    seam.install()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is stopped
    logging.disable(logging.CRITICAL)  # clients that lose their connections say so, again and again
    if options.keep is None:
        with tempfile.TemporaryDirectory(prefix="smsgw-chaos-", ignore_cleanup_errors=True) as folder:
            return asyncio.run(_run(options, Path(folder)))
    options.keep.mkdir(parents=True)
    return asyncio.run(_run(options, options.keep))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="The gateway under faults.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=2, help="faults a round, changes of the configuration apart")
    parser.add_argument("--longest", type=float, default=30.0, help="how long a process sleeps at most, in seconds")
    parser.add_argument("--first", type=int, default=0, help="begin with this round of the seed")
    parser.add_argument("--only", default="", help="only faults whose name contains this, e.g. 'late write: ingress'")
    parser.add_argument("--json", type=Path, help="append one line for each round to this file")
    parser.add_argument("--keep", type=Path, help="a new folder for all data and logs, which stays")
    return parser.parse_args(arguments)


async def _run(options: argparse.Namespace, folder: Path) -> int:
    rounds = plan(options.seed, options.rounds, options.faults, options.longest, options.only)[options.first :]
    results: list[dict[str, Any]] = []
    async with Fleet(folder) as fleet, Run(fleet, options.seed, _say).started() as run:
        for one in rounds:
            _say(f"round {one.number} of seed {options.seed}")
            verdict = await run.round(one)
            results.append(verdict.as_dict(options.seed))
            _append(options.json, results[-1])
            _tell(verdict)
        whole = await run.everything()
    problems = [*whole.lost, *whole.duplicates, *whole.contradictions]
    _say(f"all rounds together: {whole.published} messages, {whole.submits} segments accepted")
    for sentence in problems:
        _say(f"  WRONG {sentence}")
    sys.stdout.write("\n" + full_table(results) + "\n")
    return 1 if problems or any(not result["ok"] for result in results) else 0


def _tell(verdict: Verdict) -> None:
    found = verdict.reconciliation
    finals = ", ".join(f"{count} {word}" for word, count in sorted(found.finals.items()))
    _say(f"  {found.published} messages in {verdict.seconds:.0f} s: {finals}; {verdict.doubted} in doubt")
    for sentence in verdict.wrong[:20]:
        _say(f"  WRONG {sentence}")
    if len(verdict.wrong) > 20:
        _say(f"  and {len(verdict.wrong) - 20} more")


def _append(file: Path | None, result: dict[str, Any]) -> None:
    if file is not None:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(result) + "\n")


def _say(sentence: str) -> None:
    sys.stdout.write(f"{monotonic_s() - BEGAN_S:6.1f} s  {sentence}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
