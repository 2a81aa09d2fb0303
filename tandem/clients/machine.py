"""What this machine has of what every use of Tandem needs: Python, the Pulumi command, folders to write to."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tandem.clients.doctor import OK, PROBLEM, WARNING, Check, Finding
from tandem.clients.pulumi_stack import NO_PULUMI

OLDEST_PULUMI = (3, 237, 0)  # as the dependency on the package `pulumi` has it
SECONDS = 6  # for a command, less than its finding is waited for


def python() -> Finding:
    """The version; one that is too old doesn't get here (`tandem.cli`)."""
    return Finding(OK, f"{sys.version.split()[0]}, {sys.executable}")


def pulumi() -> Finding:
    """Whether the `pulumi` command is there and new enough."""
    found = shutil.which("pulumi")
    if not found:
        problem, _, remedy = NO_PULUMI.partition(": ")
        return Finding(PROBLEM, problem, remedy)
    return pulumi_at(found, SECONDS)


def pulumi_at(found: str, seconds: float, **environment: str) -> Finding:
    """Whether this `pulumi` says within a time, in this environment, that it is new enough."""
    environment = os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"} | environment
    options: Any = {"env": environment, "timeout": seconds, "stdin": subprocess.DEVNULL, "errors": "replace"}
    try:
        said = subprocess.run([found, "version"], capture_output=True, text=True, check=False, **options).stdout.strip()
    except subprocess.TimeoutExpired:
        text = f"{found} doesn't tell its version within {seconds} s"
        return Finding(PROBLEM, text, "see whether `pulumi version` ends in this shell, and install it anew if not.")
    except OSError as error:
        return Finding(PROBLEM, f"{found} can't be run ({error})", "install it anew.")
    version = re.match(r"v?(\d+)\.(\d+)\.(\d+)", said)
    if version and tuple(map(int, version.groups())) >= OLDEST_PULUMI:
        return Finding(OK, f"{said}, {found}")
    needed = ".".join(map(str, OLDEST_PULUMI))
    text = f"{found} is {said or 'of no version that it tells'}; {needed} or newer is needed"
    return Finding(PROBLEM, text, "upgrade it (https://www.pulumi.com/docs/install).")


def aws_cli() -> Finding:
    """Whether the `aws` command is there and of version 2: Pulumi asks it for tokens of an EKS cluster."""
    remedy = "install AWS CLI v2 (https://docs.aws.amazon.com/cli/latest/userguide/)."
    found = shutil.which("aws")
    if not found:
        return Finding(PROBLEM, "the command `aws` is not on PATH: it gives `pulumi` the tokens of the cluster", remedy)
    try:
        done = subprocess.run(
            [found, "--version"], capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(PROBLEM, f"{found} can't be run ({error})", remedy)
    said = (done.stdout or done.stderr).partition("\n")[0].strip()  # the first of version 1 said it on stderr
    version = re.match(r"aws-cli/(\d+)\.", said)
    if not version:
        return Finding(PROBLEM, f"{found} doesn't tell its version ({said or 'it says nothing'})", remedy)
    if int(version[1]) < 2:
        return Finding(WARNING, f"{found} is {said.split()[0]}, by which nothing here was tried", remedy)
    return Finding(OK, f"{said.split()[0]}, {found}")


def folder(place: Path, remedy: str) -> Finding:
    """Whether something can be written to a folder, or to the one that it would be made in."""
    try:
        there = next(each for each in (place, *place.parents) if each.exists())
        with tempfile.TemporaryFile(dir=there):
            return Finding(OK, str(place))
    except OSError as error:
        return Finding(PROBLEM, f"{place} can't be written to ({error.strerror})", remedy)


def checks() -> Mapping[str, Check]:
    """By name."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    return {
        "Python": python,
        "Pulumi": pulumi,
        "Pulumi's home": lambda: folder(home, "set PULUMI_HOME to a folder that can be."),
        "cache": lambda: folder(cache, "set XDG_CACHE_HOME to a folder that can be."),
    }
