"""`tandem finetune status` says that the stack's endpoint is gone, which Pulumi doesn't know."""

import json
from unittest.mock import ANY

from tandem.clients import aws as accounts
from tests.unit.cli.test_finetune import OUTPUTS, aws, run  # noqa: F401 - a fixture
from tests.unit.cli.test_finetune_logs import started  # noqa: F401 - a fixture


def test_status_says_that_the_endpoint_is_gone_and_how_to_have_it_again(started, project):  # noqa: F811
    name, _, _ = started
    assert "is gone" not in run("finetune", "status", name).output  # there never was one
    found = json.loads(run("finetune", "status", name, "--json").stdout)
    assert (found["run"], found["jobs"][0]["name"], found["spent"]) == (name, f"{name}-train-1", ANY)
    project.has(**OUTPUTS, endpointName="tuned")
    result = run("finetune", "status", name)
    assert result.exit_code == 0, result.output
    assert "endpoint tuned is gone" in result.output and "`pulumi up --refresh --stack finetune-dev`" in result.output
    accounts.client("sagemaker", "us-east-1").endpoint("tuned", 1, {})
    assert "is gone" not in run("finetune", "status", name).output
