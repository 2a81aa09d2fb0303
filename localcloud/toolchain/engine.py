"""The Pulumi engine: of the Pulumi CLI on PATH, or where there is none, built from Go modules."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tandem_contract.errors import TandemError

from localcloud import files, paths
from localcloud.toolchain import go_programs
from localcloud.toolchain.go_programs import ENGINE, MODULES, PYTHON_TOOLCHAIN, YAML_HOST, Report
from tandem.clients import machine
from tandem.clients.doctor import OK

CLI_SITE = "https://www.pulumi.com/docs/install"
SECONDS = 60  # for its version: enough for a busy machine
PYTHON = (sys.executable, "-P", "-m")
PYTHON_HOST = ENGINE.with_name("pulumi-language-python")


def installed_cli() -> Path | None:
    """The Pulumi CLI on PATH, other than the local cloud's own command. Raises TandemError where it is no use."""
    places = [place for place in os.environ.get("PATH", "").split(os.pathsep) if Path(place) != paths.BIN]
    found = shutil.which("pulumi", path=os.pathsep.join(places))
    if not found:
        return None
    # Its version doesn't depend on a home; its own may be one that it can't write to.
    finding = machine.pulumi_at(found, SECONDS, PULUMI_HOME=str(paths.PULUMI))
    if finding.state != OK:
        raise TandemError(f"{str(finding).removesuffix('.')}, or take it off PATH to have an engine built with Go.")
    return Path(found)


def ensure(cli: Path | None, report: Report) -> None:
    """Make `pulumi` in `.tandem/bin` the command of this CLI, or of an engine that is built first."""
    if not cli:
        _build(report)
    wrapper = MODULES.with_name("pulumi.sh")
    if files.write_script(paths.BIN / "pulumi", "sh", wrapper, cli or ENGINE, paths.TOOLS):
        report(f"the engine is {cli or ENGINE}")


def _build(report: Report) -> None:
    """Build the engine and the YAML host, and put the Python host and its parts, from Pulumi's Go SDK, beside them."""
    ENGINE.parent.mkdir(exist_ok=True)
    for program in (ENGINE, PYTHON_TOOLCHAIN, YAML_HOST):
        go_programs.build(program, f"the Pulumi CLI, which needs no building ({CLI_SITE})", report)
    runner = PYTHON_HOST.with_name("pulumi-language-python-exec")
    if not runner.exists():
        command = ["go", "list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi/sdk/v3"]
        folder = subprocess.run(command, cwd=MODULES / "pulumi", check=True, capture_output=True, text=True).stdout
        files.write(runner, (Path(folder.strip()) / "python" / "cmd" / runner.name).read_text())
    files.write_script(PYTHON_HOST, *PYTHON, "localcloud.toolchain.language_python", runner, PYTHON_TOOLCHAIN)
