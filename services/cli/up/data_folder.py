"""Edge: whether a folder is a data directory of ours, asked before anything in it is made or changed."""

from pathlib import Path
from typing import Final

from services.cli.up import cluster_file, run_file
from shared.operations.errors import Invalid

OURS: Final = frozenset(
    {"kafka", "clickhouse", "simulator", "logs", "secrets", "state", "traces", run_file.NAME, cluster_file.NAME}
)
"""Any of these makes a folder ours."""

_OF_A_FILE_SYSTEM: Final = frozenset({"lost+found"})
_SHOWN_MAX: Final = 3


def refuse_folder_of_others(folder: Path) -> None:
    """Raise `Invalid` for a folder that has folders in it, and none of them ours: a project, a home, another program's
    data. Nothing is said of one that is not there, or that cannot be read: making it will tell.
    """
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return
    names = {entry.name for entry in found}
    if names & OURS:
        return
    strange = [entry.name for entry in found if entry.is_dir() and entry.name not in _OF_A_FILE_SYSTEM]
    if strange:
        more = ", ..." if len(strange) > _SHOWN_MAX else ""
        raise Invalid(
            f"{folder} is no data directory of this gateway: it has {', '.join(strange[:_SHOWN_MAX])}{more} in it, and "
            "nothing of ours",
            "name a new or empty folder with --data-dir or SMSGW_DATA_DIR",
        )
