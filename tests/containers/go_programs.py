"""Edge: programs built from the Go module proxy, once, into the cache folder: `python -m tests.containers.go_programs`.

Each is built with upstream's own pins: its go.mod and go.sum are those of a module around it, so that its replace
lines hold too. Where and how modules are fetched is Go's own configuration (GOPROXY, GOFLAGS).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.process.clock import monotonic_s
from tests.containers.machine import CannotHere, exit_code_of, home, say

KUBERNETES: Final = "1.34.4"
_STAGING: Final = "v0.34.4"
"""The version of Kubernetes' parts, which are modules of their own; its go.mod requires them as v0.0.0."""

_LD_KUBERNETES: Final = " ".join(
    f"-X k8s.io/component-base/version.{name}={value}"
    for name, value in {
        "gitVersion": f"v{KUBERNETES}", "gitMajor": "1", "gitMinor": "34", "gitTreeState": "clean"
    }.items()
)  # fmt: skip

_COREDNS: Final = """package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func init() {
	dnsserver.Directives = []string{"health", "ready", "errors", "cache", "kubernetes"}
}

func main() { coremain.Run() }
"""
"""CoreDNS with the plugins that a cluster uses: without those of three clouds it takes a fraction of the time."""

_PAUSE: Final = """package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	<-end
}
"""
"""What holds the namespaces of a pod."""


@dataclass(frozen=True, slots=True)
class GoProgram:
    """`main`: the source of a program of ours, around the module if there is one; without it `package` is built."""

    module: str = ""
    version: str = ""
    package: str = "."
    ldflags: str = ""
    main: str = ""


def _of_kubernetes(name: str) -> GoProgram:
    return GoProgram("k8s.io/kubernetes", f"v{KUBERNETES}", f"k8s.io/kubernetes/cmd/{name}", _LD_KUBERNETES)


CONTROL_PLANE: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
NODE: Final = ("kubelet", "kube-proxy")

PROGRAMS: Final = {name: _of_kubernetes(name) for name in (*CONTROL_PLANE, "kubectl", *NODE)} | {
    "docker-compose": GoProgram(
        "github.com/docker/compose/v2", "v2.40.3", "github.com/docker/compose/v2/cmd",
        "-X github.com/docker/compose/v2/internal.Version=v2.40.3",
    ),
    "coredns": GoProgram("github.com/coredns/coredns", "v1.14.7", main=_COREDNS),
    "pause": GoProgram(main=_PAUSE),
}  # fmt: skip


def go_program(name: str) -> Path:
    """The program, built now if it has not been yet. Raises CannotHere: no Go, or the module is not to be had."""
    made = home() / "bin" / name
    if not made.exists():
        if shutil.which("go") is None:
            raise CannotHere(f"{name} would have to be built, and there is no Go (https://go.dev/doc/install).")
        began_s = monotonic_s()
        say(f"building {name} {PROGRAMS[name].version}")
        _build(PROGRAMS[name], made)
        say(f"built {name} in {monotonic_s() - began_s:.0f} s")
    return made


def module_folder(program: GoProgram) -> Path:
    """Where the sources of its module lie, fetched if need be."""
    with tempfile.TemporaryDirectory() as nowhere:
        _go(["mod", "init", "fetch"], Path(nowhere))
        told = json.loads(_go(["mod", "download", "-json", f"{program.module}@{program.version}"], Path(nowhere)))
    return Path(told["Dir"])


def _build(program: GoProgram, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if program.module:
            upstream = module_folder(program)
            (folder / "go.mod").write_text(_around(program, (upstream / "go.mod").read_text()))
            shutil.copyfile(upstream / "go.sum", folder / "go.sum")
        else:
            _go(["mod", "init", "alone"], folder)
        if program.main:
            (folder / "main.go").write_text(program.main)
        unfinished = to.with_suffix(".unfinished")
        _go(
            ["build", "-trimpath", "-ldflags", f"-s -w {program.ldflags}", "-o", str(unfinished), program.package],
            folder,
        )
        unfinished.rename(to)


def _around(program: GoProgram, go_mod: str) -> str:
    """The go.mod of a module that has a program's own pins, and requires the module itself."""
    text = re.sub(r"(?m)^module .*$", "module around", go_mod)
    text = re.sub(r"(?m)^toolchain .*\n", "", text)
    parts = re.findall(r"(?m)^\s*(k8s\.io/[\w-]+) => \./staging", text)
    if parts:
        text = re.sub(r"(?ms)^replace \(.*?^\)\n", "", text)
        text = re.sub(r"(?m)^(\s*k8s\.io/[\w-]+) v0\.0\.0$", rf"\1 {_STAGING}", text)
        text += "replace (\n" + "".join(f"\t{part} => {part} {_STAGING}\n" for part in parts) + ")\n"
    return f"{text}\nrequire {program.module} {program.version}\n"


def _go(arguments: list[str], folder: Path) -> str:
    flags = f"{os.environ.get('GOFLAGS', '')} -buildvcs=false" + (" -mod=mod" if arguments[0] == "build" else "")
    environment = os.environ | {"GOFLAGS": flags.strip(), "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    done = subprocess.run(
        ["nice", "-n", "19", "go", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise CannotHere(f"go {' '.join(arguments[:2])} failed: {last}")
    return done.stdout


def main() -> int:
    """Build those that are named on the command line; all without a name."""
    for name in sys.argv[1:] or PROGRAMS:
        go_program(name)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
