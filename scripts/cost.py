"""What the stacks cost, from real previews on the local cloud: against an empty account, and of changes to what runs.

A change is a stack file with other keys, previewed against the deployed stack, as a pull request would be.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from localcloud.toolchain.build import ensure_stack
from scripts.local_environment import BIN, ROOT, local_environment
from scripts.phases import START, console, end
from tandem.clients.pulumi_stack import preview

HERE = ROOT / ".tandem" / "cost"
STACKS = ("rag-dev", "finetune-dev", "hybrid-dev")


class Change(NamedTuple):
    """A change of a stack's configuration."""

    name: str
    stack: str
    keys: dict[str, str]


CHANGES = (
    Change("another-instance", "finetune-dev", {"trainingInstance": "ml.p5.48xlarge"}),
    Change("another-embedder", "rag-dev", {"embedder": "cohere.embed-multilingual-v3", "dimensions": "1024"}),
    Change("another-store", "rag-dev", {"store": "domain"}),
    Change(
        "a-model-served",
        "finetune-dev",
        {"model": "arn:aws:sagemaker:us-east-1:000000000000:model-package/tuned/1"},
    ),
)


def main() -> int:
    subprocess.run([str(part) for part in START.command], cwd=ROOT, check=True)
    environment = local_environment()
    for stack in STACKS:
        console.rule(f"{stack}, against an empty account")
        sys.stdout.flush()
        print(comment(preview(stack, environment=empty_account(stack, environment)), environment))
    for stack in dict.fromkeys(change.stack for change in CHANGES):
        console.rule(f"Deploy {stack}, to change it")
        subprocess.run(
            ["pulumi", "up", "--stack", stack, "--yes", "--suppress-permalink"], cwd=ROOT, env=environment, check=True
        )
    for change in CHANGES:
        console.rule(f"{change.stack}: {change.name} ({', '.join(f'{k}={v}' for k, v in change.keys.items())})")
        digest = preview(change.stack, "--config-file", str(changed(change)), environment=environment)
        print(comment(digest, environment))
    end("What was changed is still deployed.", *dict.fromkeys(change.stack for change in CHANGES))
    return 0


def empty_account(stack: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with a backend in which the stack exists and was never deployed."""
    shutil.rmtree(HERE / "empty", ignore_errors=True)
    (HERE / "empty").mkdir(parents=True)
    empty = {**environment, "PULUMI_BACKEND_URL": (HERE / "empty").as_uri()}
    ensure_stack(empty, stack)
    return empty


def changed(change: Change, folder: Path = HERE) -> Path:
    """The stack's file with the changed keys, in the folder."""
    kept = [
        line
        for line in (ROOT / "stacks" / f"Pulumi.{change.stack}.yaml").read_text().splitlines()
        if not any(line.strip().startswith(f"tandem:{key}:") for key in change.keys)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"Pulumi.{change.stack}.yaml"
    file.write_text("\n".join([*kept, *(f'  tandem:{key}: "{value}"' for key, value in change.keys.items()), ""]))
    return file


def comment(digest: str, environment: Mapping[str, str]) -> str:
    """What `tandem cost` says of it, as in a pull request."""
    command = [str(BIN / "tandem"), "cost", "-", "--format", "markdown"]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(environment), input=digest, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} exited {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
