"""Finds the Pulumi engine and the aws provider on this machine, or builds them from Go modules into `.tandem`."""

import hashlib
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pulumi.runtime.proto import provider_pb2

from localcloud import paths
from localcloud.toolchain import guard, stacks
from localcloud.toolchain.aws_stand_in import provider, schemas

MODULES = Path(__file__).parent / "go"
GIGABYTES_TO_BUILD = 3
Report = Callable[[str], None]


class Missing(Exception):
    """Something that this machine has to have and hasn't; the text says what, and how to get it."""


@dataclass(frozen=True)
class Toolchain:
    """The `pulumi` to run, the environment that makes it local, and whether the provider is the official one."""

    pulumi: Path
    env: dict[str, str]
    official: bool


@dataclass(frozen=True)
class Program:
    """A Go program to build: the file it becomes, its lock's folder, its package, and its minutes on two cores."""

    file: Path
    module: str
    package: str
    minutes: float
    flags: str = "-s -w"


# The engine takes the language hosts beside itself without a warning; `.tandem/bin` has the command that runs it.
ENGINE_FOLDER = paths.BIN / "engine"
ENGINE = Program(
    ENGINE_FOLDER / "pulumi",
    "pulumi",
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    6,
    "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.259.0",
)
BRIDGE = Program(
    paths.BIN / "pulumi-resource-terraform-provider",
    "bridge",
    "github.com/pulumi/pulumi-terraform-bridge/v3/dynamic",
    3.5,
)
YAML = Program(
    ENGINE_FOLDER / "pulumi-language-yaml", "yaml", "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml", 1
)


def ensure(report: Report) -> Toolchain:
    """Make what is missing of the toolchain, telling `report` (at most once a second) what is going on.

    Raises Missing when this machine lacks something that only its owner can get.
    """
    for folder in (paths.BIN, paths.PULUMI, paths.STATE, paths.CACHE):
        folder.mkdir(parents=True, exist_ok=True)
    environment = _environment()
    installed = _installed_pulumi()
    official = bool(installed) and _install_official_provider(installed, environment, report)
    if not installed:
        _build(ENGINE, report)
        _build(YAML, report)
        _install_language_python()
    if not official:
        _install_stand_in(report)
    _script(paths.BIN / "pulumi", "localcloud.toolchain.stacks", installed or ENGINE.file)
    return Toolchain(paths.BIN / "pulumi", environment, official)


def console(text: str) -> None:
    """A `report` for a terminal, where each line replaces the last, and for a log, where most are left out."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)
    elif time.monotonic() - _last_line[0] > 15:
        _last_line[0] = time.monotonic()
        print(text, flush=True)


_last_line = [float("-inf")]


def _environment() -> dict[str, str]:
    passphrase = paths.PULUMI / "passphrase"
    if not passphrase.exists():
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(24))
    return {
        "PATH": os.pathsep.join([str(paths.BIN), str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PULUMI_HOME": str(paths.PULUMI),
        "PULUMI_BACKEND_URL": f"file://{paths.STATE}",
        "PULUMI_CONFIG_PASSPHRASE": passphrase.read_text(),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        **stacks.ENVIRONMENT,
    }


def _installed_pulumi() -> Path | None:
    places = [place for place in os.environ.get("PATH", "").split(os.pathsep) if Path(place) != paths.BIN]
    found = shutil.which("pulumi", path=os.pathsep.join(places))
    return Path(found) if found else None


def _plugin_folder() -> Path:
    return paths.PULUMI / "plugins" / f"resource-aws-v{metadata.version('pulumi-aws')}"


def _install_official_provider(pulumi: Path, environment: dict[str, str], report: Report) -> bool:
    """Whether the official plugin is there now; a stand-in from an earlier time gives way to it."""
    folder = _plugin_folder()
    if (folder / "stand-in").exists():
        shutil.rmtree(folder)
    report("fetching the pulumi-aws plugin")
    command = [str(pulumi), "plugin", "install", "resource", "aws", metadata.version("pulumi-aws")]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, check=False).returncode == 0


def _build(program: Program, report: Report) -> None:
    """Build with Go what this lock hasn't been built for yet (the stamp beside the program names the lock)."""
    module = MODULES / program.module
    stamp = paths.CACHE / f"{program.module}.built"
    lock = (module / "go.mod").read_bytes() + (module / "go.sum").read_bytes() + program.flags.encode()
    digest = hashlib.sha256(lock).hexdigest()
    if program.file.exists() and stamp.exists() and stamp.read_text() == digest:
        return
    if not shutil.which("go"):
        raise Missing(
            "Go is missing, which builds the Pulumi engine and its bridge to the AWS provider: install Go 1.26 or "
            "newer (https://go.dev/dl), or for the engine alone the Pulumi CLI (https://www.pulumi.com/docs/install)."
        )
    free = shutil.disk_usage(paths.HOME).free / 2**30
    if free < GIGABYTES_TO_BUILD:
        raise Missing(
            f"Only {free:.1f} GB of disk are free at {paths.HOME}, and building the Pulumi engine takes "
            f"{GIGABYTES_TO_BUILD}: free some space and try again."
        )
    program.file.parent.mkdir(parents=True, exist_ok=True)
    command = ["go", "build", "-v", "-trimpath", "-ldflags", program.flags, "-o", str(program.file), program.package]
    process = guard.start(
        command, cwd=module, env=os.environ | {"CGO_ENABLED": "0"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    output = _follow(process, program, report)
    if process.wait():
        raise Missing(f"Go could not build {program.package}: {output[-1] if output else 'no output'}.")
    stamp.write_text(digest)


def _follow(process: subprocess.Popen[bytes], program: Program, report: Report) -> list[str]:
    """Report each second what is being compiled until the build ends; what it wrote."""
    output: list[str] = []
    assert process.stderr  # noqa: S101 - it is a pipe
    stream = process.stderr
    reader = threading.Thread(target=lambda: [output.append(line.decode().strip()) for line in stream], daemon=True)
    reader.start()
    started = time.monotonic()
    while reader.is_alive():
        reader.join(1)
        elapsed = (time.monotonic() - started) / 60
        report(
            f"building {program.file.name}: {elapsed:.1f} of about {program.minutes:g} min on two cores, "
            f"{len(output)} packages, {output[-1].rpartition('/')[2] if output else 'looking for modules'}"
        )
    return output


def _install_language_python() -> None:
    """Put the language host beside the engine, with the runner of programs that Pulumi's Go SDK carries."""
    runner = ENGINE_FOLDER / "pulumi-language-python-exec"
    _script(ENGINE_FOLDER / "pulumi-language-python", "localcloud.toolchain.language_python", runner)
    if not runner.exists():
        command = ["go", "list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi/sdk/v3"]
        folder = subprocess.run(command, cwd=MODULES / "pulumi", check=True, capture_output=True, text=True).stdout
        runner.write_bytes((Path(folder.strip()) / "python" / "cmd" / runner.name).read_bytes())


def _install_stand_in(report: Report) -> None:
    """Make the stand-in the installed aws plugin of the private Pulumi home."""
    terraform_provider = _terraform_provider()
    _build(BRIDGE, report)
    shapes = paths.CACHE / "aws-shapes.json"
    stamp = paths.CACHE / "aws-shapes.made"
    made_for = f"{terraform_provider.resolve().name} {(paths.CACHE / 'bridge.built').read_text()}"
    if not (shapes.exists() and stamp.exists() and stamp.read_text() == made_for):
        report("reading the schema of the AWS provider (about half a minute)")
        shapes.write_text(json.dumps(_shapes(terraform_provider), separators=(",", ":")))
        stamp.write_text(made_for)
    folder = _plugin_folder()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stand-in").touch()
    module = "localcloud.toolchain.aws_stand_in.provider"
    _script(folder / "pulumi-resource-aws", module, BRIDGE.file, terraform_provider, shapes)


def _terraform_provider() -> Path:
    """A link named as the bridge expects it to the newest Terraform AWS provider on this machine."""
    places = [os.environ.get("TF_PLUGIN_DIR"), "/opt/tf-plugins", str(Path("~/.terraform.d/plugins").expanduser())]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    pattern = f"registry.terraform.io/hashicorp/aws/*/{platform.system().lower()}_{machine}/terraform-provider-aws*"
    found = [file for place in places if place for file in Path(place).glob(pattern)]
    if not found:
        raise Missing(
            "The Terraform AWS provider is missing, which stands in for the pulumi-aws plugin: run `terraform "
            "providers mirror ~/.terraform.d/plugins` in a folder that requires hashicorp/aws 5.100.0 and unpack the "
            "archive that it saves, or set TF_PLUGIN_DIR to a folder that holds it, or put it into /opt/tf-plugins."
        )
    link = paths.BIN / "terraform-provider-aws"
    link.unlink(missing_ok=True)
    link.symlink_to(max(found, key=lambda file: [int(part) for part in file.parts[-3].split(".") if part.isdigit()]))
    return link


def _shapes(terraform_provider: Path) -> schemas.Shapes:
    process, bridge = provider.start_bridge(BRIDGE.file, terraform_provider)
    try:
        request = provider_pb2.GetSchemaRequest(subpackage_name="aws", subpackage_version="0.0.0")
        return schemas.compact(bridge.GetSchema(request).schema)
    finally:
        guard.stop(process)


def _script(file: Path, module: str, *arguments: Path) -> None:
    """An executable that runs a module of this package with these arguments, then its own."""
    fixed = " ".join(f"'{argument}'" for argument in (sys.executable, "-P", "-m", module, *arguments))
    partial = file.with_suffix(".new")
    partial.write_text(f'#!/bin/sh\nexec {fixed} "$@"\n')
    partial.chmod(0o755)
    partial.replace(file)
