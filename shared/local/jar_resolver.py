"""Edge: a program of its own that resolves Maven coordinates with jgo and prints the path of every jar, one a line.

Run as `python -P jar_resolver.py <coordinates> <folder for jgo's own cache>`. It is a process apart because jgo is
slow to import, brings an HTTP client and a terminal library with it, and is needed once per machine only. Which
repository is asked is jgo's own configuration; no address is kept here.
"""

import sys
from pathlib import Path

import jgo


def main(coordinates: str, cache: str) -> int:
    """Print the jars; returns the exit code. What goes wrong is one line on stderr: no traceback says it better."""
    try:
        environment = jgo.build(coordinates, cache_dir=Path(cache))
    except Exception as error:  # whatever jgo, its HTTP client or the disk raise ends in the same sentence
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())}\n")
        return 1
    # all_jars, not classpath: the latter leaves out the jars that are Java modules, most of the broker
    sys.stdout.write("".join(f"{jar}\n" for jar in environment.all_jars))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
