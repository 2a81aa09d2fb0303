"""What our roles may do is what is asked, stack by stack: AWS's tables, the requests of the tests, and rows."""

import json
import re

import pytest

from scripts.aws_facts import FACTS
from scripts.recorder import ACCOUNT, REGION, Recording, Registered
from tests.support import asked, granted, iam_tables
from tests.support.deployer import POLICIES
from tests.support.granted import without
from tests.support.grants import ACTIONS, ROWS, UNNAMED
from tests.support.rendered import stacks


@pytest.fixture(scope="module")
def rendered():
    return [each for name, stack in stacks().items() for each in granted.statements(name, stack)]


@pytest.fixture(scope="module")
def compared():
    """By stack: what is granted, and what is asked for."""
    return {name: (granted.granted(stack), asks(stack)) for name, stack in stacks().items()}


def asks(stack):
    return granted.asked_by_code(stack, asked.golden()) | granted.asked_by_machines(stack)


# What the tables don't have and we grant all the same, with the fact that says why (scripts/aws_facts).
BEYOND = {r"\S+:model-package-group/\S+ is no resource of sagemaker:CreateModelPackage": "sagemaker-package-group"}


def test_each_statement_is_one_of_awss_tables(rendered):
    faults = [(each.where, fault) for each in rendered for fault in iam_tables.wrong(each.text)]
    assert [fault for fault in faults if not any(re.fullmatch(form, fault[1]) for form in BEYOND)] == []
    assert [form for form in BEYOND if not any(re.fullmatch(form, fault) for _, fault in faults)] == []
    assert set(BEYOND.values()) <= {fact.key for fact in FACTS}


@asked.compares
def test_what_is_asked_is_granted(compared):
    missing = {name: without(calls, grants) for name, (grants, calls) in compared.items()}
    assert {name: found for name, found in missing.items() if found} == {}


@asked.compares
def test_what_functions_ask_is_asked_in_a_stack():
    lines = [line for line in asked.golden() if line[0].startswith("tandem.")]
    assert [line for line in lines if not any(granted.asked_by_code(each, [line]) for each in stacks().values())] == []


@asked.compares
def test_what_is_granted_is_asked_or_has_a_row(compared, rendered, capsys):
    unused = {name: without(grants, calls) for name, (grants, calls) in compared.items()}
    left, needed = unused, set()
    for row in ROWS:
        given = {name: granted.by_row(stack, row) for name, stack in stacks().items()}
        needed |= {row for name, found in unused.items() if without(found, given[name]) != found}
        left = {name: without(found, given[name]) for name, found in left.items()}
    with capsys.disabled():
        grants, calls = (sum(len(each[part]) for each in compared.values()) for part in (0, 1))
        print(f"\n{len(rendered)} statements; by stack and resource {grants} grants, ", end="")
        print(f"{sum(map(len, unused.values()))} of them by a row, {calls} calls")
    assert {name: found for name, found in left.items() if found} == {}, "not asked for, no row in support/grants.py"
    assert [row for row in ROWS if row not in needed] == [], "a row without need: not granted, or asked for"


def test_rows_are_one_a_grant_with_a_page():
    for rows in (ROWS, UNNAMED):
        assert len({row[:3] for row in rows}) == len(rows)
        assert all(row.why for row in rows)
    assert not [row for row in ROWS if not row.page.startswith("https://")]
    names = [action for found in ACTIONS.values() for action in found]
    assert not [action for action in names for fault in iam_tables.wrong({"Action": action}) if fault]


MODULE, HERE = "tandem.rag.functions.sweep", f"{REGION}:{ACCOUNT}"
QUEUE, DEAD = f"arn:aws:sqs:{HERE}:changes", f"arn:aws:sqs:{HERE}:dead"
GOLDEN = [
    (MODULE, "sqs", "SendMessageBatch", "TANDEM_QUEUE_URL"),
    (MODULE, "s3", "HeadObject", "TANDEM_ARTIFACT_BUCKET/runs/*"),
    (MODULE, "s3", "ListObjectsV2", "TANDEM_ARTIFACT_BUCKET"),
    (MODULE, "dynamodb", "BatchGetItem", "TANDEM_LEDGER_TABLE"),
]
VARIABLES = {"TANDEM_QUEUE_URL": "https://sqs/1/changes", "TANDEM_ARTIFACT_BUCKET": "b"}
GRANTS = {"sqs:SendMessage": QUEUE, "s3:GetObject": "arn:aws:s3:::b/runs/*", "s3:ListBucket": "arn:aws:s3:::b"}
TABLE = {"dynamodb:BatchGetItem": f"arn:aws:dynamodb:{HERE}:table/ledger"}


def made_up(grants, variables=VARIABLES, **access):
    """A stack of one function and its policies."""
    texts = [{"Effect": "Allow", "Action": [action], "Resource": on} for action, on in grants.items()]
    rule = (
        [{"Rules": [{"Permission": access["access"], "Resource": ["index/c/*"]}], "Principal": ["r"]}] if access else []
    )
    inputs = {
        "aws:lambda/function:Function": {
            "handler": f"{MODULE}.handler",
            "role": "r",
            "environment": {"variables": variables},
        },
        "aws:iam/rolePolicy:RolePolicy": {"policy": json.dumps({"Statement": texts})},
        "aws:opensearch/serverlessAccessPolicy:ServerlessAccessPolicy": {"policy": json.dumps(rule)},
    }
    names = ("sweep", "sweep-permissions", "sweep-access")
    return Recording(
        [
            Registered(kind, name, "", each, False, [], True, {})
            for name, (kind, each) in zip(names, inputs.items(), strict=True)
        ]
    )


def both_ways(stack):
    """Actions that are asked for and not granted, and those that are granted and not asked for."""
    grants, calls = granted.granted(stack), granted.asked_by_code(stack, GOLDEN)
    return [each.action for each in without(calls, grants)], [each.action for each in without(grants, calls)]


@pytest.mark.parametrize(
    ("stack", "more"),
    [
        (made_up(GRANTS), []),
        (made_up(GRANTS | TABLE, VARIABLES | {"TANDEM_LEDGER_TABLE": "ledger"}), []),
        (made_up(GRANTS | {"s3:GetObject": ["arn:aws:s3:::b/runs/*", "arn:aws:s3:::b/jobs/*"]}), ["s3:GetObject"]),
        (made_up(GRANTS | {"sqs:SendMessage": "*"}), ["sqs:SendMessage"]),
        (made_up(GRANTS | TABLE), ["dynamodb:BatchGetItem"]),
        (made_up(GRANTS, access=["aoss:ReadDocuments"]), ["aoss:ReadDocuments"]),
    ],
    ids=["as asked", "with a table", "more objects", "any queue", "without the table", "in the collection"],
)
def test_grants_are_of_what_a_stack_asks_for(stack, more):
    assert both_ways(stack) == ([], more)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("stack", "action"),
    [
        (made_up(GRANTS | {"sqs:SendMessage": DEAD}), "sqs:SendMessage"),
        (made_up(GRANTS | {"s3:GetObject": "arn:aws:s3:::b/jobs/*"}), "s3:GetObject"),
        (made_up(GRANTS | {"s3:ListBucket": "arn:aws:s3:::b/*"}), "s3:ListBucket"),
    ],
    ids=["another queue", "other objects", "the objects alone"],
)
def test_a_grant_of_something_else_is_told_both_ways(stack, action):
    assert both_ways(stack) == ([action], [action])


@pytest.mark.faults
def test_a_grant_in_another_stack_is_none_in_this_one():
    with_table = VARIABLES | {"TANDEM_LEDGER_TABLE": "ledger"}
    assert both_ways(made_up(GRANTS, with_table)) == (["dynamodb:BatchGetItem"], [])


@pytest.mark.faults
def test_a_request_whose_name_nobody_knows_needs_a_row():
    calls = granted.asked_by_code(
        made_up({}), [(MODULE, "sqs", "SendMessage", "-"), (MODULE, "sqs", "ListQueues", "-")]
    )
    grants = granted.granted(made_up({"sqs:SendMessage": QUEUE, "sqs:ListQueues": "*"}))
    assert [each.action for each in without(calls, grants)] == ["sqs:SendMessage"]


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
