"""What a team brings: then none is made, what used ours uses theirs, and what doesn't fit is refused before anything is
made (docs/bring-your-own.md)."""

import functools
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pulumi_aws as aws
import pytest
from pulumi_tandem import HybridEnvironment, RagEnvironment, RoleRules
from pulumi_tandem.foundation.house_rules import RULES, VIA

from scripts.recorder import ACCOUNT, REGION, Recording, record, record_stack

RAG = {"tandem:environment": "rag", "tandem:retention": "erase"}
DOMAIN = RAG | {"tandem:store": "domain"}
TUNING = {"tandem:environment": "finetuning", "tandem:retention": "erase"}
MODEL = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/models/3"
EKS = TUNING | {"tandem:trainingBackend": "eks", "tandem:cluster": '{"endpointPublic": false}'}
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0b1c2d3e-0000-4000-8000-000000000001"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
HOUSE = {
    "tandem:roles": json.dumps({"permissionsBoundary": BOUNDARY, "path": "/acme/"}),
    "tandem:logDays": "365",
    "tandem:kmsKeyArn": KEY,
}
ENVIRONMENTS = {
    "rag": RAG,
    "rag on a domain": DOMAIN,
    "finetuning": TUNING | {"tandem:model": MODEL, "tandem:tracking": "server"},
    "finetuning, to zero": TUNING | {"tandem:model": MODEL, "tandem:endpointMode": "zero"},
    "finetuning on eks": EKS,
    "hybrid": TUNING | {"tandem:environment": "hybrid"},
}
THEIRS = "acme-handbook"


def made(config: Mapping[str, str]) -> Recording:
    """What a stack with this configuration registers."""
    return _made(tuple(config.items()))


@functools.cache
def _made(config: tuple[tuple[str, str], ...]) -> Recording:
    return record_stack(dict(config))


def short(recording: Recording) -> Counter[str]:
    """How many of each type of AWS's are registered."""
    return Counter(each.type for each in recording.resources if each.custom and each.type.startswith("aws:"))


def statements(recording: Recording) -> list[tuple[str, dict]]:
    return [
        (policy.name.removesuffix("-permissions"), statement)
        for policy in recording.of("RolePolicy")
        for statement in json.loads(policy.inputs["policy"])["Statement"]
    ]


def resources(recording: Recording, action: str) -> dict[str, set[str]]:
    """On what each role may do it."""
    found: dict[str, set[str]] = {}
    for name, statement in statements(recording):
        if action in statement["Action"]:
            each = statement["Resource"]
            found.setdefault(name, set()).update([each] if isinstance(each, str) else each)
    return found


BROUGHT = {
    "existingDocumentsBucket": (RAG, THEIRS, {"aws:s3/": 7}),
    "existingDatasetBucket": (TUNING, THEIRS, {"aws:s3/": 7}),
    "existingCollection": (
        RAG,
        "acme-vectors",
        {"Collection:": 1, "CollectionGroup:": 1, "ServerlessSecurityPolicy:": 2},
    ),
    "existingDomain": (DOMAIN, "acme-search", {"opensearch/domain:": 1, "aws:cloudwatch/metricAlarm:": 9}),
    "kmsKeyArn": (EKS, KEY, {"aws:kms/key:": 1}),
}
"""Key, an environment, the thing, and what isn't made then by a part of its type."""


@pytest.mark.parametrize("key", BROUGHT)
def test_what_is_brought_is_not_made(key):
    config, thing, without = BROUGHT[key]
    ours, theirs = short(made(config)), short(made(config | {f"tandem:{key}": thing}))
    gone = ours - theirs
    counted = {part: sum(count for kind, count in gone.items() if part in f"{kind}:") for part in without}
    assert counted == without
    assert sum(gone.values()) == sum(without.values())
    # In a store of others' our indices are dropped at the end, by a function of its own and its call.
    more = {"function:Function", "role:Role", "rolePolicy:RolePolicy", "logGroup:LogGroup", "invocation:Invocation"}
    more |= {"serverlessAccessPolicy:ServerlessAccessPolicy"} if key == "existingCollection" else set()
    added = {kind.partition("/")[2] for kind in (theirs - ours)}
    assert added == (more if key in ("existingCollection", "existingDomain") else set())


def test_documents_of_theirs_are_read_where_they_are():
    stack = made(RAG | {"tandem:existingDocumentsBucket": THEIRS})
    assert stack.outputs["documentsBucket"] == THEIRS
    pattern = json.loads(stack.one("EventRule", "changed").inputs["eventPattern"])
    assert pattern["detail"]["bucket"]["name"] == [THEIRS]
    assert resources(stack, "s3:GetObject") == {"rag-ingestion-ingest": {f"arn:aws:s3:::{THEIRS}/*"}}
    listed = {f"arn:aws:s3:::{THEIRS}"}
    assert resources(stack, "s3:ListBucket") == {"rag-ingestion-ingest": listed, "rag-ingestion-sweep": listed}
    variables = [each.inputs["environment"]["variables"] for each in stack.of("aws:lambda/function:Function")]
    buckets = [each["TANDEM_DOCUMENTS_BUCKET"] for each in variables if "TANDEM_DOCUMENTS_BUCKET" in each]
    assert buckets == [THEIRS, THEIRS]
    assert stack.one("MetricAlarm", "stale").inputs["dimensions"] == {"Bucket": THEIRS}
    written = {action for _, each in statements(stack) for action in each["Action"] if action.startswith("s3:")}
    assert written == {"s3:GetObject", "s3:ListBucket"}


@pytest.mark.parametrize("backend", [TUNING, EKS])
def test_data_sets_of_theirs_are_read_below_their_folder_alone(backend):
    stack = made(backend | {"tandem:existingDatasetBucket": THEIRS})
    assert stack.outputs["datasetBucket"] == THEIRS
    touched = {
        (action, each)
        for _, statement in statements(stack)
        for action in statement["Action"]
        for each in [statement["Resource"]] * isinstance(statement["Resource"], str) or statement["Resource"]
        if THEIRS in each
    }
    assert touched == {
        ("s3:ListBucket", f"arn:aws:s3:::{THEIRS}"),
        ("s3:GetObject", f"arn:aws:s3:::{THEIRS}/datasets/*"),
    }


def policies(stack: Recording) -> dict[str, tuple[list[str], list[str]]]:
    """Indices and permissions of each data access policy."""
    found = {}
    for each in stack.of("ServerlessAccessPolicy"):
        ((rule,),) = [entry["Rules"] for entry in json.loads(each.inputs["policy"])]
        found[each.name.removesuffix("-access")] = (rule["Resource"], rule["Permission"])
    return found


def test_a_collection_of_theirs_is_shared_and_only_indices_of_our_own_are_touched():
    stack = made(RAG | {"tandem:existingCollection": "acme-vectors"})
    assert stack.outputs["storeEndpoint"] == "https://0123456789abcdefghij.us-east-1.aoss.amazonaws.com"
    ledger = stack.outputs["ledgerTable"]
    found = policies(stack)
    assert {"/".join(each) for each, _ in found.values()} == {f"index/acme-vectors/{ledger}-*"}
    assert found["rag-drop"][1] == ["aoss:DeleteIndex"]
    assert "aoss:DeleteIndex" not in str([each for name, each in found.items() if name != "rag-drop"])
    payload = json.loads(stack.one("Invocation", "ensure").inputs["input"])
    assert (payload["base"], payload["endpoint"]) == (ledger, stack.outputs["storeEndpoint"])
    arn = "arn:aws:aoss:us-east-1:123456789012:collection/0123456789abcdefghij"
    assert set().union(*resources(stack, "aoss:APIAccessAll").values()) == {arn}


def test_a_domain_of_theirs_is_shared_and_only_indices_of_our_own_are_touched():
    stack = made(DOMAIN | {"tandem:existingDomain": "acme-search"})
    assert stack.outputs["storeEndpoint"] == "https://search-acme-search.us-east-1.es.amazonaws.com"
    ours = f"arn:aws:es:us-east-1:123456789012:domain/acme-search/{stack.outputs['ledgerTable']}-*"
    assert resources(stack, "es:ESHttpPut") == {"rag-index": {ours}}
    assert resources(stack, "es:ESHttpDelete") == {"rag-drop": {ours}}
    posted = set().union(*resources(stack, "es:ESHttpPost").values())
    assert posted == {f"{ours}/_search", f"{ours}/_bulk"}


@pytest.mark.parametrize(
    "given", [RAG | {"tandem:existingCollection": "v-1"}, DOMAIN | {"tandem:existingDomain": "d-1"}]
)
def test_our_indices_are_dropped_from_their_store_only_where_data_is_erased(given):
    dropping = made(given).one("Invocation", "at-destroy")
    assert dropping.inputs["lifecycleScope"] == "CRUD"
    assert {"rag-drop", "rag-drop-permissions"} <= {*dropping.dependencies, *_below(made(given), "rag-drop")}
    kept = made(given | {"tandem:retention": "keep"})
    # A call that goes is one to drop, so that it stays where data is to be kept from now on.
    calls = [stack.one("Invocation", "at-destroy") for stack in (made(given), kept)]
    assert len({call.name for call in calls}) == 1
    assert [json.loads(call.inputs["input"])["drop"] for call in calls] == [True, False]
    assert not [each for each in kept.of("RolePolicy") if re.search("DeleteIndex|ESHttpDelete", str(each.inputs))]


def _below(stack: Recording, component: str) -> list[str]:
    return [each.name for each in stack.children[f"tandem:index:Function::{component}"]]


def test_two_environments_in_one_collection_have_indices_of_their_own():
    def program():
        RagEnvironment("one", {"existing_collection": "shared"})
        RagEnvironment("two", {"existing_collection": "shared"})

    calls = [each for each in record(program).of("Invocation") if each.name.endswith("-ensure-index")]
    names = [json.loads(each.inputs["input"])["base"] for each in calls]
    assert len(names) == len(set(names)) == 2


READER = f"arn:aws:iam::{ACCOUNT}:role/notebooks"


@pytest.mark.parametrize("more", [{}, {"tandem:existingCollection": "acme-vectors"}])
def test_further_principals_may_read_the_indices(more):
    stack = made(RAG | more | {"tandem:storeReaders": json.dumps([READER])})
    policy = stack.one("ServerlessAccessPolicy", "readers")
    ((entry),) = json.loads(policy.inputs["policy"])
    assert entry["Principal"] == [READER]
    assert policies(stack)["rag-readers"][1] == ["aoss:DescribeIndex", "aoss:ReadDocument"]


# Rules of the house


@pytest.mark.parametrize("config", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_every_role_has_the_boundary_and_the_path(config):
    without, stack = made(config), made(config | HOUSE)
    roles = stack.of("aws:iam/role:Role")
    assert len(roles) > 2
    assert {(each.inputs.get("permissionsBoundary"), each.inputs.get("path")) for each in roles} == {
        (BOUNDARY, "/acme/")
    }
    assert {each.inputs["path"] for each in stack.of("InstanceProfile")} <= {"/acme/"}
    assert not [
        each.name for each in without.of("aws:iam/role:Role") if {"path", "permissionsBoundary"} & {*each.inputs}
    ]


@pytest.mark.parametrize("config", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_every_log_is_kept_as_long_as_is_said(config):
    assert {each.inputs["retentionInDays"] for each in made(config | HOUSE).of("LogGroup")} == {365}
    assert {each.inputs["retentionInDays"] for each in made(config).of("LogGroup")} == {14}


HOLDING = {
    "BucketServerSideEncryptionConfiguration": lambda it: it["rules"][0]["applyServerSideEncryptionByDefault"][
        "kmsMasterKeyId"
    ],
    "Table": lambda it: it["serverSideEncryption"]["kmsKeyArn"],
    "Queue": lambda it: it["kmsMasterKeyId"],
    "LogGroup": lambda it: it["kmsKeyId"],
    "Repository": lambda it: it["encryptionConfigurations"][0]["kmsKey"],
    "Domain": lambda it: it["encryptAtRest"]["kmsKeyId"],
    "Cluster": lambda it: it["encryptionConfig"]["provider"]["keyArn"],
    "ServerlessSecurityPolicy": lambda it: json.loads(it["policy"])["KmsARN"] if it["type"] == "encryption" else KEY,
}
"""What holds data, and how it says which key encrypts it."""


@pytest.mark.parametrize("config", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_what_holds_data_is_encrypted_by_their_key(config):
    stack = made(config | HOUSE)
    found = [(each, HOLDING[kind]) for each in stack.resources if (kind := each.type.rsplit(":", 1)[-1]) in HOLDING]
    assert len(found) > 5
    assert {each.name: told(each.inputs) for each, told in found} == {each.name: KEY for each, _ in found}
    assert not [each.name for each in stack.of("Queue") if each.inputs.get("sqsManagedSseEnabled")]
    assert not stack.of("aws:kms/key:Key")
    assert KEY not in str([each.inputs for each in made(config).resources])


@pytest.mark.parametrize("config", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_each_role_may_do_with_their_key_what_the_services_ask_of_it_and_no_more(config):
    stack = made(config | HOUSE)
    wanted: dict[str, set[tuple[str, str]]] = {}
    may: dict[str, set[tuple[str, str]]] = {}
    for name, statement in statements(stack):
        via = statement.get("Condition", {}).get("StringLike", {}).get("kms:ViaService", [])
        for action in statement["Action"]:
            service = action.partition(":")[0]
            for needed in VIA.get(action, VIA.get(service, ())):
                wanted.setdefault(name, set()).add((needed, f"{service}.*"))
            if service == "kms":
                assert statement["Resource"] == KEY
                may.setdefault(name, set()).update((action, each) for each in via)
    assert {name: grants for name, grants in may.items() if grants} == wanted
    jobs = [name for name, each in statements(stack) if "kms:Encrypt" in each["Action"]]
    assert jobs == [name for name in may if name.endswith("-job")]
    assert not [each for _, each in statements(made(config)) if "kms" in str(each)]


def test_a_jobs_output_is_encrypted_by_their_key():
    stack = made(TUNING | {"tandem:kmsKeyArn": KEY})
    assert stack.one("aws:lambda/function:Function", "plan").inputs["environment"]["variables"]["TANDEM_KMS_KEY"] == KEY


def test_a_domain_of_their_key_is_watched_for_losing_it():
    more = short(made(DOMAIN | {"tandem:kmsKeyArn": KEY})) - short(made(DOMAIN))
    assert more == {"aws:cloudwatch/metricAlarm:MetricAlarm": 2}


def test_rules_of_a_hybrid_are_of_both_parts_and_a_parts_own_go_before():
    args: Any = {"roles": {"path": "/acme/"}, "log_days": 30, "rag": {"log_days": 90}}
    stack = record(lambda: HybridEnvironment("h", args))
    kept = {("tuning" in each.name, each.inputs["retentionInDays"]) for each in stack.of("LogGroup")}
    assert kept == {(True, 30), (False, 90)}
    assert {each.inputs["path"] for each in stack.of("aws:iam/role:Role")} == {"/acme/"}


def test_each_rule_is_about_a_type_that_is_registered():
    registered = {each.type for config in ENVIRONMENTS.values() for each in made(config).resources}
    assert RULES.keys() <= registered


def test_things_of_the_same_program_are_brought_as_outputs():
    def program():
        bucket = aws.s3.Bucket("theirs")
        key = aws.kms.Key("key")
        policy = aws.iam.Policy("boundary", policy="{}")
        roles: RoleRules = {"permissions_boundary": policy.arn}
        RagEnvironment("handbook", {"existing_documents_bucket": bucket.id, "kms_key_arn": key.arn, "roles": roles})

    def unasked(given: Mapping[str, Any]) -> Any:
        raise AssertionError(given)

    stack = record(program, answers={"aws:s3/getBucket:getBucket": unasked, "aws:kms/getKey:getKey": unasked})
    assert [each.name for each in stack.of("aws:s3/bucket:Bucket")] == ["theirs"]
    assert "theirs" in stack.one("EventRule", "changed").dependencies
    assert all("boundary" in each.dependencies for each in stack.of("aws:iam/role:Role"))
    assert "key" in stack.one("Table").dependencies
