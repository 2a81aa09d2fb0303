"""What who deploys is told to be allowed, against what deploying was seen to ask for (tests/local/conftest.py)."""

import functools
import json
import re

import parliament
import pytest
from pulumi_tandem.foundation.house_rules import RULES

from localcloud import differences
from scripts.recorder import ROOT
from tests.support.deployer import ACTIONS, POLICIES, PREFLIGHT, allowed, calls, check_calls, statements
from tests.support.grants import actions
from tests.support.iam_tables import wrong
from tests.support.integrations import client_calls

PAGE = (ROOT / "docs" / "first-stack.md").read_text()
MOST = 6144  # characters of a managed policy without white space (IAM quotas)
# What the linter, whose list is of 2025, is wrong about: newer actions, in the Service Authorization Reference's names,
# and tags of domains, for which it wants the ARNs of applications and data sources too.
EXPLAINED = re.compile(
    r"UNKNOWN_ACTION.*(aoss:\w+CollectionGroup|sagemaker:\w+MlflowApp)|RESOURCE_MISMATCH.*'es:AddTags'"
)
LOOKS = ("tandem/clients/account.py", "tandem/clients/preflight.py", "tandem/runtime/quotas.py")
"""Where `tandem doctor` and `tandem preflight` ask AWS."""
VERIFIES = ("scripts/verify/",)
PRICES = ("tandem/cost/",)
# What commands ask beyond what stands in those modules: the ledger's reads, by tandem/rag/table.py, and signed HTTP.
BESIDE = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "execute-api:Invoke"}
USES = (
    *("tandem/clients/", "tandem/finetuning/backends/", "tandem/finetuning/dataset/", "tandem/finetuning/registry.py"),
    *("tandem/finetuning/promotion.py", "tandem/models/", "tandem/runtime/secret.py", "tandem/runtime/quotas.py"),
)
LISTED = [row.split(" | ") for row in re.findall(r"^\| (`.+? \| .+) \|$", PAGE, re.MULTILINE)]
SAID = {action for row in LISTED for action in re.findall(r"`([a-z0-9-]+:\w+)`", row[0])}
ALLOWED = {action for statement in statements() for action in statement["Action"]}


@pytest.mark.parametrize("policy", [*POLICIES, PREFLIGHT], ids=lambda policy: policy.stem)
def test_each_document_is_one_that_iam_takes(policy):
    document = json.loads(policy.read_text())
    assert len("".join(policy.read_text().split())) <= MOST
    for statement in document["Statement"]:
        assert not [action for action in statement["Action"] if "*" in action]
        assert statement["Action"] == sorted(set(statement["Action"]))
    findings = [str(finding) for finding in parliament.analyze_policy_string(json.dumps(document)).findings]
    assert [finding for finding in findings if not EXPLAINED.match(finding)] == []


def test_each_allowed_action_was_called_or_is_said_to_be_needed():
    called = set(ACTIONS.read_text().split())
    assert called - ALLOWED == set()
    assert ALLOWED - called - SAID == set(), "neither called nor in the page's table"
    assert set() == SAID - ALLOWED, "in the page's table and not allowed"
    assert SAID & called == set(), "in the page's table though they are called"


CHANGES = {
    "Role": "iam:PutRolePermissionsBoundary iam:DeleteRolePermissionsBoundary iam:CreateRole iam:DeleteRole",
    "InstanceProfile": "iam:CreateInstanceProfile iam:DeleteInstanceProfile",
    "RolePolicy": "iam:PutRolePolicy",
    "LogGroup": "logs:AssociateKmsKey logs:DisassociateKmsKey logs:PutRetentionPolicy",
    "Table": "dynamodb:UpdateTable",
    "Repository": "ecr:CreateRepository ecr:DeleteRepository",
    "BucketServerSideEncryptionConfiguration": "s3:PutEncryptionConfiguration",
    "Queue": "sqs:SetQueueAttributes",
}
"""What a change of a house rule takes, by type: AWS's API has no other call for it, and a path or a repository's key is
only changed by making another."""


def test_a_change_of_a_house_rule_is_allowed_too():
    assert CHANGES.keys() == {kind.rpartition(":")[2] for kind in RULES}
    brought = set(re.findall(r"`([a-z0-9-]+:\w+)`", (ROOT / "docs" / "bring-your-own.md").read_text()))
    for kind, changes in CHANGES.items():
        assert set(changes.split()) - ALLOWED - brought == set(), kind
    keeping = [each["Action"] for each in statements() if "logs:CreateLogGroup" in each["Action"]]
    assert len(keeping) == len(POLICIES)
    assert all({"logs:AssociateKmsKey", "logs:DisassociateKmsKey"} <= {*each} for each in keeping)


calls_in_code = functools.cache(client_calls)


def asked_in(*places: str) -> set[str]:
    """The actions of the calls that stand in these files and folders."""
    return {
        action
        for (service, operation), lines in calls_in_code().items()
        if any(line.startswith(places) and not line.startswith("tandem/cli/main.py") for line in lines)
        for action in actions(service, operation)
    }


def named(*rows: str) -> set[str]:
    """The actions that the page's rows of who uses a stack name, by what they run; of all rows without any."""
    section = PAGE.partition("### Who uses, who verifies")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if not rows or any(f"`{row}" in line for row in rows)]
    return {action for line in lines for action in re.findall(r"`([a-z0-9-]+:[A-Z]\w+)`", line)}


def test_the_policy_of_who_only_looks_is_what_preflight_asks():
    asks, *_ = json.loads(PREFLIGHT.read_text())["Statement"]
    assert set(asks["Action"]) == asked_in(*LOOKS) - {"sts:GetCallerIdentity"}  # which needs no right


def test_the_page_names_what_users_and_verifications_ask():
    looks = {action for each in json.loads(PREFLIGHT.read_text())["Statement"] for action in each["Action"]}
    uses, verifies, prices = asked_in(*USES) - asked_in(*LOOKS[:2]) | BESIDE, asked_in(*VERIFIES), asked_in(*PRICES)
    assert named("tandem cost refresh`") == prices
    assert named("make verify-aws`") == verifies - looks - uses - ALLOWED - {"sts:GetCallerIdentity"}
    assert named() == uses | prices | named("make verify-aws`")
    statement = {"Action": sorted(named())}
    assert list(wrong(statement)) == []


def test_what_is_only_recorded_here_is_said_to_be_unproven():
    unproven = " ".join(row[0] for row in LISTED if "recorded" in row[1])
    words = {"Target": "ScalableTarget", "Policy": "ScalingPolicy", "Resource": "CreateResource"}
    for token in differences.recorded_types():
        name = token.rpartition(":")[2].removeprefix("Serverless")
        assert words.get(name, name) in unproven, token


@pytest.mark.faults
def test_a_call_that_is_not_allowed_or_not_written_down_is_told(tmp_path):
    log = tmp_path / "calls.log"
    log.write_text("other s3:DeleteBucket arn:aws:s3:::rag-x\ndeployer s3:DeleteBucket arn:aws:s3:::elsewhere\n")
    with pytest.raises(pytest.fail.Exception, match=r"don't allow:\ns3:DeleteBucket on arn:aws:s3:::elsewhere$"):
        check_calls(log)
    log.write_text("deployer s3:PutBucketAcl arn:aws:s3:::rag-x\n")
    with pytest.raises(pytest.fail.Exception, match="lacks what deploying asks for: s3:PutBucketAcl"):
        check_calls(log)
    assert not allowed("s3:DeleteBucket", "arn:aws:s3:::rag") and allowed("s3:DeleteBucket", "arn:aws:s3:::rag-x")


def test_calls_have_the_names_that_iam_gives_them(tmp_path):
    log = tmp_path / "calls.log"
    prefix = "arn:aws:lambda:us-east-1:000000000000:event-source-mapping"
    lines = [
        f"lambda:ListEventSourceMappings {prefix}:1",
        f"lambda:DELETE:/2015-03-31/event-source-mappings/1 {prefix}:1",
    ]
    lines += ["budgets:CreateBudget arn:x", "events:PutRule arn:aws:events:us-east-1:000000000000:rule/default/rag-x"]
    log.write_text("".join(f"deployer {line}\n" for line in lines))
    assert calls(log) == {
        ("lambda:GetEventSourceMapping", "*"),
        ("lambda:DeleteEventSourceMapping", "*"),
        ("budgets:ModifyBudget", "*"),
        ("events:PutRule", "arn:aws:events:us-east-1:000000000000:rule/rag-x"),
    }
