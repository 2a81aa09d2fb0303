"""The policy pack on the real engine: what it lets through, what it blocks, and when."""

import json

import pytest
import yaml

from tests.local.conftest import HOME, ROOT

pytestmark = pytest.mark.local

FILES = {path.stem.removeprefix("Pulumi."): path.read_text() for path in (ROOT / "stacks").glob("Pulumi.*.yaml")}
ON_A_CLUSTER = sorted(name for name, text in FILES.items() if "tandem:trainingBackend: eks" in text)
"""Stacks that need the Kubernetes provider, which the Kubernetes tier builds."""
STACKS = sorted(FILES.keys() - ON_A_CLUSTER)
PACK = ("--policy-pack", str(ROOT / "policies"))
PROGRAM = """
import json
import pulumi
import pulumi_aws as aws

config, tags = pulumi.Config(), {"tandem:stack": pulumi.get_stack(), "tandem:environment": "judged"}
aws.cloudwatch.LogGroup("logs", retention_in_days=config.get_int("days"), tags=tags)
if config.get_bool("everything"):
    trusted = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    role = aws.iam.Role("role", assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [trusted]}))
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*", "Sid": role.unique_id}  # known once the role is there
    document = pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [allowed]})
    aws.iam.RolePolicy("permissions", role=role.id, policy=document)
"""


@pytest.fixture(scope="module")
def judged(cloud):
    """Runs pulumi on a small program's stack, whose name says no kind, with a configuration of the pack."""
    folder = HOME / "judged"
    folder.mkdir(exist_ok=True)
    (folder / "Pulumi.yaml").write_text("name: judged\nruntime: python\n")
    (folder / "__main__.py").write_text(PROGRAM)
    cloud.pulumi("stack", "init", "trial", cwd=folder, check=False)

    def run(*arguments: str, rules: dict | None = None, **config):
        values = {f"judged:{key}": value for key, value in config.items()}
        (folder / "Pulumi.trial.yaml").write_text(yaml.safe_dump({"config": {"aws:region": "us-east-1", **values}}))
        (folder / "rules.json").write_text(json.dumps(rules or {}))
        pack = (*PACK, "--policy-pack-config", str(folder / "rules.json")) if "destroy" not in arguments else ()
        return cloud.pulumi(*arguments, "--stack", "trial", *pack, cwd=folder, check=False)

    yield run
    run("destroy", "--yes")
    cloud.pulumi("stack", "rm", "--yes", "--stack", "trial", cwd=folder)


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_file_passes_at_its_own_level(cloud, stack):
    output = cloud.pulumi("preview", "--stack", stack, *PACK).stdout
    assert "tandem@v" in output and "[mandatory]" not in output


@pytest.mark.faults
def test_a_bad_stack_file_is_blocked_with_rule_and_remedy(cloud):
    file = HOME / "Pulumi.finetune-dev.yaml"
    text = (ROOT / "stacks" / file.name).read_text()
    file.write_text(text.replace("ml.g6e.2xlarge", "ml.p5.48xlarge").replace("monthlyBudget: 100", "monthlyBudget: 0"))
    done = cloud.pulumi("preview", "--stack", "finetune-dev", "--config-file", str(file), *PACK, check=False)
    assert done.returncode != 0
    blocked = {line.split("]  ")[1].split()[0] for line in done.stdout.splitlines() if "[mandatory]" in line}
    assert blocked == {"instance-allowed", "budget-present"}
    assert "ml.p5.48xlarge is not among" in done.stdout and "Choose another instance" in done.stdout
    assert "Set monthlyBudget in the stack file above 0." in done.stdout


def test_levels_are_those_of_the_configuration(judged):
    assert "[mandatory] [severity: medium]  log-retention" in judged("preview").stdout
    warned = judged("preview", rules={"log-retention": "advisory"})
    assert warned.returncode == 0 and "[advisory] [severity: medium]  log-retention" in warned.stdout


def test_remediation_mends_what_is_registered(judged):
    done = judged("preview", "--diff", rules={"log-retention": {"enforcementLevel": "remediate", "days": 30}})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[remediate]" in done.stdout and "retentionInDays: 30" in done.stdout


@pytest.mark.faults
def test_what_a_preview_can_not_know_is_blocked_in_the_update(judged):
    preview = judged("preview", days=7, everything=True)
    assert preview.returncode == 0 and "can't decide: policy is unknown in this preview" in preview.stdout
    update = judged("up", "--yes", days=7, everything=True)
    assert update.returncode != 0 and "a statement allows * on *" in update.stdout
    assert "aws:iam:Role role created" in update.stdout
    assert "aws:iam:RolePolicy permissions created" not in update.stdout
