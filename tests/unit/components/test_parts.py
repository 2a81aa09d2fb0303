"""Parts of a RAG service that anybody may compose, of plain ids and ARNs: alone, together, and from other languages."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_tandem
import pytest
from pulumi_tandem import (
    DataBucket,
    DomainVectorStore,
    IngestionPipeline,
    Ledger,
    QueryApi,
    RagEnvironment,
    ServerlessVectorStore,
)
from pulumi_tandem.components import COMPONENTS
from pulumi_tandem.foundation.arguments import InvalidArguments
from pulumi_tandem.plugin import Plugin

from scripts.recorder import ACCOUNT, REGION, Recording, Refusal, Registered, record

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0b1c2d3e-0000-4000-8000-000000000001"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
HOUSE = {"kms_key_arn": KEY, "roles": {"permissions_boundary": BOUNDARY, "path": "/acme/"}, "log_days": 365}
LEDGER, DOCUMENTS = "acme-ledger", "acme-handbook"
COLLECTION = f"arn:aws:aoss:{REGION}:{ACCOUNT}:collection/0123456789abcdefghij"
DOMAIN = f"arn:aws:es:{REGION}:{ACCOUNT}:domain/acme-search"
USED = {"ledger_table": LEDGER, "store_name": "acme-vectors", "store_arn": COLLECTION}
ALONE: dict[type, dict[str, Any]] = {
    DataBucket: {},
    Ledger: {},
    ServerlessVectorStore: {"ledger_table": LEDGER},
    DomainVectorStore: {"ledger_table": LEDGER},
    IngestionPipeline: {"documents_bucket": DOCUMENTS, **USED},
    QueryApi: USED,
}
"""Each part with the least that it takes."""


def made(part: type, args: Mapping[str, Any], **more: Any) -> Recording:
    return record(lambda: part("docs", args), **more)


def may(recording: Recording) -> dict[str, dict[str, set[str]]]:
    """On what each role may do what, its own log apart."""
    found: dict[str, dict[str, set[str]]] = {}
    for policy in recording.of("RolePolicy"):
        role = found.setdefault(policy.name.removesuffix("-permissions"), {})
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            on = statement["Resource"]
            for action in statement["Action"]:
                if not action.startswith(("logs:", "bedrock:")):
                    role.setdefault(action, set()).update([on] if isinstance(on, str) else on)
    return found


def test_every_part_is_public_and_in_the_plugin():
    parts = {each for each in COMPONENTS if not each.__name__.endswith("Environment")}
    assert parts == ALONE.keys()
    for part in parts:
        assert getattr(pulumi_tandem, part.__name__) is part
        assert hasattr(pulumi_tandem, f"{part.__name__}Args")


# Together


def compose(store: type, kind: str, brought: Mapping[str, Any]) -> None:
    """What `RagEnvironment("docs", {"store": kind, **brought})` is, by hand."""
    tags = {"tags": {"tandem:environment": "docs"}}
    documents, ledger = DataBucket("docs-documents", tags), Ledger("docs-ledger", tags)
    kept = store("docs", {"ledger_table": ledger.table_name, **brought, **tags})
    used: Any = {
        "ledger_table": ledger.table_name,
        "store": kind,
        "store_name": kept.store_name,
        "store_arn": kept.store_arn,
        "store_indices": kept.store_indices,
        **tags,
    }
    bucket: Any = {"documents_bucket": documents.bucket_name, "index_name": kept.index_name}
    IngestionPipeline("docs-ingestion", {**bucket, **used})
    QueryApi("docs-query", used)


def drawn(each: Registered) -> str:
    """Its inputs without the part of a name that is drawn."""
    for key in each.kept:
        each.inputs.pop(key)
    return json.dumps(each.inputs, sort_keys=True)


@pytest.mark.parametrize(
    ("store", "kind", "brought"),
    [
        (ServerlessVectorStore, "serverless", {}),
        (DomainVectorStore, "domain", {}),
        (ServerlessVectorStore, "serverless", {"existing_collection": "acme-vectors"}),
    ],
)
def test_the_environment_is_what_its_parts_are(monkeypatch, store, kind, brought):
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)
    whole = record(lambda: RagEnvironment("docs", {"store": kind, **brought}))
    parts = record(lambda: compose(store, kind, brought))
    left = {(each.type, each.name): drawn(each) for each in whole.resources}
    by_hand = {(each.type, each.name): drawn(each) for each in parts.resources}
    assert {key for key in left.keys() - by_hand.keys()} == {
        ("tandem:index:RagEnvironment", "docs"),
        ("aws:ssm/parameter:Parameter", "docs-usage"),
    }
    assert {key: left[key] for key in by_hand} == by_hand


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("brought", [{}, {"existing_collection": "acme-vectors", "retention": "erase"}])
def test_documents_are_taken_once_there_is_an_index_and_until_it_is_dropped(brought, preview):
    recording = record(lambda: compose(ServerlessVectorStore, "serverless", brought), preview=preview)
    dependencies = {each.name: set(each.dependencies) for each in recording.resources}
    assert "docs-ensure-index" in dependencies["docs-ingestion-work"]
    assert "docs-ingestion-ingest-access" in dependencies["docs-ingestion-work"]
    if brought:
        assert "docs-drop-at-destroy" in dependencies["docs-ensure-index"]


def test_a_store_that_others_use_is_touched_by_the_ledgers_indices_alone():
    recording = record(lambda: compose(ServerlessVectorStore, "serverless", {"existing_collection": "acme-vectors"}))
    made = recording.one("Invocation", "ensure-index")
    table = recording.one("Table").inputs.get("name") or json.loads(made.inputs["input"])["base"]
    policies = [json.loads(each.inputs["policy"]) for each in recording.of("ServerlessAccessPolicy")]
    touched = {each for policy in policies for entry in policy for rule in entry["Rules"] for each in rule["Resource"]}
    assert touched == {f"index/acme-vectors/{table}-*"}


# Alone


def test_a_part_makes_what_is_its_own_and_nothing_else():
    kinds = {
        part.__name__: Counter(each.type.rpartition(":")[2] for each in made(part, args).resources if each.custom)
        for part, args in ALONE.items()
    }
    assert kinds["Ledger"] == {"Table": 1}
    assert kinds["DataBucket"].keys() == {
        "Bucket",
        "BucketPublicAccessBlock",
        "BucketServerSideEncryptionConfiguration",
        "BucketVersioning",
        "BucketLifecycleConfiguration",
        "BucketPolicy",
        "BucketNotification",
    }
    assert set(kinds["DataBucket"].values()) == {1}
    apart = {"Table", "Bucket", "ServerlessCollection", "Domain", "RestApi", "EventSourceMapping"}
    holding = {part: apart & found.keys() for part, found in kinds.items()}
    assert holding == {
        "DataBucket": {"Bucket"},
        "Ledger": {"Table"},
        "ServerlessVectorStore": {"ServerlessCollection"},
        "DomainVectorStore": {"Domain"},
        "IngestionPipeline": {"EventSourceMapping"},
        "QueryApi": {"RestApi"},
    }


def test_each_role_may_touch_what_its_part_was_told_of():
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{LEDGER}"
    bucket = f"arn:aws:s3:::{DOCUMENTS}"
    pipeline = may(made(IngestionPipeline, ALONE[IngestionPipeline]))
    ingest, sweep = pipeline["docs-ingest"], pipeline["docs-sweep"]
    assert ingest["s3:GetObject"] == {f"{bucket}/*"}
    assert ingest["s3:ListBucket"] == sweep["s3:ListBucket"] == {bucket}
    assert ingest["aoss:APIAccessAll"] == sweep["aoss:APIAccessAll"] == {COLLECTION}
    tables = [on for role in pipeline.values() for action, on in role.items() if action.startswith("dynamodb:")]
    assert tables and all(on == {table} for on in tables)
    (query,) = may(made(QueryApi, USED)).values()
    assert query == {
        "dynamodb:GetItem": {table},
        "dynamodb:BatchGetItem": {table},
        "aoss:APIAccessAll": {COLLECTION},
    }


def test_of_a_domain_a_role_may_do_its_requests_to_the_indices_it_was_told_of():
    used = {**USED, "store": "domain", "store_name": "acme-search", "store_arn": DOMAIN, "store_indices": "acme-*"}
    recording = made(QueryApi, used)
    (query,) = may(recording).values()
    assert query["es:ESHttpPost"] == {f"{DOMAIN}/acme-*/_search"}
    assert not recording.of("ServerlessAccessPolicy")


def test_a_part_is_tagged_by_its_own_name_unless_it_is_told_another():
    def tags(given: Mapping[str, str]) -> dict[str, str]:
        return made(Ledger, {"tags": given}).one("Table").inputs["tags"]

    assert tags({}) == {"tandem:environment": "docs", "tandem:stack": "test"}
    assert tags({"tandem:environment": "handbook", "team": "a"}) == {
        "tandem:environment": "handbook",
        "team": "a",
        "tandem:stack": "test",
    }


@pytest.mark.parametrize("part", [IngestionPipeline, QueryApi, ServerlessVectorStore, DomainVectorStore])
def test_the_rules_of_the_house_hold_for_a_part_alone(part):
    recording = made(part, {**ALONE[part], **HOUSE})
    roles = recording.of("aws:iam/role:Role")
    assert roles and {(each.inputs["permissionsBoundary"], each.inputs["path"]) for each in roles} == {
        (BOUNDARY, "/acme/")
    }
    assert {(each.inputs["retentionInDays"], each.inputs["kmsKeyId"]) for each in recording.of("LogGroup")} == {
        (365, KEY)
    }
    assert all(KEY in each.inputs["policy"] for each in recording.of("RolePolicy"))
    assert {each.inputs["kmsMasterKeyId"] for each in recording.of("Queue")} <= {KEY}


def test_data_is_encrypted_by_the_key_that_a_part_alone_is_given():
    table = made(Ledger, {"kms_key_arn": KEY}).one("Table")
    assert table.inputs["serverSideEncryption"]["kmsKeyArn"] == KEY
    bucket = made(DataBucket, {"kms_key_arn": KEY}).one("BucketServerSideEncryptionConfiguration")
    assert KEY in json.dumps(bucket.inputs)


def test_in_an_environment_its_rules_go_before_those_of_its_parts_and_nothing_is_said_twice(caplog):
    recording = record(lambda: RagEnvironment("docs", {**HOUSE, "store": "domain", "store_instances": 2}))
    assert {each.inputs["retentionInDays"] for each in recording.of("LogGroup")} == {365}
    for policy in recording.of("RolePolicy"):
        statements = list(map(json.dumps, json.loads(policy.inputs["policy"])["Statement"]))
        assert len(statements) == len(set(statements)), policy.name


def test_what_an_environment_has_looked_at_is_looked_at_once(caplog):
    def unknown(_given: Mapping[str, Any]) -> Any:
        raise Refusal("AccessDeniedException: not authorized")

    asked = {"aws:kms/getKey:getKey": unknown, "aws:s3/getBucket:getBucket": unknown}
    args: Any = {"kms_key_arn": KEY, "existing_documents_bucket": DOCUMENTS}
    record(lambda: RagEnvironment("docs", args), answers=asked)
    told = [each for each in caplog.messages if "Not checked" in each]
    assert len(told) == len(set(told))
    assert any(KEY in each for each in told) and any(f"bucket {DOCUMENTS} " in each for each in told)


# Mistakes

WRONG: dict[type, tuple[dict[str, Any], set[str]]] = {
    DataBucket: ({"existing_bucket": "s3://a", "rewritten": ["runs"], "retention": "kept"}, set()),
    Ledger: ({"retention": "kept", "kms_key_arn": "alias/a", "tables": 1}, set()),
    ServerlessVectorStore: ({"max_search_ocu": 3, "chunk_tokens": 10, "log_days": 45}, {"ledger_table"}),
    DomainVectorStore: ({"store_instance": "t2.small.search", "dimensions": 7}, {"ledger_table"}),
    IngestionPipeline: (
        {"store_arn": DOMAIN, "ingest_concurrency": 1, "embedder_secret_arn": "key", "documents_bucket": "s3://a"},
        {"ledger_table", "store_name"},
    ),
    QueryApi: (
        {"store": "domain", "store_arn": COLLECTION, "auth": "jwt", "generator": "nobody", "min_score": 2},
        {"ledger_table", "store_name", "user_pool_arn"},
    ),
}


@pytest.mark.faults
@pytest.mark.parametrize("part", WRONG)
def test_every_mistake_is_told_at_once_before_anything_is_made(part):
    given, missing = WRONG[part]
    recording = None

    def program() -> None:
        with pytest.raises(InvalidArguments) as refused:
            part("docs", given)
        told = {each.where.partition("[")[0] for each in refused.value.mistakes}
        assert told == {*given} - {"store", "auth"} | missing
        for each in refused.value.mistakes:
            assert each.where not in missing or each.problem == "is missing"

    recording = record(program)
    assert recording.resources == []


@pytest.mark.faults
def test_a_bucket_that_tells_nobody_of_its_changes_is_refused_and_one_of_another_stack_is_not():
    notified = "aws:s3/getBucketNotification:getBucketNotification"
    with pytest.raises(InvalidArguments) as refused:
        made(IngestionPipeline, ALONE[IngestionPipeline], answers={notified: {"eventbridge": False}})
    (mistake,) = refused.value.mistakes
    assert (mistake.where, "doesn't tell EventBridge" in mistake.problem) == ("documents_bucket", True)
    theirs = {"Tags": [{"Key": "tandem:stack", "Value": "data"}]}
    answers = {"aws:cloudcontrol/getResource:getResource": {"properties": json.dumps(theirs)}}
    assert made(IngestionPipeline, ALONE[IngestionPipeline], answers=answers).resources
    with pytest.raises(InvalidArguments, match="of a stack data"):
        made(DataBucket, {"existing_bucket": DOCUMENTS}, answers=answers)


@pytest.mark.faults
@pytest.mark.parametrize("part", [IngestionPipeline, QueryApi])
@pytest.mark.parametrize(("kind", "arn"), [("serverless", DOMAIN), ("domain", COLLECTION)])
def test_an_output_that_is_the_arn_of_another_kind_of_store_fails_before_anybody_is_let_in(
    part, kind, arn, monkeypatch
):
    recording = Recording()
    monkeypatch.setattr("scripts.recorder.Recording", lambda: recording)
    with pytest.raises(InvalidArguments) as refused:
        made(part, {**ALONE[part], "store": kind, "store_arn": pulumi.Output.from_input(arn)})
    assert not recording.of("ServerlessAccessPolicy") and not may(recording)
    (mistake,) = refused.value.mistakes
    assert mistake.where == "store_arn" and arn in mistake.problem and "`store`" in mistake.remedy
    assert f"{part.__name__} 'docs'" in str(refused.value)


@pytest.mark.parametrize("part", [IngestionPipeline, QueryApi])
def test_an_output_of_the_right_kind_of_store_and_one_that_is_not_known_yet_pass(part):
    for arn in (pulumi.Output.from_input(COLLECTION), pulumi.Output.from_input(pulumi.output.UNKNOWN)):
        recording = made(part, {**ALONE[part], "store_arn": arn}, preview=True)
        assert recording.of("ServerlessAccessPolicy")


@pytest.mark.faults
def test_a_resource_in_place_of_its_name_is_refused_with_the_output_to_give():
    def program() -> None:
        store, ledger = ServerlessVectorStore("store", {"ledger_table": LEDGER}), Ledger("ledger", {})
        bucket, pool = aws.s3.Bucket("bucket"), aws.cognito.UserPool("pool")
        given: Any = {"ledger_table": ledger, "store_name": store, "store_arn": store, "user_pool_arn": pool}
        with pytest.raises(InvalidArguments) as refused:
            QueryApi("docs", {**given, "auth": "jwt"})
        remedies = {each.where: each.remedy for each in refused.value.mistakes}
        assert remedies == {
            "ledger_table": "Give its output `table_name`.",
            "store_name": "Give its output `store_name`.",
            "store_arn": "Give its output `store_arn`.",
            "user_pool_arn": "Give its output `arn`.",
        }
        given = {"existing_documents_bucket": bucket, "store": "domain", "existing_domain": aws.opensearch.Domain("d")}
        with pytest.raises(InvalidArguments) as refused:
            RagEnvironment("docs", given)
        remedies = {each.where: each.remedy for each in refused.value.mistakes}
        assert remedies == {
            "existing_documents_bucket": "Give its output `bucket`.",
            "existing_domain": "Give its output `domain_name`.",
        }

    record(program)


# From other languages


def test_the_plugin_makes_a_part_of_what_yaml_writes():
    given = {
        "documentsBucket": DOCUMENTS,
        "ledgerTable": LEDGER,
        "storeName": "acme-vectors",
        "storeArn": pulumi.Output.from_input(COLLECTION),
        "ingestConcurrency": 7.0,  # the engine sends all numbers as floats
        "roles": {"permissionsBoundary": BOUNDARY},
        "tags": {"cost_center": "7"},
    }
    results = []

    def program() -> None:
        results.append(Plugin().construct("docs", "tandem:index:IngestionPipeline", given, pulumi.ResourceOptions()))

    recording = record(program)
    assert recording.one("EventSourceMapping").inputs["scalingConfig"] == {"maximumConcurrency": 7}
    assert {each.inputs["permissionsBoundary"] for each in recording.of("aws:iam/role:Role")} == {BOUNDARY}
    assert results[0].state.keys() >= {"queueUrl", "deadLetterUrl"}
