"""What who deploys is told to be allowed, against what deploying was seen to ask for (tests/local/conftest.py)."""

import json
import re

import parliament
import pytest
from pulumi_tandem.foundation.house_rules import RULES

from localcloud import differences
from scripts.recorder import ROOT
from tests.support.deployer import ACTIONS, POLICIES, allowed, calls, check_calls, statements

PAGE = (ROOT / "docs" / "first-stack.md").read_text()
MOST = 6144  # characters of a managed policy without white space (IAM quotas)
# What the linter, whose list is of 2025, is wrong about: newer actions, in the Service Authorization Reference's names,
# and tags of domains, for which it wants the ARNs of applications and data sources too.
EXPLAINED = re.compile(
    r"UNKNOWN_ACTION.*(aoss:\w+CollectionGroup|sagemaker:\w+MlflowApp)|RESOURCE_MISMATCH.*'es:AddTags'"
)
LISTED = [row.split(" | ") for row in re.findall(r"^\| (`.+? \| .+) \|$", PAGE, re.MULTILINE)]
SAID = {action for row in LISTED for action in re.findall(r"`([a-z0-9-]+:\w+)`", row[0])}
ALLOWED = {action for statement in statements() for action in statement["Action"]}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.stem)
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
    for kind, actions in CHANGES.items():
        assert set(actions.split()) - ALLOWED - brought == set(), kind
    keeping = [each["Action"] for each in statements() if "logs:CreateLogGroup" in each["Action"]]
    assert len(keeping) == len(POLICIES)
    assert all({"logs:AssociateKmsKey", "logs:DisassociateKmsKey"} <= {*each} for each in keeping)


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
