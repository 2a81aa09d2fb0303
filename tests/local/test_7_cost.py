"""What changes cost, from previews of the real engine: reviewed comments that stay the same."""

import json
import subprocess

import pytest

from localcloud.toolchain.build import ensure_stack
from tests.local.conftest import HOME, ROOT
from tests.support.goldens import check_comment

pytestmark = pytest.mark.local

STACKS = ("rag-dev", "finetune-dev", "hybrid-dev")


@pytest.fixture(scope="module")
def empty(cloud) -> dict[str, str]:
    """A backend in which the stacks were never deployed."""
    folder = HOME / "nothing-deployed"
    folder.mkdir(exist_ok=True)
    backend = {"PULUMI_BACKEND_URL": folder.as_uri()}
    for stack in STACKS:
        ensure_stack(cloud.environment | backend, stack)
    return backend


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_against_an_empty_account(cloud, empty, stack):
    comment = check_comment(cloud, stack, stack, env=empty)
    assert comment.startswith(f"<!-- tandem-cost: tandem/{stack} -->\n")


def test_what_a_preview_costs_is_told_to_programs_too(cloud, empty):
    """The command runs the preview itself, with the same numbers as JSON, and its exit code is the gates'."""
    limits = HOME / "gates.yaml"
    limits.write_text("max_idle_floor: 0.5\n")
    done = cloud.tandem("cost", "--stack", "hybrid-dev", "--format", "json", "--gates", limits, env=empty, check=False)
    assert done.returncode == 3 and "max_idle_floor failed" in done.stderr
    assert json.loads(done.stdout)
    assert subprocess.check_output(["git", "status", "--porcelain", "stacks"], cwd=ROOT, text=True) == ""
