"""Pulumi stack, read by the `pulumi` command: outputs, last update, and a preview."""

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem_contract.errors import TandemError

from tandem.clients import aws

SECONDS = 120  # for what is read of the state
REGIONAL = ("queryUrl", "trainingPipelineArn")
"""Outputs that name the region too."""
UNSEEN = "[secret]"  # what `pulumi stack output` shows in place of a secret
NO_PULUMI = (
    "The pulumi command is not on PATH: install it (https://www.pulumi.com/docs/install), "
    'or run `eval "$(tandem local env)"` in a checkout.'
)


def project_folder() -> Path:
    """The nearest folder with a `Pulumi.yaml`, from the current one upward."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise TandemError(f"No Pulumi.yaml in {here} or above it: change into the folder of your Pulumi program.")


@dataclass(frozen=True)
class Stack:
    """A deployed stack: its outputs, and clients of AWS in its region."""

    name: str
    outputs: Mapping[str, Any]

    def pick(self, *names: str) -> list[str]:
        """The named ones of its outputs, in the order of the names; raises `TandemError` unless each is a text."""
        if missing := [name for name in names if not self.outputs.get(name)]:
            raise TandemError(
                f"Stack {self.name!r} has no output {', '.join(map(repr, missing))} "
                f"(it has {', '.join(sorted(self.outputs))}): run `pulumi up --stack {self.name}` with a program that "
                "exports it."
            )
        if odd := [name for name in names if not self._text(name)]:
            raise TandemError(
                f"Stack {self.name!r} has a secret, or something that is no text, as its output "
                f"{', '.join(map(repr, odd))}: export the text itself, and run `pulumi up --stack {self.name}`."
            )
        return [self.outputs[name] for name in names]

    def _text(self, output: str) -> str:
        """An output, empty unless it is a text that may be seen."""
        found = self.outputs.get(output)
        return found if isinstance(found, str) and found != UNSEEN else ""

    @property
    def own_region(self) -> str | None:
        """The region that its outputs tell: those of releases before the output `region` too; None if none does.

        An output `region` that has not a region's form is of the program's own, and tells nothing.
        """
        own = self._text("region")
        named = (aws.region_in(self._text(name)) for name in REGIONAL)
        return own if aws.REGION.fullmatch(own) else next(filter(None, named), None)

    @property
    def region(self) -> str:
        """Its region, or the shell's where its outputs don't tell; raises `TandemError` if there is none."""
        return self.own_region or aws.region()

    def client(self, service: str, **config: Any) -> Any:
        """The boto3 client of an AWS service in its region."""
        return aws.client(service, self.region, **config)


def deployed(name: str, say: Callable[[str], None] = lambda _: None) -> Stack:
    """The stack of that name; `say` gets a sentence where its region isn't the shell's.

    Raises `TandemError` for a stack that isn't there or has no outputs.
    """
    stack = Stack(name, all_outputs(name))
    shell = aws.shell_region()
    if stack.own_region and shell not in (None, stack.own_region):
        say(f"using {stack.own_region}, the stack's region; the shell's is {shell}")
    return stack


def all_outputs(stack: str) -> dict[str, Any]:
    """The outputs of a stack that has some."""
    outputs = _read("output", stack) or {}
    if not outputs:
        raise TandemError(f"Stack {stack!r} has no outputs: run `pulumi up --stack {stack}` first.")
    return outputs


def configuration(stack: str, seconds: float) -> dict[str, str]:
    """The configuration of a stack, deployed or not, as texts by key and without secrets."""
    command = ["pulumi", "config", "--json", "--non-interactive", "--stack", stack]
    found = json.loads(_checked(command, stack, seconds) or "{}")
    return {key: entry["value"] for key, entry in found.items() if "value" in entry}


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
    result = _run(command, stack, environment)
    if result.returncode:
        said = "\n".join(part for part in (result.stderr.strip(), *_diagnostics(result.stdout)) if part)
        raise TandemError(f"`{' '.join(command)}` failed:\n{said or 'it says nothing'}")
    return result.stdout


def _read(what: str, stack: str, *options: str) -> Any:
    """What `pulumi stack WHAT --json` prints."""
    command = ["pulumi", "stack", what, "--json", "--non-interactive", "--stack", stack, *options]
    return json.loads(_checked(command, stack, SECONDS) or "null")


def _checked(command: list[str], stack: str, seconds: float) -> str:
    """What a command about a stack prints."""
    result = _run(command, stack, seconds=seconds)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise TandemError(f"`{' '.join(command)}` failed: {lines[-1].removeprefix('error: ')}")
    return result.stdout


def _run(
    command: list[str], stack: str | None, environment: Mapping[str, str] | None = None, seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """What a command about a stack gives, however it ended; raises `TandemError` where there is no such stack."""
    folder = project_folder()
    try:
        result = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=seconds, check=False
        )
    except FileNotFoundError:
        raise TandemError(NO_PULUMI) from None
    except subprocess.TimeoutExpired:
        raise TandemError(f"`{' '.join(command)}` gave no answer within {seconds:.0f} seconds.") from None
    if result.returncode and "no stack named" in result.stderr + result.stdout:
        raise TandemError(
            f"There is no stack {stack!r} in {folder}: name one of `pulumi stack ls` with --stack or TANDEM_STACK, "
            f"or make it with `pulumi stack init {stack}` and `pulumi up --stack {stack}`."
        )
    return result


def _diagnostics(text: str) -> list[str]:
    """The errors that a preview that failed has in its JSON."""
    try:
        found = json.loads(text).get("diagnostics") or []
        return [item["message"].strip() for item in found if item.get("severity") == "error"]
    except (ValueError, AttributeError, KeyError, TypeError):
        return []
