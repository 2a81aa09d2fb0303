"""Makes the local cloud's Pulumi in `.tandem`: an engine, and a home of its own whose aws plugin is the stand-in."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import grpc
import yaml
from pulumi.runtime.proto import provider_pb2
from tandem_contract.errors import TandemError

from localcloud import files, paths
from localcloud.toolchain import aws_stand_in, bridge, engine, plugin, terraform_provider, translation
from localcloud.toolchain.go_programs import Report

AWS_VERSION = metadata.version("pulumi-aws")
AWS_PLUGIN = paths.PULUMI / "plugins" / f"resource-aws-v{AWS_VERSION}" / "pulumi-resource-aws"


def ensure(report: Report) -> dict[str, str]:
    """Make what is missing of the toolchain, and return the environment in which `pulumi` is the local cloud's.

    `report` is told what is found, fetched and built, and what is going on. Raises TandemError for what only the owner
    of this machine can get.
    """
    with files.disk_errors_told(), paths.locked(paths.TOOLS / "lock"):
        return _ensure(report)


def _ensure(report: Report) -> dict[str, str]:
    for folder in (paths.BIN, AWS_PLUGIN.parent, paths.STATE, paths.CACHE):
        folder.mkdir(parents=True, exist_ok=True)
    passphrase = paths.PULUMI / "passphrase"
    if not passphrase.exists():
        files.write(passphrase, secrets.token_urlsafe(24), 0o600)
    environment = {
        "PATH": os.pathsep.join([str(paths.BIN), str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PULUMI_HOME": str(paths.PULUMI),
        # Without the file of metadata beside each state: one that a killed engine left empty makes the stack unreadable
        # (gocloud.dev/blob/fileblob).
        "PULUMI_BACKEND_URL": f"file://{paths.STATE}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": passphrase.read_text(),
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # A program that asks for another version of the aws plugin fails, and doesn't get the real one, whose calls
        # the emulator doesn't serve.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    if shutil.which("pulumi-resource-aws"):  # which some put on PATH, as nixpkgs' pulumi-bin, and the engine prefers
        environment["PULUMI_IGNORE_AMBIENT_PLUGINS"] = "true"
    cli = engine.installed_cli()
    engine.ensure(cli, report)
    _install_stand_in(*bridge.ensure(cli, environment, report), terraform_provider.ensure(report), report)
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


def _install_stand_in(bridge: Path, version: str, provider: Path, report: Report) -> None:
    """Make the stand-in the installed aws plugin of the private Pulumi home, whatever was there."""
    types = paths.CACHE / f"{provider.resolve().name}-{version}.json"
    if not types.exists():
        report("reading the schema of the AWS provider (about half a minute)")
        request = provider_pb2.GetSchemaRequest(subpackage_name="aws", subpackage_version="0.0.0")
        try:
            process, client = aws_stand_in.start_bridge(str(bridge), str(provider))
            schema = client.GetSchema(request).schema
        except (grpc.RpcError, ValueError, OSError) as error:
            reason = error.details() if isinstance(error, grpc.Call) else error
            raise TandemError(
                f"{bridge} and {provider.resolve()} don't work together ({reason}): delete the one that is broken, and "
                "run `tandem local build`."
            ) from None
        files.write(types, json.dumps(translation.bridge_types(schema)))
        plugin.stop(process)
    files.write_script(AWS_PLUGIN, *engine.PYTHON, "localcloud.toolchain.aws_stand_in", bridge, provider, types)
