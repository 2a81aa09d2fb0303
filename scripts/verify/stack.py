"""The commands of a verification, and what mends a state that a killed one left."""

import json
import os
import subprocess
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from tandem_contract.errors import TandemError

from scripts.local_environment import BIN, ROOT
from scripts.verify import adopted, left
from tandem import yaml_file
from tandem.clients import aws

OPTIONS = ("--yes", "--suppress-permalink")
TAGS = "tandem:tags"


class Place(NamedTuple):
    """Where a stack is deployed to."""

    account: str
    region: str
    partition: str

    @classmethod
    def of(cls, configured: Mapping[str, str]) -> "Place":
        """The account of the credentials, and the region of the stack's configuration, else the shell's.

        Commands and clients use that region from here on.
        """
        os.environ["AWS_REGION"] = configured.get("aws:region") or aws.region()
        who = aws.client("sts").get_caller_identity()
        return cls(who["Account"], os.environ["AWS_REGION"], who["Arn"].split(":")[1])


def run(*command: str | Path) -> bool:
    """Run a command in the checkout; whether it succeeded."""
    print("$", *command, flush=True)
    return subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode == 0


def pulumi(*command: str, stack: str) -> bool:
    """Run a command of Pulumi about the stack; whether it succeeded."""
    return run("pulumi", *command, "--stack", stack)


def tandem(*command: str | Path, stack: str) -> bool:
    """Run a command of Tandem about the stack; whether it succeeded."""
    return run(BIN / "tandem", *command, "--stack", stack)


def asked(question: str, stack: str) -> dict[str, Any]:
    """What the query API says to a question, refused or not; empty where the command fails."""
    command = [str(BIN / "tandem"), "ask", question, "--json", "--stack", stack]
    print("$", *command, flush=True)
    said = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    print(said.stdout)
    return json.loads(said.stdout) if said.returncode == 0 else {}


def configured(stack: str) -> dict[str, str]:
    """The stack's configuration as Pulumi has it, by key; a secret's text is empty. Raises TandemError as `state`."""
    return {key: entry.get("value", "") for key, entry in _told("config", "--json", stack=stack).items()}


def state(stack: str) -> dict[str, Any]:
    """What Pulumi knows of the stack, as `pulumi stack export` gives it; raises TandemError where it doesn't."""
    return _told("stack", "export", stack=stack)


def _told(*command: str, stack: str) -> dict[str, Any]:
    whole = ["pulumi", *command, "--stack", stack]
    said = subprocess.run(whole, cwd=ROOT, check=False, capture_output=True, text=True)
    if said.returncode:
        raise TandemError(f"`{' '.join(whole)}` failed: {said.stderr.strip()}")
    return json.loads(said.stdout)


def file_of(stack: str) -> Mapping[str, Any]:
    """What is in the stack's file."""
    path = ROOT / "stacks" / f"Pulumi.{stack}.yaml"
    return yaml_file.read(path, "a stack's file: `config:` and the stack's keys below")


def tagging(stack: str, verification: str, copy: Path, **keys: Any) -> tuple[str, str]:
    """Options of Pulumi with which what it makes is tagged as a verification's, by a copy of the stack's file.

    `keys` are set in it too, of Tandem's namespace. It is one of `tandem:tags` and none of the provider's default tags,
    which the instances of a launch template don't get. Raises TandemError where the file's tags can't be added to.
    """
    content = file_of(stack)
    config = {**(content.get("config") or {}), **{f"tandem:{key}": value for key, value in keys.items()}}
    try:
        tags = {**json.loads(config.get(TAGS, "{}")), left.VERIFICATION: verification}
    except (TypeError, ValueError) as error:
        raise TandemError(f"{TAGS} of {stack} is no JSON of tags ({error}): write it in plain text.") from error
    copy.write_text(yaml.safe_dump({**content, "config": config | {TAGS: json.dumps(tags)}}), encoding="utf-8")
    return "--config-file", str(copy)


def resources(exported: dict[str, Any]) -> list[dict[str, Any]]:
    """The resources in a state, but for the stack itself."""
    found = exported["deployment"].get("resources") or ()
    return [resource for resource in found if resource["type"] != "pulumi:pulumi:Stack"]


def mend(stack: str, place: Place, tagged: Collection[str]) -> list[str]:
    """Make a stack that was left in the middle of something one that can be destroyed.

    Takes a dead process's lock off, and what it was creating into the state; drops what isn't there, or no longer.
    `tagged` are the ARNs with the stack's tag and the dead verification's.
    Returns the URNs of what may be there and can't be told: the audit finds it.
    """
    pulumi("cancel", "--yes", stack=stack)  # there may be nothing to cancel
    found = state(stack)
    begun = found["deployment"].get("pending_operations")
    if not begun:
        return []
    values = place._asdict() | {"sqs": aws.client("sqs").meta.endpoint_url}
    mended, lost = adopted.adopt(found, values, tagged)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.json"
        file.touch(0o600)
        file.write_text(json.dumps(mended))
        if not pulumi("stack", "import", "--file", str(file), stack=stack):
            raise TandemError(
                f"The state of {stack} can't be mended (see above): `pulumi stack export` has what it is."
            )
    known = {resource["urn"] for resource in resources(found)}
    doubtful = [resource["urn"] for resource in resources(mended) if resource["urn"] not in known]
    # What was being deleted may be gone, and some deletions fail then.
    doubtful += [each["resource"]["urn"] for each in begun if each["type"] == "deleting"]
    if doubtful:
        pulumi("refresh", *OPTIONS, *(f"--target={urn}" for urn in doubtful), stack=stack)  # if not, so will `destroy`
    return lost


def destroy(stack: str, times: int = 2) -> int:
    """Destroy the stack's resources; which try succeeded, 0 if none did."""
    tries = range(1, times + 1)
    return next((number for number in tries if pulumi("destroy", *OPTIONS, stack=stack)), 0)


def all_names(entries: Collection[dict[str, Any]], exported: dict[str, Any]) -> list[str]:
    """The names of the stack's resources: those in a state, and those that steps of a journal noted."""
    noted = {name for entry in entries for name in entry.get("names", ())}
    return sorted(noted | set(left.names(resources(exported))))
