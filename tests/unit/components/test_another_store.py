"""A store in the tests' own folder, registered by one row: through an environment, cost and policies."""

import json
import subprocess
import sys
from decimal import Decimal

import pytest
from tandem_policies.catalogue import RULES
from typer.testing import CliRunner

from samples.previews import STACK_URN, digest, state, step, urn
from scripts.recorder import ROOT, Recording, Registered
from tandem.cli.main import app
from tests.unit.policies.judging import Thing, judge

CONFIG = {"tandem:environment": "rag", "tandem:retention": "erase", "tandem:store": "memory"}


def recorded(**given: str) -> dict:
    config = json.dumps(CONFIG | {f"tandem:{key}": value for key, value in given.items()})
    command = [sys.executable, "-m", "tests.support.memory_component", config]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)


@pytest.fixture(scope="module")
def stack() -> Recording:
    found = recorded(memoryShelves="2")
    return Recording([Registered(**each) for each in found["resources"]], found["outputs"])


def test_the_environment_has_this_store_and_no_other(stack):
    assert [(each.name, each.parent) for each in stack.of("MemoryVectorStore")] == [("rag", "rag")]
    shelves = {each.name for each in stack.of("aws:s3/bucket:Bucket") if "shelf" in each.name}
    assert shelves == {"rag-shelf-0", "rag-shelf-1"}
    assert not [each for each in stack.resources if "opensearch" in each.type]
    payload = json.loads(stack.one("Invocation").inputs["input"])
    assert (payload["service"], payload["endpoint"]) == ("memory", stack.outputs["storeEndpoint"])


def test_each_role_may_do_what_it_does_and_is_known_to_the_store_before_it_works(stack):
    granted = {
        policy.name.removesuffix("-permissions"): sorted(
            {
                action
                for statement in json.loads(policy.inputs["policy"])["Statement"]
                for action in statement["Action"]
                if "shelf" in str(statement["Resource"])
            }
        )
        for policy in stack.of("RolePolicy")
    }
    assert granted == {
        "rag-index": ["s3:PutObject"],
        "rag-query": ["s3:GetObject"],
        "rag-ingestion-ingest": ["s3:DeleteObject", "s3:PutObject"],
        "rag-ingestion-sweep": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
    }
    readers = {each.name: each.parent for each in stack.of("Parameter") if each.name.endswith("-reader")}
    assert readers == {
        "rag-index-reader": "rag",
        "rag-query-reader": "rag-query",
        "rag-ingestion-ingest-reader": "rag-ingestion",
        "rag-ingestion-sweep-reader": "rag-ingestion-sweep",
    }
    assert "rag-index-reader" in stack.one("Invocation").dependencies
    assert "rag-ingestion-ingest-reader" in stack.one("EventSourceMapping").dependencies


def test_its_own_keys_are_checked_and_others_refused():
    said = recorded(memoryShelves="20", maxSearchOcu="4")["refused"]
    assert "memoryShelves: 20 is not allowed (a whole number of shelves from 1 to 9). 1 will do." in said
    assert "maxSearchOcu: 4 is not allowed (its default, 2, unless store is serverless)" in said
    assert "2 mistakes" in said
    said = recorded(store="serverless", memoryShelves="2")["refused"]
    assert "Remove it, or set store to memory." in said


def test_cost_prices_all_of_it(stack, tmp_path):
    steps, urns = [], {}
    for each in stack.resources:
        parent = urns.get(each.parent, STACK_URN)
        urns.setdefault(each.name, urn(each.type, each.name, parent))  # the environment's comes first
        new = state(each.type, each.name, each.inputs, parent=parent, custom=each.custom)
        steps.append(step("create", new=new))
    file = tmp_path / "preview.json"
    file.write_text(digest(*steps))
    result = CliRunner().invoke(app, ["cost", str(file), "--format", "json"])
    assert result.exit_code == 0, result.output
    cost = json.loads(result.output)
    assert (cost["coverage"]["not_priced"], cost["not_priced"]) == (0, [])
    [index] = [line for line in cost["charges"] if line["what"] == "storage: index"]
    assert Decimal(index["usd"]) == Decimal("0.023")  # a gigabyte of S3, as the row says
    assert any("searches of the shelves, reads of the ledger" in str(note) for note in cost["notes"])


def test_policies_judge_it_as_they_judge_ours(stack):
    things = [Thing(each.type, each.inputs, each.name, each.references, each.protect) for each in stack.resources]
    reporting = {rule.name for rule in RULES if judge(rule.name, *things)}
    assert reporting == {"data-protected", "aws-foundations"}  # as in any stack that erases, and traces no requests
