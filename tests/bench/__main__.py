"""Edge: `python -m tests.bench`: the end-to-end benchmark; the micro-benchmarks beside it run by their own names."""

import argparse
import asyncio
import json
import logging
import sys

from tests.bench import e2e


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description="End-to-end benchmark on this machine.")
    parser.add_argument("--warm-up", type=float, default=25, help="seconds before anything is counted")
    parser.add_argument("--steady", type=float, default=25, help="seconds that are counted")
    parser.add_argument("--rate", type=float, help="messages per second; default: as many as it takes")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the clients' remarks on a cluster that is just starting
    figures = asyncio.run(e2e.run(options.warm_up, options.steady, options.rate))
    print(json.dumps(figures, indent=2) if options.json else e2e.render(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
