"""The components in other people's programs, on the real engine."""

import json
import shutil
from contextlib import contextmanager

import pytest

from tests.local.conftest import HOME, ROOT

pytestmark = pytest.mark.local


@contextmanager
def deployed(cloud, example: str, *options: str):
    """An example's outputs; it is deployed, has nothing to change, and leaves nothing."""
    folder = HOME / example
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "examples" / example, folder)
    project = folder / "Pulumi.yaml"
    project.write_text(project.read_text().replace("../..", str(ROOT)))
    cloud.pulumi("stack", "init", "test", cwd=folder)
    try:
        cloud.pulumi("up", "--yes", "--stack", "test", *options, cwd=folder)
        yield json.loads(cloud.pulumi("stack", "output", "--json", "--stack", "test", cwd=folder).stdout)
        cloud.pulumi("preview", "--stack", "test", "--expect-no-changes", cwd=folder)
    finally:
        cloud.pulumi("destroy", "--yes", "--stack", "test", cwd=folder)
        cloud.pulumi("stack", "rm", "--yes", "--stack", "test", cwd=folder)


def test_a_program_in_yaml(cloud):
    with deployed(cloud, "yaml-rag") as outputs:
        assert outputs["queryUrl"].endswith("/query") and outputs["ledgerTable"].startswith("handbook-ledger")


def test_a_program_in_python_and_one_that_knows_its_outputs_alone(cloud):
    named = ("--config", "service=organization/python-rag/test")
    with deployed(cloud, "python-rag") as service, deployed(cloud, "python-consumer", *named) as consumer:
        assert consumer["url"] == service["queryUrl"]
        policy = cloud.client("iam").get_policy_version(PolicyArn=consumer["policy"], VersionId="v1")
        assert service["queryInvokeArn"] in json.dumps(policy["PolicyVersion"]["Document"])
        kept = cloud.client("s3").get_object(Bucket=service["documentsBucket"], Key="team/warranty.md")
        assert b"three years" in kept["Body"].read()
