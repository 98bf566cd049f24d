"""Edge: ``python -m shared.local.clickhouse``: the embedded ClickHouse as a process."""

import argparse
import os
import sys
from pathlib import Path

from shared.local.clickhouse.requests import HttpAccount
from shared.local.clickhouse.server import serve


def main() -> int:
    """Read the options and serve; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m shared.local.clickhouse", description="ClickHouse in one process.")
    parser.add_argument("--data-dir", type=Path, required=True, help="where the data is; made when it is not there")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8123, help="HTTP port (default 8123; 0 takes a free one)")
    options = parser.parse_args()
    account = HttpAccount(
        user=os.environ.get("SMSGW_CLICKHOUSE_USER") or "default",
        password=os.environ.get("SMSGW_CLICKHOUSE_PASSWORD", ""),
    )
    return serve(options.data_dir, options.host, options.port, account)


if __name__ == "__main__":
    sys.exit(main())
