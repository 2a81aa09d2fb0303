"""What AWS refuses: of every resource by the services' own models, and what those models don't say."""

import ast
import functools
import json
import re
from dataclasses import replace

import pulumi_aws
import pytest
import yaml
from pulumi_tandem import (
    ClusterTraining,
    DataBucket,
    DomainVectorStore,
    FineTuningEnvironment,
    GpuCluster,
    HybridEnvironment,
    IngestionPipeline,
    Ledger,
    QueryApi,
    RagEnvironment,
    ServerlessVectorStore,
)
from pulumi_tandem.configuration import environment
from pulumi_tandem.foundation import names
from pulumi_tandem.foundation.arguments import InvalidArguments
from pulumi_tandem.foundation.tags import MOST
from pulumi_tandem.rag.stores.domain import MOST_GIGABYTES, WITHOUT_GP3
from pulumi_tandem.rag.stores.serverless import STEPS

from scripts.recorder import ROOT, Recording, record, record_stack
from tests.support.resource_rows import ROWS
from tests.support.resource_shapes import DRAWN, mistakes
from tests.unit.kubernetes.conftest import ARGUMENTS, BLOCK, BOTTLEROCKET, SPOT

HERE = "us-east-1:123456789012"
MODEL, TOPIC = f"arn:aws:sagemaker:{HERE}:model-package/models/3", f"arn:aws:sns:{HERE}:alarms"
POOL = f"arn:aws:cognito-idp:{HERE}:userpool/us-east-1_abc"
SERVED = {"model": MODEL, "alarm_topic_arn": TOPIC, "alert_email": "team@example.com"}
EKS = {"training_backend": "eks", "training_instance": "g6e.2xlarge"}
WIDE = {"name": "wide", "instance_types": ["p5.48xlarge"], "efa": True, "zones": ["us-east-1a"]}
GROUPS = [BLOCK, SPOT, WIDE, BOTTLEROCKET]

USED = {
    "ledger_table": "ledger",
    "store_name": "vectors",
    "store_arn": "arn:aws:aoss:us-east-1:123456789012:collection/0123456789abcdefghij",
}

PROGRAMS: list[tuple[type, dict]] = [
    (RagEnvironment, {"alarm_topic_arn": TOPIC}),
    (RagEnvironment, {"store": "domain", "store_instances": 2, "auth": "jwt", "user_pool_arn": POOL}),
    (FineTuningEnvironment, {**SERVED, "endpoint_instances": 2}),
    (FineTuningEnvironment, {**SERVED, "endpoint_mode": "zero", "tracking": "server"}),
    (FineTuningEnvironment, {**SERVED, **EKS}),
    (HybridEnvironment, {"dashboard": True, "finetuning": SERVED}),
    (HybridEnvironment, {"finetuning": {**SERVED, **EKS}}),
    (GpuCluster, {"node_groups": GROUPS, "admins": [f"arn:aws:iam::{HERE.partition(':')[2]}:role/x"]}),
    (ClusterTraining, {}),
    (DataBucket, {"rewritten": ["runs/"]}),
    (Ledger, {}),
    (ServerlessVectorStore, {"ledger_table": "ledger", "existing_collection": "theirs", "retention": "erase"}),
    (DomainVectorStore, {"ledger_table": "ledger", "alarm_topic_arn": TOPIC}),
    (IngestionPipeline, {"documents_bucket": "documents", "alarm_topic_arn": TOPIC, **USED}),
    (QueryApi, {"auth": "jwt", "user_pool_arn": POOL, "endpoint_name": "tuned", **USED}),
]
"""Components with arguments: together they register all types that there are."""
BY_DOCUMENT = {
    DataBucket: (63, ""),  # S3 user guide, "General purpose bucket naming rules"
    # Of an index in a store of others', whose name begins with the table's (OpenSearch,
    # MetadataCreateIndexService.MAX_INDEX_NAME_BYTES).
    Ledger: (255, "-0123456789"),
}
"""Limits that no model has: of what, and what is in the name besides."""
IDS = [f"{number}-{kind.__name__}" for number, (kind, _) in enumerate(PROGRAMS)]


def made(kind: type, name: str, arguments: dict) -> Recording:
    def program() -> None:
        if kind is ClusterTraining:
            pool = {"instance_types": ["g6e.12xlarge", "g6e.2xlarge"], "gpus": 8}
            ClusterTraining(name, GpuCluster("gpu", {"node_pools": [pool]}), ARGUMENTS)
        else:
            kind(name, arguments)

    return record(program)


@functools.cache
def longest(number: int) -> Recording:
    """One of `PROGRAMS` with the longest name that it may have."""
    kind, given = PROGRAMS[number]
    return made(kind, "n" * names.longest(kind.__name__, given), given)


@pytest.mark.parametrize("file", sorted((ROOT / "stacks").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_services_take_every_value_of_a_stack(file):
    content = yaml.safe_load(file.read_text())["config"]
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in content.items()}
    assert mistakes(record_stack(config)) == []


@pytest.mark.parametrize("number", range(len(PROGRAMS)), ids=IDS)
def test_the_services_take_every_value_and_the_longest_name(number):
    assert mistakes(longest(number)) == []


@pytest.mark.parametrize("kind", dict.fromkeys(kind for kind, _ in PROGRAMS), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("eks", [False, True])
def test_a_longer_name_would_be_refused_by_a_service(kind, eks):
    """So that the limit of a name is what AWS leaves, and no less."""
    if kind in BY_DOCUMENT:
        limit, more = BY_DOCUMENT[kind]
        assert names.LONGEST[kind.__name__] + len(f"{DRAWN}{more}") == limit
        return
    of = [
        longest(number)
        for number, (each, given) in enumerate(PROGRAMS)
        if each is kind and ("training_backend" in given.get("finetuning", given)) is eks
    ]
    assert not of or mistakes(*of, drawn=f"{DRAWN}0")


def test_every_type_that_the_components_register_was_looked_at():
    registered = {
        each.type.removeprefix("aws:")
        for number in range(len(PROGRAMS))
        for each in longest(number).resources
        if each.custom and each.type.startswith("aws:")
    }
    assert registered == ROWS.keys()
    written = {
        f"{node.func.value.id.rstrip('_')}:{node.func.attr}"
        for file in (ROOT / "components" / "pulumi_tandem").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and hasattr(pulumi_aws, node.func.value.id)
        and re.fullmatch("[A-Z][A-Za-z0-9]+", node.func.attr)
    }
    assert written == {f"{token.partition('/')[0]}:{token.rpartition(':')[2]}" for token in ROWS}


@pytest.mark.faults
@pytest.mark.parametrize(
    ("kind", "changed", "said"),
    [
        ("ServerlessCollection", {"type": "VECTOR"}, ".type: 'VECTOR' is none of SEARCH, TIMESERIES, VECTORSEARCH"),
        ("ServerlessCollection", {"name": "Handbook"}, ".name: 'Handbook' doesn't match [a-z][a-z0-9-]+"),
        ("ServerlessCollectionGroup", {"name": "n" * 33}, ".name: 33 characters is not within 3 and 32"),
        ("ServerlessCollection", {"colour": "red"}, ".colour: no member of CreateCollection"),
        ("RolePolicy", {"policy": 7}, ".PolicyDocument: 7 is no string"),
        ("EventSourceMapping", {"batchSize": 20000}, ".BatchSize: 20000 is not within 1 and 10000"),
        ("EventSourceMapping", {"scalingConfig": {"maximumConcurrency": 1}}, ".MaximumConcurrency: 1 is not within 2"),
        ("MetricAlarm", {"treatMissingData": "silent"}, ".treatMissingData: 'silent' is not documented"),
        ("Stage", {"deployment": None}, ": lacks deploymentId"),
        ("LogGroup", {"retentionInDays": 14.5}, ".retentionInDays: 14.5 is no whole number"),
    ],
)
def test_what_a_service_refuses_is_told(kind, changed, said):
    resource = longest(0).of(kind)[0]
    inputs = {key: value for key, value in (resource.inputs | changed).items() if value is not None}
    (mistake,) = mistakes(Recording([replace(resource, inputs=inputs)]))
    assert said in mistake and mistake.startswith(resource.type)


@pytest.mark.faults
def test_a_type_without_a_row_is_told():
    resource = replace(longest(0).one("Table"), type="aws:dynamodb/table:Other")
    assert "no row" in mistakes(Recording([resource]))[0]


# What no model says: sums over a resource, or over several


@pytest.mark.parametrize("number", range(len(PROGRAMS)), ids=IDS)
def test_what_lies_beside_each_other_is_within_the_limits_of_all_of_it(number):
    recording = longest(number)
    for function in recording.of("aws:lambda/function:Function"):
        # Lambda quotas: 4 KB of environment variables, all together.
        variables = function.inputs["environment"]["variables"]
        assert sum(len(f"{key}{value}".encode()) for key, value in variables.items()) <= 4096, function.name
    for parameter in recording.of("aws:ssm/parameter:Parameter"):
        # Systems Manager quotas: 4 KB in the standard tier.
        assert len(parameter.inputs["insecureValue"].encode()) <= 4096, parameter.name
    policies: dict[str, str] = {}
    for policy in recording.of("aws:iam/rolePolicy:RolePolicy"):
        role = policy.inputs["role"]
        policies[role] = policies.get(role, "") + "".join(policy.inputs["policy"].split())
    # IAM quotas: 10,240 characters in all inline policies of a role, white space apart.
    assert {role: len(text) for role, text in policies.items() if len(text) > 10_240} == {}


# Names


@pytest.mark.faults
@pytest.mark.parametrize("name", ["Handbook", "my_docs", "2nd", "docs-", "dépôt", "", "n" * 300])
@pytest.mark.parametrize(("kind", "given"), PROGRAMS, ids=IDS)
def test_a_name_that_aws_refuses_is_refused_before_anything_is_registered(kind, given, name):
    with pytest.raises(InvalidArguments) as caught:
        made(kind, name, given)
    assert [mistake.where for mistake in caught.value.mistakes] == ["name"]
    most = names.longest(kind.__name__, given)
    assert f"{kind.__name__} {name!r}" in str(caught.value)
    assert f"up to {most} lower-case letters, digits and hyphens" in str(caught.value)


@pytest.mark.faults
def test_a_wrong_name_is_told_with_all_other_mistakes():
    with pytest.raises(InvalidArguments) as caught:
        RagEnvironment("Hand book", {"dimensions": 7, "tags": {"aws:team": "search"}})
    assert {mistake.where for mistake in caught.value.mistakes} == {"name", "dimensions", "tags.aws:team"}


def given(recording: Recording) -> list[str]:
    """Names that are written out in a program, rather than another resource's."""
    keys = ("name", "domainName", "modelPackageGroupName", "trackingServerName", "dashboardName")
    return [
        each.inputs[key]
        for each in recording.resources
        if each.custom and each.type.startswith("aws:")
        for key in keys
        if key in each.inputs and not each.references.get(key)
    ]


@pytest.mark.parametrize(
    ("kind", "arguments"), [PROGRAMS[1], PROGRAMS[3], PROGRAMS[5]], ids=["domain", "zero", "hybrid"]
)
def test_two_of_one_name_in_one_account_have_no_name_in_common_and_each_keeps_its_own(kind, arguments):
    """Two people who share an account may both have a stack `rag-dev` of the project `tandem`."""
    one, other = made(kind, "docs", arguments), made(kind, "docs", arguments)
    assert given(one) and not set(given(one)) & set(given(other))
    again = record(lambda: kind("docs", arguments), before=one)
    inputs = {(each.type, each.name): each.inputs for each in one.resources}
    assert {(each.type, each.name): each.inputs for each in again.resources} == inputs
    kept = {key for each in one.resources for key in each.kept}
    assert kept <= {"name", "domainName", "modelPackageGroupName", "trackingServerName", "dashboardName"}


# Limits that the models don't know


def refused(**configuration: str) -> dict[str, str]:
    try:
        environment({"environment": "rag"} | configuration)
    except InvalidArguments as error:
        return {mistake.where: f"{mistake.problem}. {mistake.remedy}" for mistake in error.mistakes}
    return {}


@pytest.mark.parametrize("ceiling", range(1, 97))
def test_a_collection_group_has_a_capacity_that_there_is(ceiling):
    said = refused(maxSearchOcu=str(ceiling))
    assert said.keys() == (set() if ceiling in (1, 2, 4, 8) or ceiling % 16 == 0 else {"maxSearchOcu"})
    assert set(STEPS) >= {int(number) for text in said.values() for number in re.findall(r"Choose (\d+) or", text)}


def test_a_capacity_that_there_is_not_is_told_with_those_beside_it():
    assert refused(maxSearchOcu="12")["maxSearchOcu"] == (
        "12 is not allowed (1, 2, 4, 8, 16 or a multiple of 16). Choose 8 or 16."
    )


@pytest.mark.parametrize(
    ("instance", "gigabytes", "wrong"),
    [
        ("t3.small", 100, ""),
        ("t3.small", 101, "storeGigabytes"),
        ("t3.medium", 200, ""),
        ("t3.medium", 201, "storeGigabytes"),
        ("c7g.large", 257, "storeGigabytes"),
        ("c7g.xlarge", 512, ""),
        ("r7g.medium", 768, ""),
        ("r7g.medium", 769, "storeGigabytes"),
        ("r7g.large", 1024, ""),
        ("or1.medium", 19, "storeGigabytes"),
        ("or1.large", 20, ""),
        ("i4i.large", 20, "storeInstance"),
        ("r6gd.large", 20, "storeInstance"),
        ("t2.medium", 20, "storeInstance"),
        ("z9.large", 1024, ""),
    ],
)
def test_a_domain_has_a_disk_that_its_instances_take(instance, gigabytes, wrong):
    said = refused(store="domain", storeInstance=f"{instance}.search", storeGigabytes=str(gigabytes))
    assert list(said) == ([wrong] if wrong else [])


def test_rows_of_disks_are_of_instances_that_take_them():
    assert not {instance.partition(".")[0] for instance in MOST_GIGABYTES} & WITHOUT_GP3
    assert all(10 < most < 1024 for most in MOST_GIGABYTES.values())


@pytest.mark.faults
@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"aws:team": "search"}, "tags.aws:team: is a key of AWS's own"),
        ({"AWS:team": "search"}, "tags.AWS:team: is a key of AWS's own"),
        ({"k" * 129: "v"}, "is no key of a tag. 1 to 128 letters"),
        ({"": "v"}, "is no key of a tag"),
        ({"team#1": "v"}, "tags.team#1: is no key of a tag"),
        ({"team": "v" * 257}, "is not allowed (a text of up to 256 letters"),
        ({"team": "a,b"}, "tags.team: 'a,b' is not allowed"),
        ({"team": 7}, "tags.team: 7 is not allowed"),
        ({"team": "a", "Team": "b"}, "tags.Team: is there in another case too"),
        ({f"key-{number}": "v" for number in range(MOST + 1)}, f"tags: has {MOST + 1} tags. {MOST} at most"),
    ],
)
@pytest.mark.parametrize("kind", ["RagEnvironment", "FineTuningEnvironment", "HybridEnvironment", "GpuCluster"])
def test_tags_that_aws_refuses_are_refused(kind, tags, said):
    made = {
        "RagEnvironment": lambda: RagEnvironment("docs", {"tags": tags}),
        "FineTuningEnvironment": lambda: FineTuningEnvironment("docs", {"tags": tags}),
        "HybridEnvironment": lambda: HybridEnvironment("docs", {"tags": tags}),
        "GpuCluster": lambda: GpuCluster("docs", {"tags": tags}),
    }
    with pytest.raises(InvalidArguments) as caught:
        record(made[kind])
    assert said in str(caught.value)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alarmTopicArn", "alarms"),
        ("alarmTopicArn", f"arn:aws:sqs:{HERE}:alarms"),
        ("alarmTopicArn", "arn:aws:sns:us-east-1:alarms"),
        ("alertEmail", "the team"),
    ],
)
def test_who_is_told_is_somebody(key, value):
    said = refused(environment="finetuning", **{key: value})
    assert list(said) == [key] and "For example" in said[key]


def test_tags_that_aws_takes_are_taken():
    tags = {"team": "Suche und Antwort", "cost-centre": "4711/a", "owner@example.com": "", "k" * 128: "v" * 256}
    many = tags | {f"key-{number}": "v" for number in range(MOST - len(tags))}
    assert record(lambda: FineTuningEnvironment("docs", {**EKS, "tags": many})).resources
