"""Another store: questions are answered from a domain, and from a collection that takes its place."""

import json
import shutil

import pytest

from localcloud.toolchain.build import ensure_stack
from scripts.cost import CHANGES, changed
from tests.local.conftest import HOME, ROOT, Service, until

pytestmark = pytest.mark.local

STACK = "stored"
FILE = HOME / f"Pulumi.{STACK}.yaml"
NOTE = "The boiler of the east wing is serviced every March by Harlan and Sons."
QUESTION = "Who services the boiler of the east wing?"


def deploy(cloud, configuration) -> Service:
    """Deploys the stack with a file of `rag-dev`'s keys."""
    shutil.copyfile(configuration, FILE)
    cloud.pulumi("up", "--stack", STACK, "--yes", "--config-file", str(FILE))
    outputs = json.loads(cloud.pulumi("stack", "output", "--json", "--stack", STACK).stdout)
    return Service(cloud, outputs, STACK)


def test_a_domain_answers_and_so_does_the_collection_that_takes_its_place(cloud):
    ensure_stack(cloud.environment, STACK)
    try:
        with_domain = deploy(
            cloud, changed(next(each for each in CHANGES if each.name == "another-store"), HOME / "changed")
        )
        assert "/_es/" in with_domain.outputs["collectionEndpoint"]
        cloud.pulumi("preview", "--stack", STACK, "--expect-no-changes", "--config-file", str(FILE))
        with_domain.put("boiler.txt", NOTE)
        until(lambda: with_domain.status("boiler.txt") == "indexed", 60, "ingested into the domain")
        until(lambda: with_domain.passages(QUESTION, "boiler.txt"), 30, "found in the domain")

        with_collection = deploy(cloud, ROOT / "stacks" / "Pulumi.rag-dev.yaml")
        assert "/_aoss/" in with_collection.outputs["collectionEndpoint"]
        assert with_collection.outputs["queryUrl"] == with_domain.outputs["queryUrl"]
        refused = with_collection.ask(QUESTION)
        assert (refused["refused"], refused["reason"]) == (True, "nothing_found")
        assert with_collection.sweep()["hints"] == 1
        until(lambda: with_collection.status("boiler.txt") == "indexed", 60, "ingested into the collection")
        until(lambda: with_collection.passages(QUESTION, "boiler.txt"), 30, "found in the collection")
        assert with_collection.ask(QUESTION)["answer"]
    finally:
        cloud.pulumi("destroy", "--yes", "--stack", STACK)
        cloud.pulumi("stack", "rm", "--yes", "--stack", STACK)
