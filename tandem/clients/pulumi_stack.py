"""Pulumi stack, read by the `pulumi` command: outputs, last update, and a preview."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tandem_contract.errors import TandemError

SECONDS = 120  # for what is read of the state


def project_folder() -> Path:
    """The nearest folder with a `Pulumi.yaml`, from the current one upward."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise TandemError(f"No Pulumi.yaml in {here} or above it: change into the folder of your Pulumi program.")


def read_outputs(stack: str, *names: str) -> list[str]:
    """The named outputs of a stack, in the order of the names."""
    return pick(all_outputs(stack), stack, *names)


def pick(outputs: Mapping[str, Any], stack: str, *names: str) -> list[str]:
    """The named ones of a stack's outputs, in the order of the names."""
    if missing := [name for name in names if not outputs.get(name)]:
        raise TandemError(
            f"Stack {stack!r} has no output {', '.join(map(repr, missing))} (it has {', '.join(sorted(outputs))}): "
            f"run `pulumi up --stack {stack}` with a program that exports it."
        )
    return [outputs[name] for name in names]


def all_outputs(stack: str) -> dict[str, Any]:
    """The outputs of a stack that has some."""
    outputs = _read("output", stack) or {}
    if not outputs:
        raise TandemError(f"Stack {stack!r} has no outputs: run `pulumi up --stack {stack}` first.")
    return outputs


def last_update(stack: str) -> str:
    """What names the last update of a stack: its version, 0 in a backend that doesn't count, and its start."""
    updates = _read("history", stack, "--page-size", "1")
    if not updates:
        raise TandemError(f"Stack {stack!r} has no updates: run `pulumi up --stack {stack}` first.")
    return f"{updates[0]['version']} of {updates[0]['startTime']}"


def preview(stack: str | None = None, *options: str, environment: Mapping[str, str] | None = None) -> str:
    """The engine's digest of a preview (JSON) of a stack, by default the selected one; `options` are Pulumi's own."""
    command = ["pulumi", "preview", "--json", "--show-sames", "--non-interactive"]
    command += [*(["--stack", stack] if stack else []), *options]
    result = _run(command, project_folder(), environment)
    if result.returncode:
        said = "\n".join(part for part in (result.stderr.strip(), *_diagnostics(result.stdout)) if part)
        raise TandemError(f"`{' '.join(command)}` failed:\n{said or 'it says nothing'}")
    return result.stdout


def _read(what: str, stack: str, *options: str) -> Any:
    """What `pulumi stack WHAT --json` prints."""
    folder = project_folder()
    command = ["pulumi", "stack", what, "--json", "--non-interactive", "--stack", stack, *options]
    result = _run(command, folder, seconds=SECONDS)
    if "no stack named" in result.stderr:
        raise TandemError(
            f"There is no stack {stack!r} in {folder}: name another with --stack or TANDEM_STACK, "
            f"or make it with `pulumi up --stack {stack}`."
        )
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise TandemError(f"`{' '.join(command)}` failed: {lines[-1].removeprefix('error: ')}")
    return json.loads(result.stdout or "null")


def _run(
    command: list[str], folder: Path, environment: Mapping[str, str] | None = None, seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=seconds, check=False
        )
    except FileNotFoundError:
        raise TandemError(
            "The pulumi command is not on PATH: install it (https://www.pulumi.com/docs/install), "
            'or run `eval "$(tandem local env)"` in a checkout.'
        ) from None
    except subprocess.TimeoutExpired:
        raise TandemError(f"`{' '.join(command)}` gave no answer within {seconds:.0f} seconds.") from None


def _diagnostics(text: str) -> list[str]:
    """The errors that a preview that failed has in its JSON."""
    try:
        found = json.loads(text).get("diagnostics") or []
        return [item["message"].strip() for item in found if item.get("severity") == "error"]
    except (ValueError, AttributeError, KeyError, TypeError):
        return []
