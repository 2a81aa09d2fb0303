"""What our roles may do is what is asked: AWS's tables, the requests of the tests, and a row for everything else."""

import json
import re
from typing import Any, NamedTuple

import pytest

from scripts.aws_facts import FACTS
from tests.support import asked, iam_tables
from tests.support.deployer import POLICIES
from tests.support.grants import ACTIONS, ROWS, actions
from tests.support.iam_tables import listed
from tests.support.integrations import tasks
from tests.support.rendered import definitions, stacks

# Whose a policy is, by the end of its name; a function's is its handler's.
ENDS = {
    "-job-permissions": "job",
    "-tracking-permissions": "tracking",
    "-endpoint-permissions": "endpoint",
    "-karpenter-permissions": "karpenter",
    "-runs-permissions": "runs",
    "-training-permissions": "machine",
}
# What our code in a Pod asks, as the role `runs`; as SageMaker's job it asks nothing.
CODE = {"runs": "tandem.finetuning.training"}


class Statement(NamedTuple):
    """One that we render: whose it is, where, and its text."""

    who: str
    where: str
    text: dict[str, Any]


def statements(name: str, stack: Any) -> list[Statement]:
    """All of a stack, trust and resource policies included."""
    handlers = {each.name: each.inputs["handler"].split(".")[-2] for each in stack.of("aws:lambda/function:Function")}
    found = []
    for resource in stack.resources:
        for key in ("policy", "assumeRolePolicy"):
            text = resource.inputs.get(key)
            if isinstance(text, str) and '"Statement"' in text:
                for each in json.loads(text)["Statement"]:
                    who = each.get("Principal") or _whose(resource.name, handlers)
                    who = who["Service"] if isinstance(who, dict) else who
                    found.append(Statement(who, f"{name}: {resource.name}", each))
    return found


def _whose(policy: str, handlers: dict[str, str]) -> str:
    function = policy.removesuffix("-permissions")
    return handlers.get(function) or next(who for end, who in ENDS.items() if policy.endswith(end))


@pytest.fixture(scope="module")
def rendered():
    return [each for name, stack in stacks().items() for each in statements(name, stack)]


@pytest.fixture(scope="module")
def granted(rendered):
    """Who may do what."""
    allowed = [each for each in rendered if each.text["Effect"] == "Allow"]
    return {(each.who, action) for each in allowed for action in listed(each.text["Action"])}


@pytest.fixture(scope="module")
def functions():
    """The modules of the functions by their short names."""
    made = [each for stack in stacks().values() for each in stack.of("aws:lambda/function:Function")]
    modules = {each.inputs["handler"].rpartition(".")[0] for each in made}
    return {module.rpartition(".")[2]: module for module in modules}


@pytest.fixture(scope="module")
def called(functions):
    """Who asks for what: functions as their tests saw it, state machines as they are defined."""
    who = {module: name for name, module in (functions | CODE).items()}
    found = {
        (who[module], action)
        for module, service, operation in asked.golden()
        if module in who
        for action in actions(service, operation)
    }
    found |= {("machine", action) for text in definitions() for name, _ in tasks(text) for action in actions(*name)}
    return found


# What the tables don't have and we grant all the same, with the fact that says why (scripts/aws_facts).
BEYOND = {r"\S+:model-package-group/\S+ is no resource of sagemaker:CreateModelPackage": "sagemaker-package-group"}


def test_each_statement_is_one_of_awss_tables(rendered):
    faults = [(each.where, fault) for each in rendered for fault in iam_tables.wrong(each.text)]
    assert [fault for fault in faults if not any(re.fullmatch(form, fault[1]) for form in BEYOND)] == []
    assert [form for form in BEYOND if not any(re.fullmatch(form, fault) for _, fault in faults)] == []
    assert set(BEYOND.values()) <= {fact.key for fact in FACTS}


@asked.compares
def test_what_is_asked_is_granted(called, granted):
    assert sorted(called - granted) == []


@asked.compares
def test_what_is_granted_is_asked_or_has_a_row(called, granted, rendered, functions, capsys):
    rows = {(who, row.action) for row in ROWS for who in (functions if row.who == "function" else [row.who])}
    unused = granted - called
    with capsys.disabled():
        print(f"\n{len(rendered)} statements, {len(granted)} grants, {len(unused)} of them by a row, ", end="")
        print(f"{len(called - granted)} calls without a grant")
    assert sorted(unused - rows) == [], "granted, not asked for, and without a row in tests/support/grants.py"
    assert sorted(rows - unused) == [], "a row without need: not granted, or asked for"


def test_rows_are_one_a_grant_with_a_page():
    assert len({(row.who, row.action) for row in ROWS}) == len(ROWS)
    assert not [row for row in ROWS if not row.why or not row.page.startswith("https://")]
    names = [action for found in ACTIONS.values() for action in found]
    assert not [action for action in names for fault in iam_tables.wrong({"Action": action}) if fault]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.stem)
def test_who_deploys_is_told_what_the_tables_know(policy):
    told = json.loads(policy.read_text())["Statement"]
    assert [fault for statement in told for fault in iam_tables.wrong(statement)] == []


@pytest.mark.faults
@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ({"Action": "sqs:SendMessages", "Resource": "*"}, "no action sqs:SendMessages"),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b"}, "arn:aws:s3:::b is no resource of s3:GetObject"),
        ({"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b/*"}, "is no resource of s3:ListBucket"),
        (
            {
                "Action": "sqs:SendMessage",
                "Resource": "arn:aws:sqs:us-east-1:123456789012:q",
                "Condition": {"StringEquals": {"sqs:Colour": "red"}},
            },
            "sqs:SendMessage knows no condition sqs:Colour",
        ),
    ],
)
def test_what_the_tables_dont_know_is_told(statement, says):
    assert any(says in fault for fault in iam_tables.wrong(statement))
