"""Pulumi stack, read by the `pulumi` command: its state, its outputs, last update, and a preview."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tandem_contract import __version__
from tandem_contract.errors import TandemError

from tandem.clients import aws, engine_words
from tandem.clients.stack_state import State, read_state

SECONDS = 120  # for what is read of the state
REGIONAL = ("queryUrl", "trainingPipelineArn")
"""Outputs that name the region too."""
NO_PULUMI = (
    "The pulumi command is not on PATH: install it (https://www.pulumi.com/docs/install), "
    'or run `eval "$(tandem local env)"` in a checkout.'
)


NO_LOGIN = (
    "Pulumi is not logged in to where the stack's state is: run `pulumi login`, with its URL if it isn't Pulumi Cloud, "
    "or set PULUMI_BACKEND_URL or PULUMI_ACCESS_TOKEN."
)


class PreviewFailed(TandemError):
    """A preview that ended with errors; the text has what a person should know of them."""

    @property
    def mistakes(self) -> str:
        """What the program refuses of its configuration, which it does before it asks AWS; empty if that isn't it."""
        return str(self) if re.search(r" has \d+ mistakes?:$", str(self), re.MULTILINE) else ""


def project_folder() -> Path:
    """The nearest folder with a `Pulumi.yaml`, from the current one upward."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise TandemError(f"No Pulumi.yaml in {here} or above it: change into the folder of your Pulumi program.")


@dataclass(frozen=True)
class Stack:
    """A deployed stack: outputs of one of its environments, or its own, and clients of AWS in that region."""

    name: str
    outputs: Mapping[str, Any]
    told_by: str = ""
    """Whose outputs these are, where it isn't the stack itself: `RagEnvironment 'faq'`."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of botocore's `Config` for its clients, in place of the usual ones."""
    release: str = ""
    """Tandem's version that deployed what tells; empty where nobody says."""

    def pick(self, *names: str) -> list[str]:
        """The named ones of its outputs, in the order of the names; raises `TandemError` unless each is a text."""
        whose = self._whose()
        if missing := [name for name in names if not self.outputs.get(name)]:
            raise TandemError(
                f"{whose} has no output {', '.join(map(repr, missing))} "
                f"(it has {', '.join(sorted(self.outputs)) or 'none'}): run `pulumi up --stack {self.name}` with a "
                f"{'release' if self.told_by else 'program'} that has it"
                + (f"; it is of {self._releases()}." if self.release not in ("", __version__) else ".")
            )
        if odd := [name for name in names if not self._text(name)]:
            raise TandemError(
                f"{whose} has a secret, or something that is no text, as its output {', '.join(map(repr, odd))}: "
                f"make it the text itself, and run `pulumi up --stack {self.name}`."
            )
        return [self.outputs[name] for name in names]

    def other_release(self) -> str:
        """A sentence where it was deployed by a release that need not have what this one has (docs/upgrading.md)."""
        if not self.release or self.release.split(".")[:2] == __version__.split(".")[:2]:
            return ""
        return (
            f"{self._whose()} is of {self._releases()}: where they don't understand each other, install that version, "
            f"or run `pulumi up --stack {self.name}` with this one."
        )

    def _whose(self) -> str:
        return f"{self.told_by} of stack {self.name!r}" if self.told_by else f"Stack {self.name!r}"

    def _releases(self) -> str:
        return f"Tandem {self.release}, and this `tandem` is {__version__}"

    def _text(self, output: str) -> str:
        """An output, empty unless it is a text that may be seen."""
        found = self.outputs.get(output)
        return found if isinstance(found, str) else ""

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
        return aws.client(service, self.region, **self.settings, **config)


def deployed(
    name: str, having: str, environment: str | None = None, say: Callable[[str], None] = lambda _: None
) -> Stack:
    """The stack of that name, by the outputs of the one environment in it that has `having`, whatever it exports.

    `environment` names one of several, by its URN where several have one name. Without it the stack's own outputs fill
    in what the environment hasn't, and tell all where there is no environment, or several.
    `say` gets a sentence where the region isn't the shell's, or the release another than this one. Raises `TandemError`
    for a stack that isn't there, in which nothing is deployed, or where several environments could be meant.
    """
    found = state(name)
    named = [each for each in found.environments if each.called(environment)]
    fitting = [each for each in named if each.outputs.get(having)]
    if environment and not named:
        raise no_environment(name, environment, found)
    if len(fitting) == 1 or (environment and not fitting):
        chosen = (fitting or named)[0]
        beside = {} if environment else found.outputs  # such as the endpoint that another environment serves to it
        stack = Stack(name, {**beside, **chosen.outputs}, str(chosen), release=chosen.release)
    elif fitting and (environment or not found.outputs.get(having)):
        alike = len({each.name for each in fitting}) < len(fitting)
        raise TandemError(
            f"Stack {name!r} has several environments that this could be about ({', '.join(map(str, fitting))}): "
            "name one with --environment or TANDEM_ENVIRONMENT"
            + (f", by its URN: {', '.join(each.urn for each in fitting)}." if alike else ".")
        )
    elif found.environments and not found.outputs.get(having):
        raise TandemError(f"No environment of stack {name!r} has an output {having!r}; it has {_listed(found)}.")
    else:
        stack = Stack(name, found.outputs)
    stack.pick(having)
    shell = aws.shell_region()
    if stack.own_region and shell not in (None, stack.own_region):
        say(f"using {stack.own_region}, the stack's region; the shell's is {shell}")
    if stack.other_release():
        say(stack.other_release())
    return stack


def no_environment(stack: str, environment: str, found: State) -> TandemError:
    """The error for an environment that a stack hasn't."""
    return TandemError(f"Stack {stack!r} has no environment {environment!r}; it has {_listed(found)}.")


def _listed(found: State) -> str:
    return ", ".join(map(str, found.environments)) or "none"


def state(stack: str) -> State:
    """What Pulumi knows of a stack in which something of ours is deployed; it decrypts no secret, so needs no key."""
    found = read_state(_checked(["pulumi", "stack", "export", "--non-interactive", "--stack", stack], stack, SECONDS))
    if not found.outputs and not found.environments:
        raise TandemError(f"Nothing of Tandem is deployed in stack {stack!r}: run `pulumi up --stack {stack}` first.")
    return found


def configuration(stack: str, seconds: float) -> dict[str, str]:
    """The configuration of a stack, deployed or not, as texts by key and without secrets."""
    command = ["pulumi", "config", "--json", "--non-interactive", "--stack", stack]
    found = json.loads(_checked(command, stack, seconds) or "{}")
    return {key: entry["value"] for key, entry in found.items() if "value" in entry}


def last_update(stack: str) -> str:
    """What names the last update of a stack: its version, 0 in a backend that doesn't count, and its start."""
    command = ["pulumi", "stack", "history", "--json", "--non-interactive", "--stack", stack, "--page-size", "1"]
    updates = json.loads(_checked(command, stack, SECONDS) or "null")
    if not updates:
        raise TandemError(f"Nothing of Tandem is deployed in stack {stack!r}: run `pulumi up --stack {stack}` first.")
    return f"{updates[0]['version']} of {updates[0]['startTime']}"


def preview(stack: str | None = None, *options: str, environment: Mapping[str, str] | None = None) -> str:
    """The engine's digest of a preview (JSON) of a stack, by default the selected one; `options` are Pulumi's own.

    Raises `PreviewFailed` with its errors, or `TandemError` where there is no such stack.
    """
    command = ["pulumi", "preview", "--json", "--show-sames", "--non-interactive"]
    command += [*(["--stack", stack] if stack else []), *options]
    result = _run(command, stack, environment)
    if result.returncode:
        said = engine_words.told([result.stderr, *_diagnostics(result.stdout)])
        raise PreviewFailed(f"`{' '.join(command)}` failed:\n{said or 'it says nothing'}")
    return result.stdout


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
    said = result.stderr + result.stdout if result.returncode else ""
    if "PULUMI_ACCESS_TOKEN must be set" in said:
        raise TandemError(NO_LOGIN)
    if "no stack named" in said:
        # Its state is there once it was deployed; to look at it first it need not be.
        deploy = f" and `pulumi up --stack {stack}`" if command[1] == "stack" else ""
        raise TandemError(
            f"There is no stack {stack!r} in {folder}: name one of `pulumi stack ls` with --stack or TANDEM_STACK, "
            f"or make it with `pulumi stack init {stack}`{deploy}."
        )
    return result


def _diagnostics(text: str) -> list[str]:
    """The errors that a preview that failed has in its JSON."""
    try:
        found = json.loads(text).get("diagnostics") or []
        return [item["message"].strip() for item in found if item.get("severity") == "error"]
    except (ValueError, AttributeError, KeyError, TypeError):
        return []
