"""Verifies a stack on a real AWS account: price, consent, deploy, ingest, ask, destroy, audit, log.

`--rehearse` does the same wherever the environment points (a local cloud, say) and logs nothing.
"""

import argparse
import datetime
import os
import subprocess
import sys
from pathlib import Path

import boto3

ROOT = Path(__file__).resolve().parents[1]
LOG = ROOT / "docs" / "verified.md"
BIN = Path(sys.executable).parent
DOCUMENT = ROOT / "samples" / "alpenhut"
QUESTION = "When does the hut close for the winter?"
PRICE = """\
What this costs in us-east-1: OpenSearch Serverless bills $0.24 an OCU and hour while it works, from one OCU for
indexing and one or two for search: about $0.75 for an hour of this. Embeddings, generation, requests, functions and
storage: a few cents. Alarms: $0.40 a month, by the hour. Expected: under $1.50, if it is destroyed at the end.
"""


def run(*command: str | Path) -> None:
    print("$", *command, flush=True)
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True)


def left_over(stack: str) -> list[str]:
    """ARNs of resources that still carry the stack's tag."""
    pages = boto3.client("resourcegroupstaggingapi").get_paginator("get_resources")
    found = pages.paginate(TagFilters=[{"Key": "tandem:stack", "Values": [stack]}])
    return [resource["ResourceARN"] for page in found for resource in page["ResourceTagMappingList"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="rag-dev")
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    if os.environ.get("AWS_ENDPOINT_URL") and not options.rehearse:
        sys.exit("AWS_ENDPOINT_URL is set, so this isn't AWS. Unset it, or add --rehearse to only practise.")
    account = boto3.client("sts").get_caller_identity()["Account"]
    region = boto3.session.Session().region_name
    print(PRICE)
    if not options.rehearse and input(f"Type the account id ({account}) to deploy to it in {region}: ") != account:
        sys.exit("Nothing was deployed.")
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
    steps = {"deployed": False, "answered": False, "destroyed": False}
    try:
        run("pulumi", "up", "--stack", options.stack, "--yes")
        steps["deployed"] = True
        run(BIN / "tandem", "ingest", DOCUMENT, "--stack", options.stack)
        run(BIN / "tandem", "ask", QUESTION, "--stack", options.stack)
        steps["answered"] = True
    except subprocess.CalledProcessError as failure:
        print(f"Failed: {failure}. Destroying what was deployed.")
    run("pulumi", "destroy", "--stack", options.stack, "--yes")
    steps["destroyed"] = True
    remaining = left_over(options.stack)
    print("Left over:", *(remaining or ["nothing"]))
    if not options.rehearse:
        cells = [datetime.date.today().isoformat(), commit, region]
        cells += ["yes" if done else "no" for done in steps.values()] + [", ".join(remaining) or "nothing"]
        with LOG.open("a") as log:
            log.write("| " + " | ".join(map(str, cells)) + " |\n")
    return 0 if all(steps.values()) and not remaining else 1


if __name__ == "__main__":
    sys.exit(main())
