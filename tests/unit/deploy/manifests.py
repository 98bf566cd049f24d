"""Edge: the files of compose/ and k8s/ as data."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.topics import DOORS
from services.__main__ import NAMES
from shared.local.cache import cache_folder

TOP = Path(__file__).parents[3]
COMPOSE = TOP / "compose"
K8S = TOP / "k8s"
OVERLAYS = ("dev", "production")
SERVICES = tuple(name for name in NAMES if name != "simulator")
FLOW = tuple(name for name in SERVICES if name not in DOORS)
"""Those with a lasting name in consumer groups."""


def documents(file: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(file.read_text(encoding="utf-8")) if document]


def compose() -> dict[str, Any]:
    return documents(COMPOSE / "compose.yaml")[0]


def kustomize() -> str:
    """The program, from the path or the cache folder (`make kube-tools`); skips the test where there is none."""
    cached = cache_folder() / "bin" / "kustomize"
    found = shutil.which("kustomize") or (str(cached) if os.access(cached, os.X_OK) else None)
    if found is None:
        pytest.skip("kustomize is not there: `make kube-tools` builds it where Go is")
    return found


def built(overlay: str) -> list[dict[str, Any]]:
    """Every object of an overlay, as `kubectl apply -k` would send it."""
    done = subprocess.run([kustomize(), "build", str(K8S / "overlays" / overlay)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def pod_specs(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in objects:
        if one["kind"] in ("StatefulSet", "Deployment", "Job"):
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]
