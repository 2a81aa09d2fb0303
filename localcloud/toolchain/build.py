"""Finds the Pulumi engine and the aws provider on this machine, or builds them from Go modules into `.tandem`."""

import hashlib
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from pulumi.runtime.proto import provider_pb2

from localcloud import paths
from localcloud.toolchain import guard
from localcloud.toolchain.aws_stand_in import provider, schemas

MODULES = Path(__file__).parent / "go"
FREE_GIGABYTES = 3
REPORT_SECONDS = 15
AWS_VERSION = metadata.version("pulumi-aws")
PLUGIN = paths.PULUMI / "plugins" / f"resource-aws-v{AWS_VERSION}"
Report = Callable[[str], None]


class Missing(Exception):
    """Something that this machine has to have and hasn't; the text says what, and how to get it."""


class Toolchain(NamedTuple):
    """The `pulumi` to run, the environment that makes it local, and whether the provider is the official one."""

    pulumi: Path
    env: dict[str, str]
    official: bool


class Program(NamedTuple):
    """A Go program: the file to build, the folder of its lock, its package, its minutes on two cores, linker flags."""

    file: Path
    module: str
    package: str
    minutes: float
    flags: str = "-s -w"


# The engine looks for language hosts beside itself; `.tandem/bin` has the command that starts it.
ENGINE_FOLDER = paths.BIN / "engine"
VERSION = "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.259.0"
ENGINE = Program(
    ENGINE_FOLDER / "pulumi", "pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", 6, f"-s -w {VERSION}"
)
YAML = Program(
    ENGINE_FOLDER / "pulumi-language-yaml", "yaml", "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml", 1
)
BRIDGE = Program(
    paths.BIN / "pulumi-resource-terraform-provider",
    "bridge",
    "github.com/pulumi/pulumi-terraform-bridge/v3/dynamic",
    3.5,
)


def ensure(report: Report) -> Toolchain:
    """Make what is missing of the toolchain, telling `report` what is going on (a line every 15 s at most).

    Raises Missing when this machine lacks something that only its owner can get.
    """
    for folder in (ENGINE_FOLDER, PLUGIN.parent, paths.STATE, paths.CACHE):
        folder.mkdir(parents=True, exist_ok=True)
    passphrase = paths.PULUMI / "passphrase"
    if not passphrase.exists():
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(24))
    environment = {
        "PATH": os.pathsep.join([str(paths.BIN), str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PULUMI_HOME": str(paths.PULUMI),
        "PULUMI_BACKEND_URL": f"file://{paths.STATE}",
        "PULUMI_CONFIG_PASSPHRASE": passphrase.read_text(),
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    places = [place for place in os.environ.get("PATH", "").split(os.pathsep) if Path(place) != paths.BIN]
    installed = shutil.which("pulumi", path=os.pathsep.join(places))
    if not installed:
        _build(ENGINE, report)
        _build(YAML, report)
        _install_language_python()
    official = bool(installed) and _install_official_provider(str(installed), environment, report)
    if not official:
        _install_stand_in(report)
    _script(paths.BIN / "pulumi", "localcloud.toolchain.stacks", installed or ENGINE.file)
    return Toolchain(paths.BIN / "pulumi", environment, official)


def _build(program: Program, report: Report) -> None:
    """Build with Go what hasn't been built for this lock yet; a stamp in the cache names the lock."""
    module, stamp = MODULES / program.module, paths.CACHE / f"{program.module}.built"
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
    if free < FREE_GIGABYTES:
        raise Missing(
            f"{paths.HOME} has {free:.1f} GB of disk left, and building the Pulumi engine takes {FREE_GIGABYTES}: free "
            "some space and try again."
        )
    log = paths.CACHE / f"{program.module}.log"
    command = ["go", "build", "-v", "-trimpath", "-ldflags", program.flags, "-o", str(program.file), program.package]
    started = time.monotonic()
    with log.open("wb") as output:
        go = guard.start(command, cwd=module, env=os.environ | {"CGO_ENABLED": "0"}, stdout=output, stderr=output)
    while go.poll() is None:
        written = log.read_text().split()
        report(
            f"building {program.file.name}: {(time.monotonic() - started) / 60:.1f} of about {program.minutes:g} min on"
            f" two cores, {len(written)} packages, now {written[-1] if written else 'looking for modules'}"
        )
        try:
            go.wait(REPORT_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    if go.returncode:
        raise Missing(f"Go could not build {program.package}: see the end of {log}, and try again.")
    stamp.write_text(digest)


def _install_language_python() -> None:
    """Put the language host beside the engine, with the runner of programs that Pulumi's Go SDK carries."""
    runner = ENGINE_FOLDER / "pulumi-language-python-exec"
    _script(ENGINE_FOLDER / "pulumi-language-python", "localcloud.toolchain.language_python", runner)
    if not runner.exists():
        command = ["go", "list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi/sdk/v3"]
        folder = subprocess.run(command, cwd=MODULES / "pulumi", check=True, capture_output=True, text=True).stdout
        runner.write_bytes((Path(folder.strip()) / "python" / "cmd" / runner.name).read_bytes())


def _install_official_provider(pulumi: str, environment: dict[str, str], report: Report) -> bool:
    """Whether the official plugin is installed now; where it could not be fetched once, that isn't tried again."""
    if PLUGIN.exists():
        return not (PLUGIN / "stand-in").exists()
    report("fetching the pulumi-aws plugin")
    command = [pulumi, "plugin", "install", "resource", "aws", AWS_VERSION]
    if subprocess.run(command, env=os.environ | environment, capture_output=True, check=False).returncode == 0:
        return True
    report(f"it could not be fetched: a stand-in takes its place (remove {PLUGIN} to try again)")
    return False


def _install_stand_in(report: Report) -> None:
    """Make the stand-in the installed aws plugin of the private Pulumi home."""
    terraform_provider = _terraform_provider()
    _build(BRIDGE, report)
    shapes, stamp = paths.CACHE / "aws-shapes.json", paths.CACHE / "aws-shapes.built"
    made_for = f"{terraform_provider.resolve().name} {(paths.CACHE / 'bridge.built').read_text()}"
    if not (shapes.exists() and stamp.exists() and stamp.read_text() == made_for):
        report("reading the schema of the AWS provider (about half a minute)")
        process, bridge = provider.start_bridge(BRIDGE.file, terraform_provider)
        request = provider_pb2.GetSchemaRequest(subpackage_name="aws", subpackage_version="0.0.0")
        shapes.write_text(json.dumps(schemas.compact(bridge.GetSchema(request).schema), separators=(",", ":")))
        guard.stop(process)
        stamp.write_text(made_for)
    PLUGIN.mkdir(exist_ok=True)
    (PLUGIN / "stand-in").touch()
    module = "localcloud.toolchain.aws_stand_in.provider"
    _script(PLUGIN / "pulumi-resource-aws", module, BRIDGE.file, terraform_provider, shapes)


def _terraform_provider() -> Path:
    """A link, named as the bridge expects it, to the newest Terraform AWS provider on this machine."""
    places = [os.environ.get("TF_PLUGIN_DIR"), "/opt/tf-plugins", Path("~/.terraform.d/plugins").expanduser()]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    pattern = f"registry.terraform.io/hashicorp/aws/*/{platform.system().lower()}_{machine}/terraform-provider-aws*"
    found = [file for place in places if place for file in Path(place).glob(pattern)]
    if not found:
        raise Missing(
            "The Terraform AWS provider is missing, which stands in for the pulumi-aws plugin: run `terraform "
            "providers mirror ~/.terraform.d/plugins` in a folder that requires hashicorp/aws 5.100.0 and unpack the "
            "archive that it saves, or set TF_PLUGIN_DIR to a folder that holds it, or put it into /opt/tf-plugins."
        )
    newest = max(found, key=lambda file: [int(part) for part in file.parts[-3].split(".") if part.isdigit()])
    link = paths.BIN / "terraform-provider-aws"
    if link.resolve() != newest.resolve():
        link.unlink(missing_ok=True)
        link.symlink_to(newest)
    return link


def _script(file: Path, module: str, *arguments: Path | str) -> None:
    """An executable that runs a module of this package with these arguments, then its own."""
    fixed = " ".join(f"'{argument}'" for argument in (sys.executable, "-P", "-m", module, *arguments))
    partial = file.with_suffix(".new")
    partial.write_text(f'#!/bin/sh\nexec {fixed} "$@"\n')
    partial.chmod(0o755)
    partial.replace(file)
