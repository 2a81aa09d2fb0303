"""Verifies a stack on a real AWS account: price, consent, deploy, use, destroy, audit, log.

`--rehearse` does the same wherever the environment points (a local cloud, say) and logs nothing.
"""

import argparse
import datetime
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from tandem_contract.errors import TandemError

from scripts.finetune import DATA, data
from scripts.local_environment import BIN, ROOT
from tandem.clients import aws
from tandem.clients.pulumi_stack import all_outputs

LOG = ROOT / "docs" / "verified.md"
DOCUMENT = ROOT / "samples" / "alpenhut"
QUESTION = "When does the hut close for the winter?"
RECIPE = ROOT / "docs" / "recipes" / "qlora-8b.yaml"


def uses(outputs: Collection[str], stack: str) -> list[tuple[str | Path, ...]]:
    """The commands that show that a stack with these outputs works; none starts a run, which would cost far more."""
    tandem, commands = BIN / "tandem", []
    if "queryUrl" in outputs:
        commands += [(tandem, "ingest", DOCUMENT, "--stack", stack), (tandem, "ask", QUESTION, "--stack", stack)]
    if "trainingPipelineArn" in outputs:
        commands += [
            *(tuple(phase.command) for phase in data(stack)),
            (tandem, "dataset", "check", DATA, "--stack", stack),
            (tandem, "finetune", "check", RECIPE, "--data", DATA, "--stack", stack),
        ]
    return commands


def run(*command: str | Path) -> bool:
    """Run a command in the checkout; whether it succeeded."""
    print("$", *command, flush=True)
    return subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode == 0


def use_region(stack: str) -> str:
    """The region that the stack's file names, else the shell's; commands and clients use it from here on."""
    command = ["pulumi", "config", "get", "aws:region", "--stack", stack]
    named = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()
    os.environ["AWS_REGION"] = named or aws.region()
    return os.environ["AWS_REGION"]


def account() -> str:
    """The id of the account that the credentials are of."""
    return aws.client("sts").get_caller_identity()["Account"]


def left_over(stack: str) -> list[str]:
    """ARNs of resources that still carry the stack's tag."""
    pages = aws.client("resourcegroupstaggingapi").get_paginator("get_resources")
    found = pages.paginate(TagFilters=[{"Key": "tandem:stack", "Values": [stack]}])
    return [resource["ResourceARN"] for page in found for resource in page["ResourceTagMappingList"]]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="rag-dev")
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args(arguments)
    if os.environ.get("AWS_ENDPOINT_URL") and not options.rehearse:
        sys.exit("AWS_ENDPOINT_URL is set, so this isn't AWS. Unset it, or add --rehearse to only practise.")
    if not run("pulumi", "stack", "select", options.stack, "--create"):
        sys.exit(f"There is no stack {options.stack} and it couldn't be made (see above): nothing was deployed.")
    region = use_region(options.stack)
    to = account()
    if not run(BIN / "tandem", "cost", "--stack", options.stack):
        sys.exit(f"The price of {options.stack} isn't known (see above): nothing was deployed.")
    print("It is destroyed at the end: what is billed by the hour is billed for as long as it stood.")
    if not options.rehearse and input(f"Type the account id ({to}) to deploy to it in {region}: ") != to:
        sys.exit("Nothing was deployed.")
    steps = verify(options.stack)
    remaining = left_over(options.stack)
    print("Left over:", *(remaining or ["nothing"]))
    if not options.rehearse:
        commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
        cells = [datetime.date.today().isoformat(), commit, options.stack, region]
        cells += ["yes" if done else "no" for done in steps] + [", ".join(remaining) or "nothing"]
        with LOG.open("a") as log:
            log.write("| " + " | ".join(cells) + " |\n")
    return 0 if all(steps) and not remaining else 1


def verify(stack: str) -> tuple[bool, bool, bool]:
    """Deploy, use and destroy; whether each succeeded. What was deployed is destroyed whatever happens."""
    deployed = used = False
    try:
        deployed = run("pulumi", "up", "--stack", stack, "--yes")
        used = deployed and all(run(*command) for command in uses(all_outputs(stack), stack))
    except (TandemError, KeyboardInterrupt) as failure:
        print(f"Failed: {failure or 'interrupted'}")
    return deployed, used, run("pulumi", "destroy", "--stack", stack, "--yes")


if __name__ == "__main__":
    sys.exit(main())
