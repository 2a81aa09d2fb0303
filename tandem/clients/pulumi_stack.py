"""Reads the outputs of a Pulumi stack, and its last update."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tandem_contract.errors import TandemError


def project_folder() -> Path:
    """Return the nearest folder with a `Pulumi.yaml`, from the current one upward."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise TandemError(f"No Pulumi.yaml in {here} or above it: change into the folder of your Pulumi program.")


def read_outputs(stack: str, *names: str) -> list[str]:
    """Return the named outputs of a stack, in the order asked for."""
    return pick(all_outputs(stack), stack, *names)


def pick(outputs: dict[str, Any], stack: str, *names: str) -> list[str]:
    """Return the named ones of a stack's outputs, in the order asked for."""
    if missing := [name for name in names if not outputs.get(name)]:
        raise TandemError(
            f"Stack {stack!r} has no output {', '.join(map(repr, missing))} (it has {', '.join(sorted(outputs))}): "
            f"run `pulumi up --stack {stack}` with a program that exports it."
        )
    return [outputs[name] for name in names]


def all_outputs(stack: str) -> dict[str, Any]:
    """Return the outputs of a stack that has some."""
    outputs = _ask("output", stack) or {}
    if not outputs:
        raise TandemError(f"Stack {stack!r} has no outputs: run `pulumi up --stack {stack}` first.")
    return outputs


def last_update(stack: str) -> str:
    """Return what names the last update of a stack: its version, 0 in a backend that doesn't count, and its start."""
    updates = _ask("history", stack, "--page-size", "1")
    if not updates:
        raise TandemError(f"Stack {stack!r} has no updates: run `pulumi up --stack {stack}` first.")
    return f"{updates[0]['version']} of {updates[0]['startTime']}"


def _ask(what: str, stack: str, *options: str) -> Any:
    """Return what `pulumi stack WHAT --json` prints."""
    folder = project_folder()
    command = ["pulumi", "stack", what, "--json", "--non-interactive", "--stack", stack, *options]
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    except FileNotFoundError:
        raise TandemError(
            "The pulumi command is not on PATH: install it (https://www.pulumi.com/docs/install), "
            'or run `eval "$(tandem local env)"` in a checkout.'
        ) from None
    except subprocess.TimeoutExpired:
        raise TandemError(f"`{' '.join(command)}` gave no answer within two minutes.") from None
    if "no stack named" in result.stderr:
        raise TandemError(
            f"There is no stack {stack!r} in {folder}: name another with --stack or TANDEM_STACK, "
            f"or make it with `pulumi up --stack {stack}`."
        )
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise TandemError(f"`{' '.join(command)}` failed: {lines[-1].removeprefix('error: ')}")
    return json.loads(result.stdout or "null")
