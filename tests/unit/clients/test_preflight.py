"""`tandem preflight`: findings about the account, from recorded answers where there are some, held against botocore."""

import dataclasses
import json
import os
from collections.abc import Callable

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from tandem_contract.envelope import DEFAULT

from tandem.clients import preflight
from tandem.clients.doctor import OK, PROBLEM, UNKNOWN, WARNING, Finding, examine
from tandem.cost.model import Change
from tandem.cost.preview import Read
from tandem.cost.prices import PriceTable
from tests.unit.cost.estimates import resource

PARAMETER = "aws:ssm/parameter:Parameter"
MLFLOW = "aws:sagemaker/mlflowApp:MlflowApp"
# ListServiceQuotas of an account in us-east-1 on 2026-08-17 (endpoints, EC2) and ListAWSDefaultServiceQuotas of
# 2024-02-10 (training), as public files have them.
RECORDED = {
    "sagemaker": [
        ("L-1928E07B", "ml.g5.xlarge for endpoint usage", 4.0),
        ("L-9614C779", "ml.g5.2xlarge for endpoint usage", 2.0),
        ("L-D470D954", "ml.g6.xlarge for endpoint usage", 1.0),
        ("L-2D6DEB3C", "ml.g5.2xlarge for training job usage", 0.0),
        ("L-CAEE7DB7", "ml.g5.2xlarge for spot training job usage", 0.0),
    ],
    "ec2": [
        ("L-DB2E81BA", "Running On-Demand G and VT instances", 768.0),
        ("L-3819A6DF", "All G and VT Spot Instance Requests", 0.0),
    ],
}


class Aws:
    """Clients that answer what they are told to, checked by botocore, and send nothing."""

    def __init__(self, monkeypatch, region: str = "us-east-1") -> None:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "not-a-real-secret"}
        self.session, self.region = boto3.Session(region_name=region, **keys), region
        self.clients: dict = {}

    def __call__(self, service: str):
        if service not in self.clients:
            client = self.session.client(service)
            self.clients[service] = client, Stubber(client)
            self.clients[service][1].activate()
        return self.clients[service][0]

    def says(self, service: str, operation: str, answer: dict) -> None:
        self(service)
        self.clients[service][1].add_response(operation, answer)

    def refuses(self, service: str, operation: str, code: str) -> None:
        self(service)
        self.clients[service][1].add_client_error(operation, code, "as AWS says it")

    def quotas(self, service: str) -> None:
        rows = [
            {"ServiceCode": service, "QuotaCode": code, "QuotaName": name, "Value": value}
            for code, name, value in RECORDED[service]
        ]
        self.says("service-quotas", "list_service_quotas", {"Quotas": rows[:2], "NextToken": "more"})
        self.says("service-quotas", "list_service_quotas", {"Quotas": rows[2:]})

    def finds(self, *changes, region: str = "") -> dict[str, Finding]:
        """What the checks find of these resources, each about to be made unless it is a change."""
        whole = [it if isinstance(it, Change) else Change("create", it.urn, None, it) for it in changes]
        read = Read("tandem/dev", region or self.region, tuple(whole), {}, ())
        return examine(preflight.checks(read, self), 60, "")


@pytest.fixture
def aws(monkeypatch) -> Aws:
    return Aws(monkeypatch)


def envelope(**changes):
    limits = json.dumps(dataclasses.asdict(dataclasses.replace(DEFAULT, **changes)))
    return resource("envelope", PARAMETER, name="/tandem/tandem/dev/tuning/run-envelope", insecureValue=limits)


def endpoint(instance: str, count: int = 1, most: int = 0) -> tuple:
    variant = {"instanceType": instance, "initialInstanceCount": count}
    if most:
        variant["managedInstanceScaling"] = {"minInstanceCount": 0, "maxInstanceCount": most}
    rollout = {} if most else {"deploymentConfig": {"blueGreenUpdatePolicy": {}}}
    return (
        resource("serving", preflight.CONFIGURATION, productionVariants=[variant]),
        resource("serving", preflight.ENDPOINT, **rollout),
    )


def test_the_envelopes_of_the_product_are_found_by_their_name():
    from tandem.cost.usage import is_envelope

    assert is_envelope(envelope())


@pytest.mark.faults
@pytest.mark.parametrize(("spot", "code"), [(False, "L-2D6DEB3C"), (True, "L-CAEE7DB7")], ids=["on demand", "spot"])
def test_a_quota_of_training_that_is_too_small_is_told_with_what_raises_it(aws, spot, code):
    aws.quotas("sagemaker")
    it = {"instance_type": "ml.g5.2xlarge", "evaluation_instance_type": "ml.g5.2xlarge", "instance_count": 2}
    found = aws.finds(envelope(spot=spot, **it))
    finding = found[f"quota ml.g5.2xlarge for {'spot ' if spot else ''}training job usage"]
    assert finding.state == PROBLEM and finding.text == "the account has 0, and the stack takes 2"
    assert f"--service-code sagemaker --quota-code {code} --desired-value 2" in finding.remedy


def test_the_default_instances_quota_is_unknown_where_service_quotas_does_not_list_it(aws):
    aws.quotas("sagemaker")
    found = aws.finds(envelope())
    assert found["quota ml.g6e.2xlarge for training job usage"] == Finding(
        UNKNOWN, "Service Quotas lists no value for it", "look in the console: SageMaker."
    )
    sold = found["ml.g6e.2xlarge for training"]
    assert sold.state == OK and sold.text.startswith("sold in us-east-1 (")


@pytest.mark.parametrize(
    ("made", "state", "told"),
    [
        (endpoint("ml.g5.xlarge", 2), OK, "4, and the stack takes 4"),
        (endpoint("ml.g6.xlarge"), WARNING, "the account has 1, and a rollout of the next model takes 2, old and new"),
        (endpoint("ml.g6.xlarge", 2), PROBLEM, "the account has 1, and the stack takes 2"),
        (endpoint("ml.g6.xlarge", most=2), WARNING, "the account has 1, and a rollout of the next model takes 2, old"),
        (endpoint("ml.g5.2xlarge", most=2), OK, "2, and the stack takes 2"),
    ],
    ids=["room for both", "for one only", "for none", "zero", "zero with room"],
)
def test_an_endpoint_needs_its_quota_and_twice_that_where_models_are_rolled_out(aws, made, state, told):
    aws.quotas("sagemaker")
    (finding,) = [it for name, it in aws.finds(*made).items() if name.startswith("quota ")]
    assert (finding.state, finding.text[: len(told)]) == (state, told)


@pytest.mark.faults
def test_a_rollout_that_this_preview_has_fails_for_want_of_quota(aws):
    aws.quotas("sagemaker")
    configuration, serving = endpoint("ml.g6.xlarge")
    found = aws.finds(configuration, Change("update", serving.urn, serving, serving))
    finding = found["quota ml.g6.xlarge for endpoint usage"]
    assert finding.state == PROBLEM and "--quota-code L-D470D954 --desired-value 2" in finding.remedy


@pytest.mark.faults
def test_nodes_are_counted_by_ec2s_quota_and_offered_by_ec2(aws):
    aws.quotas("ec2")
    for _ in range(1):
        aws.says("ec2", "describe_instance_type_offerings", {"InstanceTypeOfferings": []})
    aws.refuses("iam", "get_role", "NoSuchEntity")
    found = aws.finds(
        envelope(spot=True, instance_type="g5.2xlarge", evaluation_instance_type="g5.2xlarge", instance_count=2)
    )
    assert found["quota All G and VT Spot Instance Requests"].state == PROBLEM
    assert found["g5.2xlarge"] == Finding(
        PROBLEM, "us-east-1 doesn't offer it", "choose another instance, or another region."
    )
    assert found["AWSServiceRoleForEC2Spot"].state == PROBLEM
    assert (
        "create-service-linked-role --aws-service-name spot.amazonaws.com" in found["AWSServiceRoleForEC2Spot"].remedy
    )


@pytest.mark.parametrize(
    ("kind", "service", "operation", "answer"),
    [
        (preflight.GROUP, "opensearchserverless", "list_collection_groups", {"collectionGroupSummaries": []}),
        (MLFLOW, "sagemaker", "list_mlflow_apps", {"Summaries": []}),
        ("aws:eks/cluster:Cluster", "eks", "list_clusters", {"clusters": []}),
        ("cloud control", "sagemaker", "list_inference_components", {"InferenceComponents": []}),
    ],
)
def test_a_feature_is_there_absent_or_unknown_as_the_region_answers(monkeypatch, kind, service, operation, answer):
    def found(tell: Callable[[Aws], None], region: str = "us-east-1") -> Finding:
        aws = Aws(monkeypatch, region)
        tell(aws)
        made = resource("it", kind)
        if kind == "cloud control":
            made = resource("it", "aws:cloudcontrol/resource:Resource", typeName=preflight.COMPONENT)
        features = {it.title.partition(",")[0] for it in preflight.FEATURES.values()}
        (finding,) = [it for name, it in aws.finds(made).items() if name in features]
        return finding

    assert found(lambda aws: aws.says(service, operation, answer)).state == OK
    refused = found(lambda aws: aws.refuses(service, operation, "AccessDeniedException"))
    assert refused.state == UNKNOWN and refused.remedy.startswith("allow ")
    absent = found(lambda aws: aws.refuses(service, operation, "UnknownOperationException"))
    assert absent.state == PROBLEM and absent.remedy.startswith("set tandem:")
    expired = found(lambda aws: aws.refuses(service, operation, "ExpiredTokenException"))
    assert expired.state == PROBLEM and "sign in again" in expired.remedy


def test_nextgen_is_known_of_commercial_regions_alone(monkeypatch):
    aws = Aws(monkeypatch, "us-gov-west-1")
    aws.says("opensearchserverless", "list_collection_groups", {"collectionGroupSummaries": []})
    assert aws.finds(resource("group", preflight.GROUP))["OpenSearch Serverless NextGen"].state == UNKNOWN


@pytest.mark.faults
def test_a_service_without_an_endpoint_in_the_region_is_no_matter_of_the_network(monkeypatch):
    aws = Aws(monkeypatch, "mx-central-1")
    service = aws("opensearchserverless")

    def nobody() -> None:
        raise EndpointConnectionError(endpoint_url=service.meta.endpoint_url)

    monkeypatch.setattr(service, "list_collection_groups", nobody)
    finding = aws.finds(resource("group", preflight.GROUP))["OpenSearch Serverless NextGen"]
    assert finding == Finding(
        PROBLEM,
        "mx-central-1 has no endpoint of opensearchserverless",
        "set tandem:store to domain, or choose another region.",
    )


def test_what_answers_in_aws_place_is_never_taken_for_aws(monkeypatch):
    """Nor is a remedy told for what only the local cloud lacks."""
    aws = Aws(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    domain = resource(
        "store", preflight.DOMAIN, engineVersion="OpenSearch_3.5", clusterConfig={"instanceType": "r7g.medium.search"}
    )
    entry = resource("ops", preflight.ENTRY, principalArn="arn:aws:iam::123456789012:role/ops")
    nodes = envelope(instance_type="g5.2xlarge", evaluation_instance_type="g5.2xlarge")
    made = (domain, entry, nodes, resource("a", MLFLOW), resource("b", preflight.GROUP), *endpoint("ml.g6.xlarge"))
    found = aws.finds(*made)
    assert {name for name, it in found.items() if it.state != UNKNOWN} == {"ml.g6.xlarge for hosting"}
    asked = [it for it in found.values() if it.state == UNKNOWN]
    assert len(asked) >= 8 and {it.text for it in asked} == {preflight.NOT_HERE}


@pytest.mark.faults
def test_a_domains_instance_is_asked_of_opensearch(aws):
    domain = resource(
        "store", preflight.DOMAIN, engineVersion="OpenSearch_3.5", clusterConfig={"instanceType": "r7g.medium.search"}
    )
    aws.says(
        "opensearch", "list_instance_type_details", {"InstanceTypeDetails": [{"InstanceType": "r7g.medium.search"}]}
    )
    aws.says("opensearch", "list_instance_type_details", {"InstanceTypeDetails": []})
    assert aws.finds(domain)["domain store"].state == OK
    assert aws.finds(domain)["domain store"].text == "us-east-1 has no r7g.medium.search for OpenSearch_3.5"


@pytest.mark.faults
def test_an_instance_that_is_not_sold_and_one_of_which_nobody_has_looked(aws, monkeypatch):
    rows = {("AmazonSageMaker", "hosting:ml.g6.xlarge"): "AWS's page, 2026-11-30"}
    monkeypatch.setattr(preflight, "load", lambda region: PriceTable(region, (), rows))
    aws.quotas("sagemaker")
    found = aws.finds(envelope(), *endpoint("ml.g6.xlarge"))
    assert found["ml.g6.xlarge for hosting"].state == PROBLEM
    assert found["ml.g6e.2xlarge for training"].state == UNKNOWN


@pytest.mark.faults
def test_roles_and_principals(aws):
    who = {"UserId": "AIDA", "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/ada"}
    entries = [
        resource("gone", preflight.ENTRY, principalArn="arn:aws:iam::123456789012:role/path/gone"),
        resource("group", preflight.ENTRY, principalArn="arn:aws:iam::123456789012:group/ops"),
        resource("theirs", preflight.ENTRY, principalArn="arn:aws:iam::210987654321:role/ops"),
        resource("made", preflight.ENTRY, principalArn="04da6b54-80e4-46f7-96ec-b56ff0331ba9"),
    ]
    states = []
    for entry in entries[:3]:
        aws.says("sts", "get_caller_identity", who)
        if entry is entries[0]:
            aws.refuses("iam", "get_role", "NoSuchEntity")
        states += [it.state for it in aws.finds(entry).values()]
    assert states == [PROBLEM, UNKNOWN, UNKNOWN]
    assert aws.finds(entries[3]) == {}  # it isn't known before the deployment
    aws.says("sts", "get_caller_identity", who)
    aws.refuses("iam", "get_user", "NoSuchEntity")
    (finding,) = aws.finds(
        resource("left", preflight.ENTRY, principalArn="arn:aws:iam::123456789012:user/bob")
    ).values()
    assert finding == Finding(PROBLEM, "there is no such user in the account", "correct `admins` of tandem:cluster.")
    aws.refuses("iam", "get_role", "NoSuchEntity")
    found = aws.finds(resource("scaling", "aws:appautoscaling/target:Target"))
    (finding,) = found.values()
    assert finding.state == WARNING and "sagemaker.application-autoscaling.amazonaws.com; or let who" in finding.remedy


@pytest.mark.faults
def test_what_these_credentials_may_not_ask_is_named_in_a_few_words(aws):
    says = "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: {} on resource: * because no "
    says += "identity-based policy allows the {} action"
    for service, operation, action in (
        ("opensearchserverless", "list_collection_groups", "aoss:ListCollectionGroups"),
        ("service-quotas", "list_service_quotas", "servicequotas:ListServiceQuotas"),
    ):
        aws(service)
        aws.clients[service][1].add_client_error(operation, "AccessDeniedException", says.format(action, action))
    found = aws.finds(resource("group", preflight.GROUP), *endpoint("ml.g6.xlarge"))
    for name, action in (
        ("OpenSearch Serverless NextGen", "aoss:ListCollectionGroups"),
        ("quota ml.g6.xlarge for endpoint usage", "servicequotas:ListServiceQuotas"),
    ):
        assert found[name] == Finding(
            UNKNOWN, f"not allowed: {action}", "allow it to these credentials, or use others (AWS_PROFILE)."
        )
