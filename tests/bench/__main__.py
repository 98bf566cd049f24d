"""Edge: `python -m tests.bench`: the end-to-end benchmark; the micro-benchmarks beside it run by their own names."""

import argparse
import asyncio
import gc
import json
import logging
import pstats
import sys

from schemas.topics import EVERY_SERVICE
from shared.kafka import seam
from tests.bench import e2e
from tests.bench.aims import aims, render

SHORT_S = 10.0
WARM_UP_S = 45.0
"""At a new rate Kafka's JVM compiles anew: 15 % of a core in the first half minute, 5 % in the next, then 3 %."""

PROFILE_LINES = 40


def main() -> int:
    """0, or with --check 1 when an aim is missed."""
    options = _options()
    seam.install()
    logging.disable(logging.CRITICAL)  # the clients' remarks on a cluster that is just starting
    gc.disable()  # every status is remembered; to look through 400,000 took 80 ms, in which nothing was published
    plan = e2e.Plan(
        warm_s=SHORT_S if options.short else options.warm_up,
        steady_s=SHORT_S if options.short else options.steady,
        rate=options.rate,
        saturated_only=options.short or options.profile is not None,
        profile=options.profile,
    )
    figures = asyncio.run(e2e.run(plan))
    print(json.dumps(figures, indent=2) if options.json else render(figures))
    if options.profile is not None:
        _print_profile(options.profile)
    return int(options.check and not all(aim.met for aim in aims(figures)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="End-to-end benchmark on this machine.")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_S, help="seconds at each rate before it is counted")
    parser.add_argument("--steady", type=float, default=25, help="seconds that are counted at each rate")
    parser.add_argument("--rate", type=float, help="messages per second; default: as many as it takes")
    parser.add_argument("--short", action="store_true", help="only as many as it takes, 10 s after 10 s: for profiling")
    parser.add_argument("--profile", choices=EVERY_SERVICE, help="run this service under cProfile; no other rates")
    parser.add_argument("--check", action="store_true", help="exit status 1 when an aim is missed")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args()


def _print_profile(service: str) -> None:
    file = str(e2e.profile_file(service))
    print(f"\nwhere {service} spent its time (whole life of the process; {file} has it all):")
    pstats.Stats(file, stream=sys.stdout).strip_dirs().sort_stats("tottime").print_stats(PROFILE_LINES)


if __name__ == "__main__":
    sys.exit(main())
