"""Kubernetes' programs, built from Go modules by the locks in `toolchain/go`, and the charts that lie in such modules.

They are kept in the user's cache folder by the digest of the locks, so a fresh clone finds them.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tandem_contract.errors import TandemError

from localcloud import files, paths
from localcloud.kubernetes import charts
from localcloud.toolchain import go_programs
from localcloud.toolchain.go_programs import MODULES, Report

VERSION = "1.35.4"  # of Kubernetes, as go/kubernetes locks it
PLUGIN_VERSION = "4.25.0"  # of pulumi-kubernetes, whose Go module has no release but this commit
BUILDING_BYTES = 15 * 10**9

_COMPONENT = "k8s.io/component-base/version"
_KUBERNETES = f"-X {_COMPONENT}.gitVersion=v{VERSION} -X {_COMPONENT}.gitMajor=1 -X {_COMPONENT}.gitMinor=35"
_PLUGIN = f"-X github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version={PLUGIN_VERSION}"


class Program(NamedTuple):
    """What is built: the folder of its lock, its package, its minutes on two cores, and flags of the linker."""

    folder: str
    package: str
    minutes: float
    flags: str = ""


PROGRAMS = {
    "etcd": Program("etcd", "go.etcd.io/etcd/server/v3", 1),
    "kube-apiserver": Program("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", 5, _KUBERNETES),
    "kube-controller-manager": Program("kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", 2, _KUBERNETES),
    "kube-scheduler": Program("kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", 0.5, _KUBERNETES),
    # Its server of pending workloads writes a certificate to a folder beside the root of its container.
    "kueue": Program(
        "kubernetes", "sigs.k8s.io/kueue/cmd/kueue", 1.5, "-X sigs.k8s.io/kueue/pkg/visibility.certDir=visibility"
    ),
    "trainer": Program("kubernetes", "github.com/kubeflow/trainer/v2/cmd/trainer-controller-manager", 0.5),
    "karpenter": Program("kubernetes", "sigs.k8s.io/karpenter/kwok", 1.5),
    "jobset": Program("jobset", "sigs.k8s.io/jobset", 2.5),
    "kwok": Program("kwok", "sigs.k8s.io/kwok/cmd/kwok", 1.5),
    "pulumi-resource-kubernetes": Program("pulumi-kubernetes", ".", 10, _PLUGIN),
}

# Constants in which two controllers hold paths of their containers, relative to the folder in which they run here.
_FILE = "pkg/util/cert/cert.go"
_PATHS = {
    '"/tmp/k8s-webhook-server/serving-certs"': '"k8s-webhook-server/serving-certs"',
    '"/var/run/secrets/kubernetes.io/serviceaccount/namespace"': '"namespace"',
}
PATCHED = {"jobset": "sigs.k8s.io/jobset", "trainer": "github.com/kubeflow/trainer/v2"}


def folder() -> Path:
    """Where the programs, `charts` and `manifests` are, or will be."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "tandem" / "kubernetes" / digest()


def digest() -> str:
    """What all of it depends on: the locks, what is built of them and how, and the machine's architecture."""
    names = {program.folder for program in PROGRAMS.values()} | {"charts"}
    sources = sorted(file for name in names for file in (MODULES / name).iterdir())
    built = {name: (program.folder, program.package, program.flags) for name, program in PROGRAMS.items()}
    how = repr([platform.machine(), built, PATCHED, _PATHS, charts.CHARTS, charts.MANIFESTS])
    return hashlib.sha256("".join([*map(Path.read_text, sources), how]).encode()).hexdigest()[:16]


def is_built() -> bool:
    """Whether all of it is there."""
    return (folder() / "built").exists()


def ensure(report: Report) -> Path:
    """Return the folder, after building what is missing of it.

    Raises TandemError where `require` does, or a build fails. Of the 15 GB that it takes 0.9 stay, beside the sources
    in Go's own module cache, some 2 GB that other projects share.
    """
    require()
    target = folder()
    if not is_built():
        with files.disk_errors_told(), paths.locked(target.parent / "lock"):
            if not is_built():
                _build(target, report)
    return target


def require() -> None:
    """Raise TandemError where this machine can't run Kubernetes here, or can't build it and it isn't built."""
    if not sys.platform.startswith("linux"):
        raise TandemError("Kubernetes runs in the local cloud on Linux only: all else runs without --kubernetes.")
    if not shutil.which("openssl"):
        raise TandemError("Kubernetes needs certificates, and openssl is not on PATH: install it (Debian: openssl).")
    if not is_built():
        go_programs.require_go("Kubernetes")
        place = next(place for place in folder().parents if place.exists())
        files.require_space(place, BUILDING_BYTES, "building Kubernetes")


def _build(target: Path, report: Report) -> None:
    target.mkdir(exist_ok=True)
    cache = target.parent / "go-build"
    for name, program in PROGRAMS.items():
        if (target / name).exists():
            continue
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="building-") as work:
            module = Path(shutil.copytree(MODULES / program.folder, Path(work, program.folder)))
            if name in PATCHED:
                _patch(module, PATCHED[name])
            if program.package == ".":
                _embed(module)
            go_programs.compile_package(
                program.package, module, target / name, f"-s -w {program.flags}", program.minutes,
                target / f"{name}.log", report, GOCACHE=str(cache),
            )  # fmt: skip
    charts.collect(target)
    files.write(target / "built", "")
    shutil.rmtree(cache, ignore_errors=True)


def _patch(module: Path, path: str) -> None:
    """Make the lock in this folder build a copy of the module at `path` in which the constants are ours."""
    copy = Path(shutil.copytree(charts.module_folder(module, path), module / "patched"))
    for place in (copy, *copy.rglob("*")):  # the module cache is read-only
        place.chmod(place.stat().st_mode | 0o200)
    text = (copy / _FILE).read_text()
    for theirs, ours in _PATHS.items():
        if theirs not in text:
            raise TandemError(f"{_FILE} of {path} has no {theirs}: the lock of another version needs another patch.")
        text = text.replace(theirs, ours)
    (copy / _FILE).write_text(text)
    subprocess.run(["go", "mod", "edit", "-replace", f"{path}=./patched"], cwd=module, check=True)


def _embed(module: Path) -> None:
    """Write the two files that the plugin's command has in itself, which its Go module brings in another shape."""
    theirs = charts.module_folder(module, "github.com/pulumi/pulumi-kubernetes/provider/v4")
    for name, more in (("schema", {"version": PLUGIN_VERSION}), ("terraform-mapping", {})):
        text = (theirs / "cmd" / "pulumi-resource-kubernetes" / f"{name}.json").read_text()
        (module / f"{name}-embed.json").write_text(json.dumps(json.loads(text) | more, separators=(",", ":")))
