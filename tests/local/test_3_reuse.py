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


@pytest.mark.faults
def test_a_yaml_program_is_told_each_mistake_as_that_of_its_property(cloud):
    folder = HOME / "yaml-mistakes"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "examples" / "yaml-rag", folder)
    project = folder / "Pulumi.yaml"
    text = project.read_text().replace("../..", str(ROOT))
    project.write_text(text.replace("chunkTokens: 150", "chunkTokens: 10\n      alarmTopicArn: alarms"))
    cloud.pulumi("stack", "init", "test", cwd=folder)
    try:
        refused = cloud.pulumi("preview", "--stack", "test", cwd=folder, check=False)
    finally:
        cloud.pulumi("stack", "rm", "--yes", "--stack", "test", cwd=folder)
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0 and "RagEnvironment 'handbook' has 2 mistakes:" in said
    assert "10 is not allowed (a whole number of tokens from 50 to 2000). 200 suits most embedders." in said
    assert "alarmTopicArn" in said and "'alarms' is not allowed (the ARN of an SNS topic)" in said
    assert "Traceback" not in said and 'File "' not in said


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
