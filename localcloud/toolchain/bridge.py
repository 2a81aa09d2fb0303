"""The bridge to Terraform providers: Pulumi's plugin, where the Pulumi CLI can fetch it, or built from Go modules."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from localcloud import paths
from localcloud.toolchain import go_programs
from localcloud.toolchain.go_programs import BRIDGE, Report

# Releases of https://github.com/pulumi/pulumi-terraform-provider have numbers of their own, and are made from the main
# branch of the bridge. This one is of July 2026, the nearest known to the bridge's v3.136.0, which go/bridge locks.
VERSION = "1.2.0"
PLUGIN = paths.PULUMI / "plugins" / f"resource-terraform-provider-v{VERSION}" / "pulumi-resource-terraform-provider"
FETCH_SECONDS = 900


def ensure(cli: Path | None, environment: dict[str, str], report: Report) -> tuple[Path, str]:
    """Return the bridge and its version: fetched by `cli` in this environment, or else built.

    Raises TandemError where neither is possible.
    """
    why_not = ""
    if cli and not PLUGIN.exists() and not go_programs.is_built(BRIDGE):
        why_not = _fetch(cli, environment, report)
    if PLUGIN.exists():
        return PLUGIN, VERSION
    instead = f"let the Pulumi CLI fetch its plugin terraform-provider {VERSION}, which failed: {why_not}"
    go_programs.build(BRIDGE, instead, report)
    return BRIDGE, go_programs.digest(BRIDGE)


def _fetch(cli: Path, environment: dict[str, str], report: Report) -> str:
    """Have the CLI install the plugin, whole or not at all; return why it couldn't, in its words."""
    report(f"fetching Pulumi's plugin terraform-provider {VERSION} (25 MB)")
    started = time.monotonic()
    command = [cli, "plugin", "install", "resource", "terraform-provider", VERSION, "--exact"]
    options: Any = {"env": os.environ | environment, "timeout": FETCH_SECONDS, "text": True}
    try:
        said = subprocess.run(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, check=False, **options).stderr
    except subprocess.TimeoutExpired:
        said = f"it took longer than {FETCH_SECONDS // 60} minutes"
    if PLUGIN.exists():
        report(f"fetched terraform-provider {VERSION} in {time.monotonic() - started:.0f} s")
        return ""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # Its last line only counts the attempts.
    reason = next((line for line in reversed(lines) if "Error downloading plugin: " in line), ["no word", *lines][-1])
    reason = reason.removeprefix("warning: Error downloading plugin: ")
    report(f"terraform-provider can't be fetched ({reason}), so it has to be built with Go")
    return reason
