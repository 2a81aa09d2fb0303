"""The machine of someone who has the Pulumi CLI, and neither Go nor Terraform: what the local cloud needs is fetched.

The CLI is our own engine, the sites are a server on loopback, and what they serve is what we have: our build of the
bridge under the official name, and the Terraform provider. Official binaries can't be had here.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from localcloud import paths
from localcloud.services import opensearch
from localcloud.toolchain import bridge, build, engine, go_programs, terraform_provider
from tests.support.pulumi_project import Project

pytestmark = pytest.mark.local

PROGRAM = """
import pulumi
import pulumi_aws as aws

logs = aws.cloudwatch.LogGroup("logs", retention_in_days=7)
group = aws.opensearch.ServerlessCollectionGroup("group", standby_replicas="ENABLED", generation="NEXTGEN")
pulumi.export("group", group.arn)
if pulumi.Config().require_int("days") == 8:
    aws.cloudwatch.LogGroup("other", opts=pulumi.ResourceOptions(version="7.99.0"))
"""
# A `tandem` that sees nothing below /opt, where this machine may have the provider.
TANDEM = """
from pathlib import Path
from localcloud.toolchain import terraform_provider
from tandem.cli.main import app
terraform_provider.OPT = Path("/nowhere")
app()
"""
REAL_PLUGIN = "#!/bin/sh\necho the real plugin >&2\nexit 3\n" + 5000 * "#"


class Sites(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        self.server.seen.append(self.path)


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """A server in the place of the download sites; `seen` has the paths that were asked for."""
    build.ensure(print)
    folder = tmp_path_factory.mktemp("sites")
    machine = terraform_provider.this_platform()
    plugin = f"{bridge.PLUGIN.name}-v{bridge.VERSION}-{machine.replace('_', '-')}.tar.gz"
    (folder / "plugins").mkdir()
    with tarfile.open(folder / "plugins" / plugin, "w:gz", compresslevel=1) as packed:
        packed.add(go_programs.BRIDGE, bridge.PLUGIN.name)
    provider = terraform_provider.LINK.resolve()
    archive = folder / "terraform-provider-aws" / "5.100.0" / f"terraform-provider-aws_5.100.0_{machine}.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as packed:
        for file in provider.parent.iterdir():
            packed.write(file, file.name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Sites, directory=folder))
    server.seen = []
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def machine(sites, tmp_path_factory):
    """The folder and the environment of the machine."""
    folder = tmp_path_factory.mktemp("machine")
    shutil.copytree(
        paths.ROOT / "localcloud", folder / "installed" / "localcloud",
        ignore=shutil.ignore_patterns("__pycache__", "pyproject.toml"),
    )  # fmt: skip
    cli = folder / "cli"
    cli.mkdir()
    for program in engine.ENGINE.parent.iterdir():
        (cli / program.name).symlink_to(program)
    # The real plugin on PATH, in the local cloud's home, where an earlier Tandem had it fetched, and of another version
    # in the user's home, to which nothing may be written.
    home, fetched = folder / "home", folder / ".tandem/pulumi/plugins" / build.AWS_PLUGIN.parent.name
    others = home / ".pulumi/plugins/resource-aws-v7.99.0"
    for file in (place / "pulumi-resource-aws" for place in (cli, fetched, others)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(REAL_PLUGIN)
        file.chmod(0o755)
    # Saved here: a minute of Maven, and half a minute in which the same bridge would tell the same schema.
    (folder / ".tandem" / "opensearch" / f"opensearch-{opensearch.VERSION}").mkdir(parents=True)
    (folder / ".tandem" / "cache").mkdir()
    provider, built = terraform_provider.LINK.resolve().name, go_programs.digest(go_programs.BRIDGE)
    cache = folder / ".tandem" / "cache" / f"{provider}-{bridge.VERSION}.json"
    cache.symlink_to(paths.CACHE / f"{provider}-{built}.json")
    site = f"http://127.0.0.1:{sites.server_port}"
    environment = {
        "PATH": f"{cli}:/usr/bin:/bin",
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(folder / "installed"), *sys.path]),
        "PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES": f"^github://api.github.com/pulumi={site}/plugins",
        "TANDEM_LOCAL_TERRAFORM_RELEASES": site,
    }
    yield folder, environment
    shutil.rmtree(folder)


def tandem(machine, *arguments):
    folder, environment = machine
    command = [sys.executable, "-c", TANDEM, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_all_is_fetched_and_a_program_goes_up_and_comes_down(machine, sites, emulator):
    folder, environment = machine
    assert not shutil.which("go", path=environment["PATH"]) and not shutil.which("terraform", path=environment["PATH"])
    made = tandem(machine, "local", "build")
    assert made.returncode == 0, made.stderr
    assert f"the engine is {folder}/cli/pulumi" in made.stderr
    assert f"fetched terraform-provider {bridge.VERSION} in " in made.stderr
    assert f"the Terraform AWS provider is {folder}/.tandem/terraform/" in made.stderr
    assert {Path(path).name.split("-v")[0].split("_")[0] for path in sites.seen} == {
        "pulumi-resource-terraform-provider",
        "terraform-provider-aws",
    }

    fetched = len(sites.seen)
    printed = tandem(machine, "local", "env")
    assert printed.stderr == ""
    lines = [line.removeprefix("export ") for line in printed.stdout.splitlines() if line.startswith("export ")]
    exported = dict(shlex.split(line)[0].split("=", 1) for line in lines)
    project = Project(environment | exported, folder / "project", emulator, PROGRAM)
    project.run("stack", "init")
    project.run("up", "--yes", "--skip-preview")
    assert json.loads(project.run("stack", "output", "--json"))["group"].startswith("arn:aws:local:")
    project.run("preview", "--expect-no-changes")

    # A program of another pulumi-aws doesn't get the real plugin either.
    project.configured("8")
    refused = project.run("preview", code=1)
    assert "no resource plugin 'pulumi-resource-aws' found in the workspace at version v7.99.0" in refused
    project.configured("7")
    project.run("destroy", "--yes", "--skip-preview")
    assert len(sites.seen) == fetched
    home = {str(file.relative_to(folder / "home")) for file in (folder / "home").rglob("*")}
    assert home == {".pulumi", ".pulumi/plugins", ".pulumi/plugins/resource-aws-v7.99.0"} | {
        ".pulumi/plugins/resource-aws-v7.99.0/pulumi-resource-aws"
    }
