"""Reads the outputs of a Pulumi stack."""

import json
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.errors import CommandError

StackOption = Annotated[str, typer.Option(envvar="TANDEM_STACK", help="Name of the Pulumi stack.")]
DEFAULT_STACK = "rag-dev"


def project_folder() -> Path:
    """Return the nearest folder with a `Pulumi.yaml`, from the current one upward."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise CommandError(f"No Pulumi.yaml in {here} or above it: change into the folder of your Pulumi program.")


def read_outputs(stack: str, *names: str) -> list[str]:
    """Return the named outputs of a stack, in the order asked for."""
    folder = project_folder()
    command = ["pulumi", "stack", "output", "--json", "--non-interactive", "--stack", stack]
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    except FileNotFoundError:
        raise CommandError(
            "The pulumi command is not on PATH: install it (https://www.pulumi.com/docs/install), "
            'or run `eval "$(tandem local env)"` in a checkout.'
        ) from None
    except subprocess.TimeoutExpired:
        raise CommandError(f"`{' '.join(command)}` gave no answer within two minutes.") from None
    if "no stack named" in result.stderr:
        raise CommandError(
            f"There is no stack {stack!r} in {folder}: name another with --stack or TANDEM_STACK, "
            f"or make it with `pulumi up --stack {stack}`."
        )
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise CommandError(f"`{' '.join(command)}` failed: {lines[-1].removeprefix('error: ')}")

    outputs = json.loads(result.stdout or "{}")
    if not outputs:
        raise CommandError(f"Stack {stack!r} has no outputs: run `pulumi up --stack {stack}` first.")
    if missing := [name for name in names if not outputs.get(name)]:
        raise CommandError(
            f"Stack {stack!r} has no output {', '.join(map(repr, missing))} (it has {', '.join(sorted(outputs))}): "
            f"run `pulumi up --stack {stack}` with a program that exports it."
        )
    return [outputs[name] for name in names]
