"""A program that isn't this repository's, with our wheel alone: the steps of the action, on the real engine."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.local.conftest import BIN, ROOT
from tests.support import github_api
from tests.support.workflow import run_job

pytestmark = pytest.mark.local

PROJECT = "name: shop\nruntime: {name: python, options: {toolchain: pip, virtualenv: venv}}\n"
SERVICE = """
import pulumi_aws as aws
import pulumi_tandem

assert "/shop/venv/" in pulumi_tandem.__file__
pulumi_tandem.RagEnvironment("handbook", {"retention": pulumi_tandem.Retention.ERASE})
aws.sqs.Queue("orders", sqs_managed_sse_enabled=True)
"""
BIG = """
import pulumi_aws as aws

aws.ec2.Instance("big", ami="ami-0123456789abcdef0", instance_type="p4d.24xlarge")
"""
LIMITS = """
max_idle_floor: 5
accept:
  - {type: "aws:opensearch/serverlessCollection:ServerlessCollection", why: it sleeps, until: 9999-12-31}
  - {type: "aws:sqs/queue:Queue", why: few orders, until: 9999-12-31}
"""
MARKER = "<!-- tandem-cost: shop-dev -->\n"
# As pip chooses for an environment that nobody locks: pulumi-policy doesn't admit the protobuf of our lock.
UNLOCKED = ("protobuf==", "googleapis-common-protos==")


def run(*command: str | Path, cwd: Path, **more) -> str:
    return subprocess.run([*map(str, command)], cwd=cwd, check=True, capture_output=True, text=True, **more).stdout


@pytest.fixture(scope="module")
def shop(cloud, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """The program's folder, in whose environment are the wheel and what it asks for; and the variables of a job."""
    folder = tmp_path_factory.mktemp("foreign") / "shop"
    runner, state = folder.with_name("runner"), folder.with_name("state")
    for each in (folder, runner, state):
        each.mkdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder.parent, cwd=ROOT)
    (wheel,) = folder.parent.glob("pulumi_tandem-*.whl")
    ours = run(BIN / "uv", "pip", "freeze", "--exclude-editable", "--python", sys.executable, cwd=folder).splitlines()
    (runner / "pins.txt").write_text("\n".join(line for line in ours if not line.startswith(UNLOCKED)))
    run(BIN / "uv", "venv", "--python", sys.executable, "venv", cwd=folder)
    install = [BIN / "uv", "pip", "install", "--python", "venv", "--link-mode", "symlink", "-c", runner / "pins.txt"]
    run(*install, f"{wheel}[policies]", cwd=folder)
    (runner / "tandem").symlink_to(folder / "venv")
    (folder / "Pulumi.yaml").write_text(PROJECT)
    (folder / "limits.yaml").write_text(LIMITS)
    (folder / "rules.json").write_text('{"cost-tags": "advisory", "queue-dead-letters": "advisory"}')
    hidden = ("PYTHONPATH", "VIRTUAL_ENV")
    environment = {name: value for name, value in cloud.environment.items() if name not in hidden}
    environment |= {"PULUMI_BACKEND_URL": state.as_uri(), "RUNNER_TEMP": str(runner)}
    run("pulumi", "stack", "init", "shop-dev", cwd=folder, env=environment)
    return folder, environment


@pytest.fixture
def github():
    with github_api.serve() as served:
        yield served


@pytest.fixture
def push(shop, github):
    """Runs the action for a push with this program."""
    folder, environment = shop

    def start(program):
        (folder / "__main__.py").write_text(program)
        head = {"repo": {"full_name": github_api.REPOSITORY}, "sha": "4f2a9c1d0e8b"}
        event = {"pull_request": {"number": github_api.PULL_REQUEST, "head": head}}
        inputs = {
            "stack": "shop-dev",
            "role": "arn:aws:iam::123456789012:role/preview",
            "region": environment["AWS_REGION"],
            "backend-url": environment["PULUMI_BACKEND_URL"],
            "passphrase": environment["PULUMI_CONFIG_PASSPHRASE"],
            "policy-config": "rules.json",
            "gates": "limits.yaml",
        }
        return run_job(
            [{"name": "Preview", "uses": "./", "with": inputs}],
            {"github": github_api.CONTEXT | {"event": event}},
            folder,
            environment | {"GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": github_api.REPOSITORY},
            {"Tandem": {}, "Program": {}},  # they install what the fixture has installed
        )

    return start


def test_a_program_with_our_component_and_things_of_its_own(push, github):
    job = push(SERVICE)
    assert job.conclusion == "success", job.printed
    assert (
        "tandem@v" in job.printed and "[advisory] [severity: medium]  cost-tags  (aws:sqs:Queue: orders)" in job.printed
    )
    (comment,) = github.by_bot()
    assert comment.startswith(MARKER) and "`max_idle_floor` | passed" in comment
    assert "aws:sqs/queue:Queue is accepted until 9999-12-31 (few orders)" in comment
    assert "| advisory | `cost-tags` | `orders` |" in comment
    assert "which region it is in" not in comment  # though only AWS_REGION says it
    assert "| `orders` | `aws:sqs/queue:Queue` | added | requests: it is in no environment" in comment


@pytest.mark.faults
def test_a_program_without_any_that_breaks_a_policy_and_a_limit(push, github):
    github.add(MARKER + "of the last push\n", "github-actions[bot]", "Bot")
    job = push(BIG)
    red = {step for step, outcome in job.outcomes.items() if outcome == "failure"}
    assert red == {"Policies", "Cost and gates"}, job.printed
    assert "[mandatory] [severity: high]  instance-allowed  (aws:ec2:Instance: big)" in job.printed
    (comment,) = github.by_bot()
    assert "`max_idle_floor` | failed" in comment and "p4d.24xlarge" in comment
    assert "| mandatory | `instance-allowed` | `big` |" in comment
