"""What a team brings and what doesn't fit: refused before anything is made (docs/bring-your-own.md)."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from pulumi_tandem import FineTuningEnvironment, HybridEnvironment, RagEnvironment
from pulumi_tandem.configuration import environment
from pulumi_tandem.foundation.arguments import InvalidArguments

from scripts.recorder import ACCOUNT, REGION, Refusal, record, record_stack
from tests.support.readme import ROOT
from tests.unit.components.test_own import BOUNDARY, KEY, READER, THEIRS

PAGE = ROOT / "docs" / "bring-your-own.md"


def mistakes(make: type, args: Any, answers: Mapping[str, Any] | None = None) -> list[str]:
    """What is refused; nothing may have been registered by then."""
    refused: list[str] = []

    def program():
        try:
            make("own", args)
        except InvalidArguments as error:
            refused.extend(map(str, error.mistakes))

    recording = record(program, answers=answers)
    assert not (refused and recording.resources)
    return refused


def raising(text: str):
    def refuse(_given: Mapping[str, Any]) -> Any:
        raise Refusal(text)

    return refuse


def properties(**found: Any) -> dict[str, Any]:
    return {"aws:cloudcontrol/getResource:getResource": {"properties": json.dumps(found)}}


def encrypted_by(key: str) -> dict[str, Any]:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    return {"BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": default}]}}


OTHER = KEY.replace("000000000001", "000000000002")
BUCKET, DATA_SETS = {"existing_documents_bucket": THEIRS}, {"existing_dataset_bucket": THEIRS}
COLLECTION, SEARCH = {"existing_collection": "acme-vectors"}, {"store": "domain", "existing_domain": "acme-search"}
GET_BUCKET, BUCKETS = "aws:s3/getBucket:getBucket", "aws:s3/getBuckets:getBuckets"
NOTIFIED = "aws:s3/getBucketNotification:getBucketNotification"
GET_KEY, GET_POLICY = "aws:kms/getKey:getKey", "aws:iam/getPolicy:getPolicy"
GET_COLLECTION = "aws:opensearch/getServerlessCollection:getServerlessCollection"
GET_DOMAIN = "aws:opensearch/getDomain:getDomain"
A_DOMAIN = {
    "engineVersion": "OpenSearch_3.5",
    "vpcOptions": [],
    "encryptionAtRests": [{"enabled": True}],
    "advancedSecurityOptions": [],
    "tags": {},
}
A_KEY = {"keyState": "Enabled", "keyUsage": "ENCRYPT_DECRYPT", "keySpec": "SYMMETRIC_DEFAULT", "keyManager": "CUSTOMER"}
OWNED = {"Tags": [{"Key": "tandem:stack", "Value": "rag-prod"}, {"Key": "tandem:environment", "Value": "law"}]}


@pytest.mark.faults
@pytest.mark.parametrize(
    ("make", "args", "answers", "said"),
    [
        (
            RagEnvironment,
            BUCKET,
            {GET_BUCKET: raising("reading S3 Bucket (acme-handbook): couldn't find resource")},
            "existing_documents_bucket: 'acme-handbook' isn't there. Make it first, or leave this out to have one",
        ),
        (
            FineTuningEnvironment,
            DATA_SETS,
            {GET_BUCKET: {"bucketRegion": "eu-west-1"}},
            "existing_dataset_bucket: 'acme-handbook' is in eu-west-1, and this is us-east-1. Its events and its data "
            "stay there: take a bucket of this region.",
        ),
        (
            RagEnvironment,
            BUCKET,
            {BUCKETS: {"buckets": [{"name": "acme-handbook-2"}]}},
            "existing_documents_bucket: 'acme-handbook' is another account's. Its events go to that account alone: ",
        ),
        (
            RagEnvironment,
            BUCKET,
            {NOTIFIED: {"eventbridge": False}},
            "existing_documents_bucket: 'acme-handbook' doesn't tell EventBridge of its changes. Add "
            '"EventBridgeConfiguration": {} to what `aws s3api get-bucket-notification-configuration` prints',
        ),
        (
            RagEnvironment,
            BUCKET,
            properties(**encrypted_by(KEY)),
            f"existing_documents_bucket: 'acme-handbook' is encrypted by {KEY}. Roles may use the key that is given "
            "alone: set `kms_key_arn` to that one.",
        ),
        (RagEnvironment, BUCKET | {"kms_key_arn": OTHER}, properties(**encrypted_by(KEY)), f"is encrypted by {KEY}."),
        (
            RagEnvironment,
            BUCKET,
            properties(**OWNED),
            "existing_documents_bucket: 'acme-handbook' belongs to environment 'law' of a stack rag-prod. It goes with "
            "that stack: take one of your own. If that is gone, remove the tag tandem:stack.",
        ),
        (
            RagEnvironment,
            BUCKET,
            properties(Tags=[{"Key": "tandem:stack", "Value": "test"}, {"Key": "tandem:environment", "Value": "own"}]),
            "'acme-handbook' belongs to environment 'own' of a stack test. If this program makes it, give that output "
            "in place of the name; else another stack has the name. It goes with that stack: take one of your own.",
        ),
        (FineTuningEnvironment, DATA_SETS, properties(**OWNED), "existing_dataset_bucket: 'acme-handbook' belongs to"),
        (RagEnvironment, {"existing_documents_bucket": "s3://a"}, {}, "Its name alone, without s3:// or arn:."),
        (
            RagEnvironment,
            COLLECTION,
            {GET_COLLECTION: raising("reading OpenSearch Serverless Collection (acme-vectors): empty result")},
            "existing_collection: 'acme-vectors' isn't there. Look at its name, region and account.",
        ),
        (RagEnvironment, COLLECTION, {GET_COLLECTION: {"type": "SEARCH"}}, "is of type SEARCH, not VECTORSEARCH"),
        (
            RagEnvironment,
            COLLECTION,
            {GET_COLLECTION: {"type": "VECTORSEARCH", "tags": {each["Key"]: each["Value"] for each in OWNED["Tags"]}}},
            "existing_collection: 'acme-vectors' belongs to environment 'law' of a stack rag-prod.",
        ),
        (
            RagEnvironment,
            COLLECTION | {"max_search_ocu": 4},
            {},
            "max_search_ocu: is given beside `existing_collection`, which stays as it is. Remove it, or `existing_coll",
        ),
        (RagEnvironment, {"existing_domain": "acme-search"}, {}, "unless store is domain"),
        (RagEnvironment, SEARCH | {"store_readers": [READER]}, {}, "unless store is serverless"),
        (RagEnvironment, SEARCH, {GET_DOMAIN: raising("ResourceNotFoundException: Domain not found")}, "isn't there."),
        (
            RagEnvironment,
            SEARCH,
            {GET_DOMAIN: A_DOMAIN | {"engineVersion": "OpenSearch_1.3"}},
            "existing_domain: 'acme-search' is OpenSearch_1.3. Upgrade it to OpenSearch 2.17 or newer.",
        ),
        (RagEnvironment, SEARCH, {GET_DOMAIN: A_DOMAIN | {"encryptionAtRests": [{"enabled": False}]}}, "isn't encr"),
        (RagEnvironment, SEARCH, {GET_DOMAIN: A_DOMAIN | {"vpcOptions": [{"subnetIds": ["s"]}]}}, "is inside a VPC."),
        (RagEnvironment, SEARCH, {GET_DOMAIN: A_DOMAIN | {"tags": {"tandem:stack": "b"}}}, "of a stack b."),
        (RagEnvironment, SEARCH | {"store_instances": 3}, {}, "store_instances: is given beside `existing_domain`,"),
        (
            RagEnvironment,
            {"kms_key_arn": KEY.replace(REGION, "eu-west-1")},
            {},
            "is of eu-west-1, and this is us-east-1. Give one of us-east-1, or deploy to eu-west-1.",
        ),
        (RagEnvironment, {"kms_key_arn": KEY}, {GET_KEY: raising("NotFoundException: Key")}, "' isn't there."),
        (FineTuningEnvironment, {"kms_key_arn": KEY}, {GET_KEY: A_KEY | {"keyState": "Disabled"}}, " is Disabled."),
        (RagEnvironment, {"kms_key_arn": KEY}, {GET_KEY: A_KEY | {"keySpec": "RSA_2048"}}, "by RSA_2048."),
        (RagEnvironment, {"kms_key_arn": KEY}, {GET_KEY: A_KEY | {"keyManager": "AWS"}}, "is one that AWS manages"),
        (RagEnvironment, {"kms_key_arn": "alias/a"}, {}, "An alias's ARN is none: `aws kms describe-key --key-id"),
        (
            RagEnvironment,
            {"roles": {"permissions_boundary": BOUNDARY}},
            {GET_POLICY: raising("reading IAM policy: couldn't find resource")},
            f"roles.permissions_boundary: '{BOUNDARY}' isn't there. Make it, or look at its path.",
        ),
        (
            FineTuningEnvironment,
            {"roles": {"permissions_boundary": BOUNDARY.replace(ACCOUNT, "210987654321")}},
            {},
            f"is of account 210987654321, and this is {ACCOUNT}. Give one of this account.",
        ),
        (RagEnvironment, {"roles": {"path": "acme"}}, {}, "roles.path: 'acme' is not allowed (a path that begins"),
        (RagEnvironment, {"log_days": 45}, {}, "(a number of days that CloudWatch takes). Choose 30 or 60."),
        (HybridEnvironment, {"log_days": 15, "rag": {}}, {}, "log_days: 15 is not allowed"),
        (
            HybridEnvironment,
            {"rag": BUCKET, "finetuning": DATA_SETS},
            {},
            "finetuning.existing_dataset_bucket: is the bucket of documents as well. All that is in it would be index",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_anything_is_made(make, args, answers, said):
    found = mistakes(make, args, answers)
    assert [each for each in found if said in each], found


HERE = f"{REGION}:{ACCOUNT}"
URL = {"embedder": "https://h.example/v1#m"}
ARNS = {
    "alarm_topic_arn": (RagEnvironment, {}, f"arn:aws:sns:{HERE}:alarms"),
    "embedder_secret_arn": (RagEnvironment, URL, f"arn:aws:secretsmanager:{HERE}:secret:key-AbCdEf"),
    "kms_key_arn": (RagEnvironment, {}, KEY),
    "model": (FineTuningEnvironment, {}, f"arn:aws:sagemaker:{HERE}:model-package/models/3"),
    "hub_token_secret": (FineTuningEnvironment, {}, f"arn:aws:secretsmanager:{HERE}:secret:hub-AbCdEf"),
    "user_pool_arn": (RagEnvironment, {"auth": "jwt"}, f"arn:aws:cognito-idp:{HERE}:userpool/{REGION}_a"),
}
ANYWHERE = ("hub_token_secret", "user_pool_arn")  # which are asked for where they are


@pytest.mark.faults
@pytest.mark.parametrize("key", ARNS)
def test_an_arn_of_another_region_or_partition_is_refused_where_it_could_not_be_used(key):
    make, more, arn = ARNS[key]
    assert mistakes(make, {**more, key: arn}) == []
    [elsewhere] = mistakes(make, {**more, key: arn.replace(REGION, "eu-west-1", 1)}) or [""]
    assert (f"{key}: " in elsewhere and "is of eu-west-1, and this is us-east-1. Give" in elsewhere) == (
        key not in ANYWHERE
    )
    [partition] = mistakes(make, {**more, key: arn.replace("arn:aws:", "arn:aws-cn:")})
    assert partition.startswith(f"{key}: ")
    assert "is of partition aws-cn, and us-east-1 is of another. Begin it with arn:aws:." in partition
    assert "is not " in str(mistakes(make, {**more, key: arn.replace("arn:aws:", "arn:awz:")}))


@pytest.mark.faults
def test_arns_within_others_are_looked_at_too_and_a_hybrid_tells_each_where_it_was_written():
    boundary = {"permissions_boundary": BOUNDARY.replace("arn:aws:", "arn:aws-us-gov:")}
    elsewhere, topic = KEY.replace(REGION, "eu-west-1"), ARNS["alarm_topic_arn"][2].replace(REGION, "eu-west-1")
    tuning = {"training_backend": "eks", "cluster": {"admins": [READER, READER.replace("arn:aws:", "arn:aws-cn:")]}}
    given = {"kms_key_arn": elsewhere, "alarm_topic_arn": topic, "rag": {"roles": boundary}, "finetuning": tuning}
    assert [each.partition(": ")[0] for each in mistakes(HybridEnvironment, given)] == [
        "rag.roles.permissions_boundary",
        "finetuning.cluster.admins[1]",
        "alarm_topic_arn",
        "kms_key_arn",
    ]
    disabled = {GET_KEY: A_KEY | {"keyState": "Disabled"}}
    [told] = mistakes(HybridEnvironment, {"kms_key_arn": KEY}, disabled)
    assert told.startswith("kms_key_arn: ")
    [told] = mistakes(HybridEnvironment, {"rag": {"kms_key_arn": KEY}}, disabled)
    assert told.startswith("rag.kms_key_arn: ")


@pytest.mark.faults
def test_where_the_region_is_not_known_yet_an_arn_of_any_is_taken():
    unknown = {"aws:index/getRegion:getRegion": {}}
    assert mistakes(RagEnvironment, {"kms_key_arn": KEY.replace(REGION, "eu-west-1")}, unknown) == []


ALIAS, ID = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/team", OTHER.rpartition("/")[2]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("by", "key", "described", "said"),
    [
        (ID, {"kms_key_arn": OTHER}, {}, ""),
        (ID, {"kms_key_arn": KEY}, {"arn": OTHER}, f"is encrypted by {OTHER}. Roles may use"),
        (ALIAS, {"kms_key_arn": KEY}, {"arn": KEY}, ""),
        (ALIAS, {"kms_key_arn": KEY}, {"arn": OTHER}, f"is encrypted by {OTHER}. Roles may use"),
        (ALIAS, {}, {"arn": OTHER}, "set `kms_key_arn` to that one"),
        (OTHER, {}, {"arn": OTHER, "keyManager": "AWS"}, ""),  # aws/s3, by its own ARN
        ("alias/aws/s3", {}, None, ""),
    ],
)  # fmt: skip
def test_the_key_of_a_bucket_is_known_by_any_of_its_names(by, key, described, said):
    answers = {GET_KEY: lambda given: A_KEY | ({"arn": KEY} if given["keyId"] == KEY else described)}
    found = mistakes(RagEnvironment, BUCKET | key, properties(**encrypted_by(by)) | answers)
    assert [said in each for each in found] == ([True] if said else [])


@pytest.mark.faults
def test_a_bucket_whose_key_is_gone_or_not_described_is_said(caplog):
    of_key = properties(**encrypted_by(ALIAS))
    [told] = mistakes(RagEnvironment, BUCKET, of_key | {GET_KEY: raising("NotFoundException: Alias")})
    assert f"is encrypted by {ALIAS}, which isn't there. Encrypt it by a key that is" in told
    assert mistakes(RagEnvironment, BUCKET, of_key | {GET_KEY: raising("AccessDeniedException")}) == []
    assert f"Not checked, since AWS doesn't say it here: the key {ALIAS} of bucket {THEIRS}" in caplog.text


@pytest.mark.parametrize(
    "said",
    [
        {"Tags": None, "BucketEncryption": None},
        {"BucketEncryption": {"ServerSideEncryptionConfiguration": None}},
        {"BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": None}]}},
    ],
)
def test_a_bucket_without_tags_and_encryption_may_say_so_by_null(said):
    assert mistakes(RagEnvironment, BUCKET, properties(**said)) == []


@pytest.mark.faults
@pytest.mark.parametrize(
    ("args", "asked", "key"),
    [(COLLECTION, GET_COLLECTION, "existing_collection"), (SEARCH, GET_DOMAIN, "existing_domain")],
)
def test_who_may_not_look_at_a_store_is_told_the_rights_that_the_page_lists(args, asked, key, caplog):
    [told] = mistakes(RagEnvironment, args, {asked: raising("AccessDeniedException: not authorized")})
    assert f"{key}: '{args[key]}' can't be looked at. Its ARN and URL are needed, which take the permissions " in told
    rights = re.findall(r"\b(?:aoss|es):\w+", told)
    assert rights and f"| {', '.join(f'`{each}`' for each in rights)} |" in PAGE.read_text()
    assert "not authorized" in caplog.text


@pytest.mark.faults
def test_all_that_does_not_fit_is_told_at_once():
    args = {**BUCKET, **COLLECTION, "kms_key_arn": KEY, "roles": {"permissions_boundary": BOUNDARY}, "log_days": 45}
    gone = raising("couldn't find resource")
    answers = {NOTIFIED: {"eventbridge": False}, **properties(**encrypted_by(OTHER), **OWNED)}
    found = mistakes(RagEnvironment, args, answers | {GET_COLLECTION: gone, GET_KEY: gone, GET_POLICY: gone})
    assert len(found) == 7, found
    parts = {"rag": {k: args[k] for k in ("existing_documents_bucket", "existing_collection")}, "finetuning": DATA_SETS}
    found = mistakes(HybridEnvironment, parts, {GET_BUCKET: gone, GET_COLLECTION: gone})
    assert {each.partition(":")[0] for each in found} == {
        "rag.existing_documents_bucket",
        "rag.existing_collection",
        "finetuning.existing_dataset_bucket",
    }


@pytest.mark.faults
def test_who_may_not_look_may_deploy_and_is_told_what_was_not_checked(caplog):
    args = {**BUCKET, "kms_key_arn": KEY, "roles": {"permissions_boundary": BOUNDARY}}
    denied = raising("AccessDeniedException: not authorized to perform this")
    looked = (GET_BUCKET, BUCKETS, NOTIFIED, GET_KEY, GET_POLICY, "aws:cloudcontrol/getResource:getResource")
    assert mistakes(RagEnvironment, args, dict.fromkeys(looked, denied)) == []
    told = caplog.text
    assert told.count("Not checked, since AWS doesn't say it here") == len(looked)
    for part in (
        f"the key {KEY}",
        f"the policy {BOUNDARY}",
        f"bucket {THEIRS} tells EventBridge",
        "encrypted and tagged",
    ):
        assert part in told


@pytest.mark.faults
def test_a_domain_that_nobody_can_look_into_is_said(caplog):
    there = {"arn": "arn:aws:es:us-east-1:123456789012:domain/acme-search", "endpoint": "e"}
    answers = {GET_DOMAIN: A_DOMAIN | there | {"advancedSecurityOptions": [{"enabled": True}]}}
    assert mistakes(RagEnvironment, SEARCH, answers) == []
    assert "Domain acme-search has fine-grained access control" in caplog.text


@pytest.mark.faults
def test_mistakes_in_a_stacks_file_have_the_files_keys():
    with pytest.raises(InvalidArguments) as caught:
        environment(
            {
                "environment": "rag",
                "existingCollection": "acme-vectors",
                "maxSearchOcu": "4",
                "roles": '{"permissionsBoundary": "nobody"}',
                "logDays": "45",
            }
        )
    found = {mistake.where: str(mistake) for mistake in caught.value.mistakes}
    assert found.keys() == {"maxSearchOcu", "roles.permissionsBoundary", "logDays"}
    assert "beside `existingCollection`" in found["maxSearchOcu"] or "existingCollection" in found["maxSearchOcu"]


@pytest.mark.faults
def test_what_a_stack_gives_both_parts_of_a_hybrid_is_told_once():
    stack = {"tandem:environment": "hybrid", "tandem:kmsKeyArn": KEY, "tandem:logDays": "30"}
    with pytest.raises(InvalidArguments) as caught:
        record_stack(stack, answers={GET_KEY: A_KEY | {"keyState": "Disabled"}})
    assert [mistake.where for mistake in caught.value.mistakes] == ["kmsKeyArn"]
    kept = {each.inputs["retentionInDays"] for each in record_stack(stack).of("LogGroup")}
    assert kept == {30}
    with pytest.raises(InvalidArguments, match=r"kmsKeyArn: .* is of us-east-1, and this is eu-west-1"):
        environment({"environment": "hybrid", "kmsKeyArn": KEY}, {"region": "eu-west-1"})
