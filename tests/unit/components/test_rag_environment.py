"""What `RagEnvironment` registers, and what it refuses."""

import json
import re
from fnmatch import fnmatchcase

import parliament
import pytest
from pulumi_tandem.configuration import environment
from pulumi_tandem.environments.rag_fields import RAG
from pulumi_tandem.foundation.arguments import InvalidArguments
from pulumi_tandem.rag.stores import STORES
from tandem_contract.checks import Checks

from scripts.recorder import record_stack

CONFIG = {"tandem:environment": "rag", "tandem:retention": "erase"}


DOMAIN = CONFIG | {"tandem:store": "domain"}


@pytest.fixture(scope="module")
def stack():
    return record_stack(CONFIG)


@pytest.fixture(scope="module")
def with_domain():
    return record_stack(DOMAIN)


def test_outputs_are_the_contract(stack):
    assert set(stack.outputs) == {
        "queryUrl",
        "documentsBucket",
        "storeEndpoint",
        "collectionEndpoint",
        "ledgerTable",
        "deadLetterQueueUrl",
        "region",
    }
    assert stack.outputs["queryUrl"].endswith("/v1/query")
    assert stack.outputs["region"] == "us-east-1"


@pytest.mark.parametrize("of", ["stack", "with_domain"])
def test_the_store_is_found_by_its_former_name_too_for_one_release(of, request):
    outputs = request.getfixturevalue(of).outputs
    assert outputs["storeEndpoint"].startswith("https://")
    assert outputs["collectionEndpoint"] == outputs["storeEndpoint"]


def test_store_is_of_the_generation_that_scales_to_zero(stack):
    group = stack.one("ServerlessCollectionGroup")
    assert group.inputs["generation"] == "NEXTGEN"
    assert group.inputs["standbyReplicas"] == "ENABLED"  # NextGen accepts nothing else
    (limits,) = group.inputs["capacityLimits"]
    assert limits["minSearchCapacityInOcu"] == limits["minIndexingCapacityInOcu"] == 0
    assert limits["maxSearchCapacityInOcu"] == limits["maxIndexingCapacityInOcu"] == 2
    assert stack.one("ServerlessCollection").inputs["collectionGroupName"] == group.inputs["name"]
    assert stack.one("ServerlessCollection").inputs["type"] == "VECTORSEARCH"


def test_a_domain_is_encrypted_speaks_tls_and_is_all_that_a_domain_needs(with_domain):
    domain = with_domain.one("Domain").inputs
    assert domain["clusterConfig"] == {"instanceType": "r7g.medium.search", "instanceCount": 1}
    assert domain["ebsOptions"] == {"ebsEnabled": True, "volumeType": "gp3", "volumeSize": 20}
    assert domain["encryptAtRest"]["enabled"] and domain["nodeToNodeEncryption"]["enabled"]
    assert domain["domainEndpointOptions"]["enforceHttps"] is True
    assert domain["domainEndpointOptions"]["tlsSecurityPolicy"] == "Policy-Min-TLS-1-2-PFS-2023-10"
    assert domain["softwareUpdateOptions"] == {"autoSoftwareUpdateEnabled": True}
    assert len(domain["domainName"]) <= 28
    assert domain["tags"]["tandem:environment"] == "rag"
    assert not [each.name for each in with_domain.resources if "serverless" in each.type.lower()]


@pytest.mark.parametrize(("instances", "zones"), [("2", 2), ("3", 3), ("4", 3)])
def test_instances_of_a_domain_are_spread_over_zones(instances, zones):
    cluster = record_stack(DOMAIN | {"tandem:storeInstances": instances}).one("Domain").inputs["clusterConfig"]
    assert (cluster["instanceCount"], cluster["zoneAwarenessEnabled"]) == (int(instances), True)
    assert cluster["zoneAwarenessConfig"] == {"availabilityZoneCount": zones}


def test_each_role_may_make_the_requests_to_a_domain_that_it_makes(with_domain):
    arn = "arn:aws:es:us-east-1:123456789012:domain/"
    asked = {
        (policy.name, action, statement["Resource"].removeprefix(arn).partition("/")[2])
        for policy in with_domain.of("RolePolicy")
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        for action in statement["Action"]
        if action.startswith("es:")
    }
    assert asked == {
        ("rag-index-permissions", "es:ESHttpPut", "*"),
        ("rag-query-permissions", "es:ESHttpPost", "*/_search"),
        ("rag-ingestion-ingest-permissions", "es:ESHttpPost", "*/_bulk"),
        ("rag-ingestion-sweep-permissions", "es:ESHttpPost", "*/_search"),
        ("rag-ingestion-sweep-permissions", "es:ESHttpPost", "*/_bulk"),
    }


@pytest.mark.parametrize(("given", "service"), [(CONFIG, "aoss"), (DOMAIN, "es")])
def test_the_index_is_ensured_where_the_store_is(given, service):
    stack = record_stack(given)
    payload = json.loads(stack.one("Invocation").inputs["input"])
    assert payload["service"] == service
    assert fnmatchcase(stack.one("Invocation").name, "*-ensure-index")  # as the remedy for one that is gone calls it
    assert payload["endpoint"] == stack.outputs["storeEndpoint"]
    assert payload["endpoint"].startswith("https://") and f".{service}." in payload["endpoint"]


def test_documents_are_private_encrypted_versioned_and_announced(stack):
    assert all(value is True for key, value in stack.one("BucketPublicAccessBlock").inputs.items() if key != "bucket")
    assert stack.of("BucketServerSideEncryptionConfiguration")
    assert stack.one("BucketVersioning").inputs["versioningConfiguration"]["status"] == "Enabled"
    assert stack.one("BucketNotification").inputs["eventbridge"] is True
    assert "aws:SecureTransport" in stack.one("BucketPolicy").inputs["policy"]


def test_events_go_through_a_queue_with_dead_letters(stack):
    queues = stack.of("aws:sqs/queue:Queue")
    work = next(queue for queue in queues if "redrivePolicy" in queue.inputs)
    assert json.loads(work.inputs["redrivePolicy"])["maxReceiveCount"] == 10
    assert all(queue.inputs["sqsManagedSseEnabled"] for queue in queues)
    pattern = json.loads(stack.one("EventRule", "changed").inputs["eventPattern"])
    assert pattern["detail-type"] == ["Object Created", "Object Deleted"]
    mapping = stack.one("EventSourceMapping")
    assert mapping.inputs["functionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping.inputs["scalingConfig"]["maximumConcurrency"] == 5


def test_queue_hides_a_message_for_six_times_the_functions_timeout(stack):
    work = next(q for q in stack.of("aws:sqs/queue:Queue") if "redrivePolicy" in q.inputs)
    ingest = stack.one("aws:lambda/function:Function", "ingestion-ingest")
    assert work.inputs["visibilityTimeoutSeconds"] == 6 * ingest.inputs["timeout"]


def test_api_asks_for_a_signature_and_answers_before_the_gateway_gives_up(stack):
    assert stack.one("Method").inputs["authorization"] == "AWS_IAM"
    query = stack.one("aws:lambda/function:Function", "query")
    assert query.inputs["timeout"] * 1000 < stack.one("Integration").inputs["timeoutMilliseconds"]


def test_jwt_uses_the_user_pool():
    pool = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_abc"
    stack = record_stack({**CONFIG, "tandem:auth": "jwt", "tandem:userPoolArn": pool})
    assert stack.one("Method").inputs["authorization"] == "COGNITO_USER_POOLS"
    assert stack.one("Authorizer").inputs["providerArns"] == [pool]


def test_keep_protects_what_holds_data():
    stack = record_stack({"tandem:environment": "rag"})
    protected = {r.type.rsplit(":", 1)[-1] for r in stack.resources if r.protect}
    assert {"Bucket", "Table", "ServerlessCollection"} <= protected
    assert record_stack(DOMAIN | {"tandem:retention": "keep"}).one("Domain").protect
    assert stack.one("Table").inputs["deletionProtectionEnabled"] is True
    assert stack.one("aws:s3/bucket:Bucket").inputs.get("forceDestroy", False) is False


def test_erase_protects_nothing(stack):
    assert not [r.name for r in stack.resources if r.protect]
    assert stack.one("aws:s3/bucket:Bucket").inputs["forceDestroy"] is True


def test_every_log_is_kept_briefly_and_every_taggable_resource_is_tagged(stack):
    assert {r.inputs["retentionInDays"] for r in stack.of("LogGroup")} == {14}
    taggable = ("Bucket", "Table", "Queue", "Function", "LogGroup", "Role", "EventRule", "MetricAlarm", "RestApi")
    taggable += ("Stage", "ServerlessCollection", "ServerlessCollectionGroup", "EventSourceMapping")
    for resource in stack.resources:
        if resource.custom and resource.type.rsplit(":", 1)[-1] in taggable:
            assert resource.inputs["tags"]["tandem:environment"] == "rag", resource.name


def test_children_have_their_component_as_parent(stack):
    assert [r.name for r in stack.resources if r.parent == "tandem-test"] == ["rag"]


@pytest.mark.parametrize("given", [CONFIG, DOMAIN])
def test_survives_a_preview_in_which_nothing_is_known(given):
    assert len(record_stack(given, preview=True).resources) == len(record_stack(given).resources)


@pytest.mark.parametrize("given", [CONFIG, DOMAIN])
def test_every_iam_policy_passes_the_linter(given):
    stack = record_stack(given)
    # The linter takes the colon before a model's version for one of the ARN's own.
    version = re.compile(r"(:foundation-model/[^\"]+):\d")
    policies = {r.name: version.sub(r"\1", r.inputs["policy"]) for r in stack.of("RolePolicy")}
    assert len(policies) == 4
    unexplained = {
        name: [
            finding
            for finding in parliament.analyze_policy_string(text).findings
            if not (finding.issue == "RESOURCE_MISMATCH" and all(_other_model_kind(row) for row in finding.detail))
        ]
        for name, text in policies.items()
    }
    assert unexplained == {name: [] for name in policies}


def _other_model_kind(mismatch: dict) -> bool:
    """The linter wants every kind of model behind `bedrock:InvokeModel` at once; the kind that we use must match."""
    return mismatch["action"] == "bedrock:InvokeModel" and "foundation-model" not in mismatch["required_format"]


def test_the_linter_finds_what_is_wrong():
    wrong = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessages","Resource":"x"}]}'
    assert parliament.analyze_policy_string(wrong).findings


@pytest.mark.parametrize("given", [CONFIG, DOMAIN])
def test_no_statement_allows_everything(given):
    stack = record_stack(given)
    for resource in stack.of("RolePolicy"):
        for statement in json.loads(resource.inputs["policy"])["Statement"]:
            resources = statement["Resource"]
            assert "*" not in ([resources] if isinstance(resources, str) else resources), resource.name
            assert not [a for a in statement["Action"] if a.endswith(":*") or a == "*"], resource.name


SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:embedder-AbCdEf"
OWN = {"tandem:embedder": "https://models.example/v1#tuned", "tandem:dimensions": "384"}


def test_an_embedder_of_ones_own_and_its_key():
    """What ensures, writes and reads the index may read the one secret; the sweep embeds nothing."""
    stack = record_stack(CONFIG | OWN | {"tandem:embedderSecretArn": SECRET})
    payload = json.loads(stack.one("Invocation").inputs["input"])
    assert (payload["embedder"], payload["dimensions"]) == (OWN["tandem:embedder"], 384)
    assert payload["embedder_secret_arn"] == SECRET
    reading = {
        (policy.name, statement["Resource"])
        for policy in stack.of("RolePolicy")
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        if "secretsmanager:GetSecretValue" in statement["Action"]
    }
    names = ("rag-index-permissions", "rag-ingestion-ingest-permissions", "rag-query-permissions")
    assert reading == {(name, SECRET) for name in names}


def test_an_embedder_that_wants_no_key_reads_no_secret():
    stack = record_stack(CONFIG | OWN)
    assert "embedder_secret_arn" not in json.loads(stack.one("Invocation").inputs["input"])
    assert "secretsmanager" not in "".join(policy.inputs["policy"] for policy in stack.of("RolePolicy"))


@pytest.mark.faults
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"embedder": "bert"}, "embedder: 'bert' is not allowed (amazon.titan-embed-text-v2:0, cohere"),
        ({"embedder": "http://models.example/v1#m"}, "embedder: would send texts and the key unencrypted. Use https"),
        ({"embedder": "https://models.example/v1"}, "embedder: lacks the host or the model. Give a URL and the model"),
        ({"embedder": "https://k:secret@models.example/v1#m"}, "Put the key into a secret: embedderSecretArn."),
        (
            {"embedderSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:embedder"},
            "embedderSecretArn: is not the whole ARN of a secret, which ends in a hyphen and six characters.",
        ),
        ({"embedderSecretArn": "sk-secret@1"}, "embedderSecretArn: is not the whole ARN of a secret, which "),
    ],
)
def test_an_embedder_that_cannot_be_used_is_refused(given, expected):
    with pytest.raises(InvalidArguments) as caught:
        environment({"environment": "rag"} | given)
    assert expected in str(caught.value)
    assert "secret@" not in str(caught.value)


@pytest.mark.faults
def test_every_mistake_is_reported_at_once():
    configuration = {
        "environment": "rags",
        "embeder": "x",
        "embedder": "amazon.titan-embed-text-v2:0",
        "dimensions": "384",
        "chunkTokens": "100",
        "chunkOverlap": "60",
        "minScore": "high",
        "auth": "jwt",
        "retention": "delete",
        "sweepMinutes": "1",
        "maxSearchOcu": "0",
        "maxDocumentMegabytes": "500",
        "storeInstance": "t3.small",
        "storeInstances": "10",
        "storeGigabytes": "5",
    }
    with pytest.raises(InvalidArguments) as caught:
        environment(configuration)
    keys = [mistake.where for mistake in caught.value.mistakes]
    wrong = "environment embeder dimensions chunkOverlap minScore userPoolArn retention sweepMinutes maxSearchOcu"
    wrong += " storeInstance storeInstances storeGigabytes" * 2  # also for a store that they don't belong to
    assert sorted(keys) == sorted([*wrong.split(), "maxDocumentMegabytes"])
    text = str(caught.value)
    for part in ("384", "256 or 512 or 1024", "'rags'", "0 to 49", "Did you mean `embedder`?"):
        assert part in text


@pytest.mark.faults
@pytest.mark.parametrize(
    ("given", "mistakes"),
    [
        ({"store": "domain", "maxSearchOcu": "4"}, {"maxSearchOcu": "set store to serverless"}),
        (
            {"storeInstance": "r7g.large.search", "storeGigabytes": "50"},
            {"storeInstance": "set store to domain", "storeGigabytes": "set store to domain"},
        ),
        ({"store": "cellar", "storeInstances": "3"}, {"store": f"Choose {' or '.join(STORES)}"}),
        ({"store": "domain", "maxSearchOcu": "2", "storeInstances": "3"}, {}),
        ({"store": "serverless", "storeInstance": "r7g.medium.search", "storeInstances": "1"}, {}),
    ],
)
def test_a_store_takes_its_own_arguments_only(given, mistakes):
    try:
        environment({"environment": "rag"} | given)
        found = {}
    except InvalidArguments as error:
        found = {mistake.where: mistake.remedy for mistake in error.mistakes}
    assert found.keys() == mistakes.keys()
    assert all(mistakes[key] in found[key] for key in found)


@pytest.mark.faults
def test_a_mistake_registers_nothing():
    with pytest.raises(InvalidArguments):
        record_stack({**CONFIG, "tandem:dimensions": "7"})


def test_none_is_the_default_of_another_stores_key_too():
    checks = Checks()
    values = RAG.read(checks, {"store": "serverless", "store_instance": None, "store_instances": None})
    assert checks.mistakes == []
    assert values["store_instance"] == RAG.fields["store_instance"].default
