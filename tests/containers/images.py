"""Edge: the images of compose.yaml and the manifests: pulled where that can be, else stood in for under their names.

What stands in is made of packages: `python:3.13-slim` of the distribution's own and a Python 3.13 of this machine,
Kafka of the jars and the Java of the embedded broker, configured by the official image's own class, and ClickHouse of
the embedded one.
"""

import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from shared.local.cache import cache_folder
from shared.local.java import find_java
from shared.local.kafka_jars import KAFKA_JARS
from tests.containers.engine import Engine
from tests.containers.machine import CannotHere, home, run, say
from tests.containers.names import CLICKHOUSE, KAFKA, OURS, PYTHON

TOP: Final = Path(__file__).parents[2]
_STAND_INS: Final = Path(__file__).parent / "stand_ins"
_AUTHORITIES: Final = "/etc/ssl/certs/ca-certificates.crt"


def make_images(engine: Engine) -> None:
    """`smsgw:local` by the project's Dockerfile, and all that is beside it in compose.yaml. Raises CannotHere."""
    if engine.own:
        _stand_in_for_python(engine)
    build(engine, TOP / "compose" / "Dockerfile", OURS, TOP)
    if not engine.own:
        for name in (KAFKA, CLICKHOUSE):
            if not engine.has_image(name):
                engine.docker("pull", name)
        return
    _stand_in_for_kafka(engine)
    versions = [f"{name}=={importlib.metadata.version(name)}" for name in ("chdb", "clickhouse-cityhash")]
    build(engine, _STAND_INS / "clickhouse" / "Dockerfile", CLICKHOUSE, _STAND_INS / "clickhouse", *versions)


def build(engine: Engine, dockerfile: Path, tag: str, context: Path, *packages: str) -> None:
    """`docker build` with pip's configuration of this machine as the secret `pip`."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as configuration:
        configuration.write(_pip_configuration())
        configuration.flush()
        arguments = ["--build-arg", f"PACKAGES={' '.join(packages)}"] if packages else []
        engine.docker(
            "build", *engine.network, "--file", dockerfile, "--tag", tag, *arguments,
            "--secret", f"id=pip,src={configuration.name}", context,
        )  # fmt: skip
    base, octets = (
        int(engine.docker("image", "inspect", "--format", "{{.Size}}", one)) / 1e6 if engine.has_image(one) else 0.0
        for one in (PYTHON, tag)
    )
    say(f"built {tag}, {octets:.0f} MB, of which {base:.0f} MB are {PYTHON}")


def import_program(engine: Engine, program: Path, tag: str) -> None:
    """An image of one program that needs nothing beside it."""
    with tempfile.NamedTemporaryFile(dir=home(), suffix=".tar") as archive:
        run(["tar", "-C", program.parent, "-cf", archive.name, program.name])
        engine.docker("import", "--change", f'ENTRYPOINT ["/{program.name}"]', archive.name, tag)


def _pip_configuration() -> str:
    """What pip goes by here, but for folders of this machine."""
    listed = run([sys.executable, "-m", "pip", "config", "list"]).stdout
    lines = ["[global]"]
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        option, value = name.rpartition(".")[2], value.strip("'\"")
        if not value.startswith("/") or (option == "cert" and value == _AUTHORITIES):
            lines.append(f"{option} = {value}")
    return "\n".join(dict.fromkeys(lines)) + "\n"


def _stand_in_for_python(engine: Engine) -> None:
    if engine.has_image(PYTHON):
        return
    say(f"making {PYTHON} of the distribution's packages")
    with tempfile.TemporaryDirectory(dir=home()) as name:
        root = Path(name) / "root"
        log = home() / "debootstrap.log"
        with log.open("wb") as to:
            done = subprocess.run(
                ["debootstrap", "--variant=minbase", "--include=ca-certificates,python3,wget",
                 _codename(), root, _archive()], stdout=to, stderr=to, check=False,
            )  # fmt: skip
        if done.returncode:
            raise CannotHere(f"debootstrap failed ({log}): a base image cannot be made of packages here.")
        for pattern in ("var/cache/apt/archives/*.deb", "var/lib/apt/lists/*_*"):
            for file in root.glob(pattern):
                file.unlink()
        shutil.copyfile(_AUTHORITIES, root / _AUTHORITIES.lstrip("/"))
        _add_python(_python_3_13(), root)
        archive = Path(name) / "root.tar"
        run(["tar", "-C", root, "-cf", archive, "."])
        settings = "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8"
        engine.docker("import", "--change", settings, "--change", 'CMD ["python3"]', archive, PYTHON)


def _codename() -> str:
    return run(["sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME"]).stdout.strip()


def _archive() -> str:
    """Where this machine has the packages of its distribution from."""
    listed = run(["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"]).stdout
    for line in listed.splitlines():
        release, _, address = line.partition(" ")
        if release in (_codename(), "stable", "testing"):
            return address
    raise CannotHere("apt names no archive of this distribution.")


def _python_3_13() -> Path:
    """The prefix of a Python 3.13 that is a folder of its own, as pyenv makes it."""
    candidates: Sequence[Path] = sorted(Path.home().glob(".pyenv/versions/3.13.*"), reverse=True)
    if (other := shutil.which("python3.13")) is not None:
        found = subprocess.run(
            [other, "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True, check=False
        )
        candidates = [*candidates, Path(found.stdout.strip() or "/usr")]
    for prefix in candidates:
        if prefix != Path("/usr") and (prefix / "bin" / "python3.13").exists():
            return prefix
    raise CannotHere(f"{PYTHON} cannot be pulled, and there is no Python 3.13 of pyenv's kind to make it of.")


def _add_python(prefix: Path, root: Path) -> None:
    to = root / "usr" / "local"
    unwanted = shutil.ignore_patterns("__pycache__", "*.a", "test", "config-*", "site-packages")
    shutil.copytree(prefix / "lib", to / "lib", symlinks=True, dirs_exist_ok=True, ignore=unwanted)
    (to / "bin").mkdir(exist_ok=True)
    shutil.copy2((prefix / "bin" / "python3.13").resolve(), to / "bin" / "python3.13")
    for name in ("python3", "python"):
        (to / "bin" / name).symlink_to("python3.13")
    run(["chroot", root, "ldconfig"])
    run(["chroot", root, "/usr/local/bin/python3", "-m", "ensurepip"])
    run(["chroot", root, "/usr/local/bin/python3", "-c", "import ctypes, lzma, sqlite3, ssl, zlib"])


def _stand_in_for_kafka(engine: Engine) -> None:
    runtime = find_java().parents[1]
    with tempfile.TemporaryDirectory(dir=home()) as name:
        context = Path(name) / "kafka"
        shutil.copytree(_STAND_INS / "kafka", context)
        shutil.copytree(runtime, context / "java", symlinks=True)
        (context / "jars").mkdir()
        for jar in KAFKA_JARS.ensure(cache_folder()):
            shutil.copy2(jar, context / "jars")
        build(engine, context / "Dockerfile", KAFKA, context)
