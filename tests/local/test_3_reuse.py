"""The components in other people's programs, on the real engine."""

import json
import shutil

import pytest

from tests.local.conftest import HOME, ROOT

pytestmark = pytest.mark.local


@pytest.mark.parametrize("example", ["yaml-rag", "python-rag"])
def test_example_deploys_and_leaves_nothing(cloud, example):
    folder = HOME / example
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "examples" / example, folder)
    project = folder / "Pulumi.yaml"
    project.write_text(project.read_text().replace("../..", str(ROOT)))
    cloud.pulumi("stack", "init", "test", cwd=folder)
    try:
        cloud.pulumi("up", "--yes", "--stack", "test", cwd=folder)
        outputs = json.loads(cloud.pulumi("stack", "output", "--json", "--stack", "test", cwd=folder).stdout)
        assert outputs["queryUrl"].endswith("/query") and outputs["ledgerTable"].startswith("handbook-ledger")
        cloud.pulumi("preview", "--stack", "test", "--expect-no-changes", cwd=folder)
    finally:
        cloud.pulumi("destroy", "--yes", "--stack", "test", cwd=folder)
        cloud.pulumi("stack", "rm", "--yes", "--stack", "test", cwd=folder)
