"""Edge: `<data-dir>/kafka-cluster-id`: the cluster that a data directory has worked with."""

from pathlib import Path

from services.cli.errors import CliError
from shared.kafka.cluster_id import OtherCluster, check_cluster
from shared.local.private import open_private
from shared.operations.errors import Refused

NAME = "kafka-cluster-id"


def remember_cluster(data_dir: Path, address: str, cluster_id: str) -> None:
    """Write down which cluster answers at `address`, the first time.

    Raises `Refused` where it was another one before, `CliError` where that cannot be read or written.
    """
    file = data_dir / NAME
    try:
        known = file.read_text(encoding="ascii").strip() if file.exists() else ""
        check_cluster(address, known, cluster_id)
        if not known:
            with open(file, "w", encoding="ascii", opener=open_private) as writing:
                writing.write(f"{cluster_id}\n")
    except OtherCluster as error:
        raise Refused(str(error), f"where that is meant, remove {file}: everything begins anew there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"cannot use {file}: {error}") from error
