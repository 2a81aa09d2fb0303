"""The programs that are built from Go modules, each by the lock in its folder of `go/`."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tandem_contract.errors import TandemError

from localcloud import files, paths
from localcloud.toolchain import plugin

MODULES = Path(__file__).parent / "go"
LINKER_FLAGS = "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.259.0"
BUILDING_BYTES = 3 * 2**30
# The engine looks for language hosts beside itself; `.tandem/bin` has the command that starts it.
ENGINE = paths.BIN / "engine" / "pulumi"
YAML_HOST = ENGINE.with_name("pulumi-language-yaml")
PYTHON_TOOLCHAIN = ENGINE.with_name("pulumi-python-toolchain")
BRIDGE = paths.BIN / "pulumi-resource-terraform-provider"
# What is built -> the folder of its lock, its package, its minutes on two cores.
PROGRAMS = {
    ENGINE: ("pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", 6),
    PYTHON_TOOLCHAIN: ("pulumi", "./python-toolchain", 1),
    YAML_HOST: ("yaml", "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml", 1),
    BRIDGE: ("bridge", "github.com/pulumi/pulumi-terraform-bridge/v3/dynamic", 4),
}
Report = Callable[[str], None]


def digest(file: Path) -> str:
    """What the program depends on: a digest of its lock, and of its source where that is ours."""
    folder, package, _ = PROGRAMS[file]
    module = MODULES / folder
    sources = [module / "go.mod", module / "go.sum", *sorted((module / package).glob("*.go"))]
    text = "".join(source.read_text() for source in sources) + LINKER_FLAGS
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_built(file: Path) -> bool:
    """Whether the program is there, of its present lock."""
    stamp = paths.CACHE / f"{file.name}.built"
    return file.exists() and stamp.exists() and stamp.read_text() == digest(file)


def build(file: Path, instead: str, report: Report) -> None:
    """Build the program unless it is built.

    Raises TandemError where Go is missing, with what may be done `instead` of installing it, or where it fails.
    """
    if is_built(file):
        return
    folder, package, expected = PROGRAMS[file]
    require_go(file.name, f", or {instead}")
    files.require_space(paths.CACHE, BUILDING_BYTES, f"building {file.name}")
    compile_package(package, MODULES / folder, file, LINKER_FLAGS, expected, paths.CACHE / f"{file.name}.log", report)
    files.write(paths.CACHE / f"{file.name}.built", digest(file))


def require_go(name: str, instead: str = "") -> None:
    """Raise TandemError where Go is missing."""
    if not shutil.which("go"):
        raise TandemError(f"Go is missing, which builds {name}: install Go 1.26 or newer (https://go.dev/dl){instead}.")


def compile_package(
    package: str, module: Path, file: Path, flags: str, expected: float, log: Path, report: Report, **variables: str
) -> None:
    """Build the command `package`, as the folder `module` locks it, into `file`, which is whole or not there.

    `flags` are the linker's, `expected` the minutes that it takes. Raises TandemError where it fails.
    """
    started, partial = time.monotonic(), file.with_name(f"{file.name}.new")
    command = ["go", "build", "-v", "-trimpath", "-ldflags", flags, "-o", str(partial), package]
    options = {"cwd": module, "env": os.environ | {"CGO_ENABLED": "0"} | variables, "stderr": subprocess.STDOUT}
    with log.open("wb") as output:
        go = plugin.start(command, stdout=output, **options)
    while go.poll() is None:
        minutes, packages = (time.monotonic() - started) / 60, len(log.read_text().splitlines())
        report(f"building {file.name}: {minutes:.1f} of about {expected} min on two cores, {packages} packages")
        with suppress(subprocess.TimeoutExpired):
            go.wait(15)
    if go.returncode:
        raise TandemError(f"Go could not build {package}: see the end of {log}, and try again.")
    partial.replace(file)
    report(f"built {file.name} with Go in {time.monotonic() - started:.0f} s")
