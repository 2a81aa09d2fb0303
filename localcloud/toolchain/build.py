"""Finds the Pulumi engine and the aws provider on this machine, or builds them from Go modules into `.tandem`."""

import hashlib
import json
import os
import platform
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import yaml
from pulumi.runtime.proto import provider_pb2
from tandem_contract.errors import TandemError

from localcloud import paths
from localcloud.toolchain import aws_stand_in, plugin, translation

MODULES = Path(__file__).parent / "go"
PYTHON = (sys.executable, "-P", "-m")
LINKER_FLAGS = "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.259.0"
FREE_GIGABYTES = 3
AWS_VERSION = metadata.version("pulumi-aws")
AWS_PLUGIN = paths.PULUMI / "plugins" / f"resource-aws-v{AWS_VERSION}" / "pulumi-resource-aws"
# The engine looks for language hosts beside itself; `.tandem/bin` has the command that starts it.
ENGINE = paths.BIN / "engine" / "pulumi"
YAML_HOST = ENGINE.with_name("pulumi-language-yaml")
PYTHON_HOST = ENGINE.with_name("pulumi-language-python")
BRIDGE = paths.BIN / "pulumi-resource-terraform-provider"
# What is built -> the folder of its lock, its package, its minutes on two cores.
PROGRAMS = {
    ENGINE: ("pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", 6),
    YAML_HOST: ("yaml", "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml", 1),
    BRIDGE: ("bridge", "github.com/pulumi/pulumi-terraform-bridge/v3/dynamic", 4),
}
Report = Callable[[str], None]


def ensure(report: Report) -> dict[str, str]:
    """Make what is missing of the toolchain, and return the environment in which `pulumi` is the local cloud's.

    `report` is told what is going on. Raises TandemError for what only the owner of this machine can get.
    """
    with paths.locked(paths.TOOLS / "lock"):
        return _ensure(report)


def _ensure(report: Report) -> dict[str, str]:
    for folder in (ENGINE.parent, AWS_PLUGIN.parent.parent, paths.STATE, paths.CACHE):
        folder.mkdir(parents=True, exist_ok=True)
    passphrase = paths.PULUMI / "passphrase"
    if not passphrase.exists():
        _write(passphrase, secrets.token_urlsafe(24), 0o600)
    environment = {
        "PATH": os.pathsep.join([str(paths.BIN), str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PULUMI_HOME": str(paths.PULUMI),
        "PULUMI_BACKEND_URL": f"file://{paths.STATE}",
        "PULUMI_CONFIG_PASSPHRASE": passphrase.read_text(),
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    places = [place for place in os.environ.get("PATH", "").split(os.pathsep) if Path(place) != paths.BIN]
    pulumi = shutil.which("pulumi", path=os.pathsep.join(places))
    if pulumi and not AWS_PLUGIN.exists():
        report("fetching the pulumi-aws plugin; where that isn't possible, a stand-in takes its place")
        command = [pulumi, "plugin", "install", "resource", "aws", AWS_VERSION]
        subprocess.run(command, env=os.environ | environment, capture_output=True, check=False)
    if not AWS_PLUGIN.exists() or AWS_PLUGIN.stat().st_size < 4096:
        _install_stand_in(report)
    if not pulumi:
        _install_engine(report)
    _write_script(paths.BIN / "pulumi", "sh", MODULES.with_name("pulumi.sh"), pulumi or ENGINE, paths.TOOLS)
    return environment


def ensure_stack(environment: dict[str, str], name: str, directory: Path = paths.ROOT) -> None:
    """Create the stack of the project in `directory` if the local backend has none of that name."""
    project = yaml.safe_load((directory / "Pulumi.yaml").read_text())["name"]
    command, environment = ["pulumi", "stack", "init", name, "--no-select"], os.environ | environment
    with tempfile.TemporaryDirectory() as folder:  # a project of that name, whose stack file may get the salt
        (Path(folder) / "Pulumi.yaml").write_text(f"name: {project}\nruntime: python\n")
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode and "already exists" not in done.stderr:
        raise TandemError(f"pulumi can't create the stack {name}: {done.stderr.strip()}")


def _install_engine(report: Report) -> None:
    """Build the engine and the YAML host, and put the Python host and its runner, from Pulumi's Go SDK, beside them."""
    _build(ENGINE, report)
    _build(YAML_HOST, report)
    runner = PYTHON_HOST.with_name("pulumi-language-python-exec")
    if not runner.exists():
        command = ["go", "list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi/sdk/v3"]
        folder = subprocess.run(command, cwd=MODULES / "pulumi", check=True, capture_output=True, text=True).stdout
        _write(runner, (Path(folder.strip()) / "python" / "cmd" / runner.name).read_text())
    _write_script(PYTHON_HOST, *PYTHON, "localcloud.toolchain.language_python", runner)


def _install_stand_in(report: Report) -> None:
    """Make the stand-in the installed aws plugin of the private Pulumi home."""
    terraform_provider = _terraform_provider()
    types = paths.CACHE / f"{terraform_provider.resolve().name}-{_build(BRIDGE, report)}.json"
    if not types.exists():
        report("reading the schema of the AWS provider (about half a minute)")
        process, bridge = aws_stand_in.start_bridge(str(BRIDGE), str(terraform_provider))
        request = provider_pb2.GetSchemaRequest(subpackage_name="aws", subpackage_version="0.0.0")
        _write(types, json.dumps(translation.bridge_types(bridge.GetSchema(request).schema)))
        plugin.stop(process)
    AWS_PLUGIN.parent.mkdir(exist_ok=True)
    _write_script(AWS_PLUGIN, *PYTHON, "localcloud.toolchain.aws_stand_in", BRIDGE, terraform_provider, types)


def _build(file: Path, report: Report) -> str:
    """Build with Go what hasn't been built for its lock yet, and return a digest of the lock."""
    folder, package, expected = PROGRAMS[file]
    module, stamp, log = MODULES / folder, paths.CACHE / f"{folder}.built", paths.CACHE / f"{folder}.log"
    lock = (module / "go.mod").read_text() + (module / "go.sum").read_text() + LINKER_FLAGS
    digest = hashlib.sha256(lock.encode()).hexdigest()[:16]
    if file.exists() and stamp.exists() and stamp.read_text() == digest:
        return digest
    if not shutil.which("go"):
        raise TandemError(
            "Go is missing, which builds the Pulumi engine and its bridge to the AWS provider: install Go 1.26 or "
            "newer (https://go.dev/dl), or for the engine alone the Pulumi CLI (https://www.pulumi.com/docs/install)."
        )
    free = shutil.disk_usage(paths.CACHE).free / 2**30
    if free < FREE_GIGABYTES:
        raise TandemError(
            f"{paths.CACHE} has {free:.1f} GB of disk left, and building takes {FREE_GIGABYTES}: free some."
        )
    started = time.monotonic()
    command = ["go", "build", "-v", "-trimpath", "-ldflags", LINKER_FLAGS, "-o", str(file), package]
    with log.open("wb") as output:
        go = plugin.start(command, cwd=module, env=os.environ | {"CGO_ENABLED": "0"}, stdout=output, stderr=output)
    while go.poll() is None:
        minutes, packages = (time.monotonic() - started) / 60, len(log.read_text().splitlines())
        report(f"building {file.name}: {minutes:.1f} of about {expected} min on two cores, {packages} packages")
        with suppress(subprocess.TimeoutExpired):
            go.wait(15)
    if go.returncode:
        raise TandemError(f"Go could not build {package}: see the end of {log}, and try again.")
    _write(stamp, digest)
    return digest


def _terraform_provider() -> Path:
    """A link, named as the bridge expects it, to the newest Terraform AWS provider on this machine."""
    places = [os.environ.get("TF_PLUGIN_DIR"), "/opt/tf-plugins", Path("~/.terraform.d/plugins").expanduser()]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    pattern = f"registry.terraform.io/hashicorp/aws/*/{platform.system().lower()}_{machine}/terraform-provider-aws*"
    found = [file for place in places if place for file in Path(place).glob(pattern)]
    if not found:
        raise TandemError(
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


def _write_script(file: Path, *command: Path | str) -> None:
    """Make an executable that runs this command with its own arguments at the end."""
    _write(file, f'#!/bin/sh\nexec {shlex.join(map(str, command))} "$@"\n', 0o755)


def _write(file: Path, text: str, mode: int = 0o644) -> None:
    partial = file.with_suffix(".new")
    partial.touch(mode)
    partial.write_text(text)
    partial.replace(file)
