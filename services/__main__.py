"""Edge: `python -m services <name>` starts one service, or the simulator."""

import importlib
import sys

NAMES = ("ingress", "encoder", "throttler", "binder", "correlator", "recorder", "scheduler", "http-api", "simulator")


def main(arguments: list[str]) -> int:
    """Run the service named first; returns its exit code. `services.<name>.app.main(rest)` (its name
    with underscores) is all we know of it."""
    if not arguments or arguments[0] not in NAMES:
        sys.stderr.write(f"usage: python -m services {{{'|'.join(NAMES)}}}\n")
        return 2
    app = importlib.import_module(f"services.{arguments[0].replace('-', '_')}.app")
    code: int = app.main(arguments[1:])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
