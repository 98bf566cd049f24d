"""Edge: `python -m tests.chaos.table FILE…`: the table of docs/guarantees.md from the results of `--json`."""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.chaos.plan import Fault
from tests.chaos.verdict import may_leave_doubt

COLUMNS: Final = ("rounds", "lost", "doubled", "contradictions", "in doubt", "binds above")


@dataclass(slots=True)
class _Row:
    """`bound_twice`: how often there were more binds than `max_binds`, while the old holder was stopped."""

    rounds: int = 0
    lost: int = 0
    doubled: int = 0
    contradictions: int = 0
    in_doubt: int = 0
    bound_twice: int = 0

    def add(self, result: Mapping[str, Any], fault: Fault) -> None:
        """A round with several faults counts in the row of each; what is in doubt, in those that can leave doubt."""
        self.rounds += 1
        self.lost += result["lost"]
        self.doubled += result["doubled"]
        self.contradictions += result["contradictions"]
        self.bound_twice += result["bound_twice"] if fault.process == "binder" else 0
        self.in_doubt += result["in_doubt"] if may_leave_doubt(fault) or not _explained(result) else 0


def _explained(result: Mapping[str, Any]) -> bool:
    return any(may_leave_doubt(Fault(**fault)) for fault in result["faults"])


def full_table(results: Iterable[Mapping[str, Any]]) -> str:
    """Kind of fault and process, a row each; Markdown."""
    rows: dict[tuple[str, str], _Row] = defaultdict(_Row)
    for result in results:
        for fault in {one.row: one for one in (Fault(**fault) for fault in result["faults"])}.values():
            rows[fault.row].add(result, fault)
    return _markdown(
        "| fault | process |", {f"| {kind} | {process} |": row for (kind, process), row in sorted(rows.items())}
    )


def short_table(results: Iterable[Mapping[str, Any]]) -> str:
    """Kind of fault, a row each."""
    rows: dict[str, _Row] = defaultdict(_Row)
    for result in results:
        faults = sorted((Fault(**fault) for fault in result["faults"]), key=may_leave_doubt)
        for kind, fault in {one.kind: one for one in faults}.items():  # of one kind, the last: one that may
            rows[kind].add(result, fault)
    return _markdown("| fault |", {f"| {kind} |": row for kind, row in sorted(rows.items())})


def _markdown(head: str, rows: Mapping[str, _Row]) -> str:
    lines = [f"{head} {' | '.join(COLUMNS)} |", "|---" * (head.count("|") - 1 + len(COLUMNS)) + "|"]
    for name, row in rows.items():
        counts = (row.rounds, row.lost, row.doubled, row.contradictions, row.in_doubt, row.bound_twice)
        lines.append(f"{name} {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def read_results(files: Iterable[Path]) -> list[dict[str, Any]]:
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.table")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--short", action="store_true", help="one row for each kind of fault")
    options = parser.parse_args(arguments)
    results = read_results(options.files)
    sys.stdout.write((short_table if options.short else full_table)(results) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
