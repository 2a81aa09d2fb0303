"""What each type of resource costs, worked out by hand, and that nothing costs a silent zero."""

import ast
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from tandem.cost import pricers, usage
from tandem.cost.estimate import assess
from tandem.cost.model import SECRET, UNKNOWN, Number, Resource
from tandem.cost.pricers import FREE, PRICERS
from tandem.cost.prices import load
from tests.unit.cost.estimates import ASSUMED

CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
COLLECTION = "aws:opensearch/serverlessCollection:ServerlessCollection"
GROUP = "aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup"
POLLING = "aws:lambda/eventSourceMapping:EventSourceMapping"
RULE = "aws:cloudwatch/eventRule:EventRule"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
INSTANCE = "aws:ec2/instance:Instance"
POLICY = "aws:appautoscaling/policy:Policy"
CLIENT = "aws:cognito/userPoolClient:UserPoolClient"
CLUSTER, DOMAIN = "aws:eks/cluster:Cluster", "aws:opensearch/domain:Domain"
FUNCTION, NAT = "aws:lambda/function:Function", "aws:ec2/natGateway:NatGateway"
TABLE = "aws:dynamodb/table:Table"
NODES = {"instanceType": "r7g.large.search", "instanceCount": 3, "dedicatedMasterEnabled": True}
NODES |= {"dedicatedMasterType": "m7g.large.search", "dedicatedMasterCount": 3}
DISKS = {"ebsEnabled": True, "volumeType": "gp3", "volumeSize": 100}
MAPPINGS = [{"subnetId": "a"}, {"subnetId": "b"}]
AT_LEAST_TWO = {"status": "ENABLED", "minInstanceCount": 2}
FAST = {"volumeSize": 100, "volumeType": "gp3", "iops": 4000, "throughput": 225}
SERVER = {"instanceType": "t3.small", "rootBlockDevice": {"volumeSize": 20, "volumeType": "gp3"}}


def bill(type_, inputs, *, usage=ASSUMED, region="us-east-1"):
    return assess(Resource("urn", type_, "it", "", region, inputs), usage)


def variant(**given):
    return {"productionVariants": [{"instanceType": "ml.g5.2xlarge", "initialInstanceCount": 1} | given]}


def shadow(**given):
    return {"shadowProductionVariants": variant(**given)["productionVariants"]}


def tracked(metrics):
    """A policy that tracks a formula of so many metrics."""
    stat = {"metric": {"namespace": "AWS/SageMaker", "metricName": "Some"}, "stat": "Sum"}
    given = [{"id": f"m{number}", "metricStat": stat} for number in range(metrics)]
    given.append({"id": "e", "expression": "m0/m1"})
    return {
        "policyType": "TargetTrackingScaling",
        "targetTrackingScalingPolicyConfiguration": {"customizedMetricSpecification": {"metrics": given}},
    }


def search(version):
    return {"clusterConfig": {"instanceType": "m7g.large.search"}, "engineVersion": version}


def query(namespace, **given):
    return {"id": "m", "metric": {"namespace": namespace, "metricName": "Some", "period": 300, "stat": "Sum"} | given}


@pytest.mark.parametrize(
    ("type_", "inputs", "usd"),
    [
        (CONFIGURATION, variant(initialInstanceCount=2.0), "2211.90"),  # 2 x 730 x 1.515; Pulumi hands over floats
        (CONFIGURATION, variant() | {"shadowProductionVariants": variant()["productionVariants"]}, "2211.90"),
        (CONFIGURATION, variant(managedInstanceScaling={"status": "ENABLED", "minInstanceCount": 1}), "1105.95"),
        (CONFIGURATION, variant(managedInstanceScaling={"status": "ENABLED", "minInstanceCount": 0}), "0"),
        (CONFIGURATION, variant(managedInstanceScaling={"status": "DISABLED", "minInstanceCount": 0}), "1105.95"),
        (CONFIGURATION, variant() | shadow(managedInstanceScaling=AT_LEAST_TWO), "3317.85"),
        (COLLECTION, {}, "350.40"),  # 2 x 730 x 0.24
        (COLLECTION, {"standbyReplicas": "DISABLED"}, "175.20"),
        (COLLECTION, {"standbyReplicas": "ENABLED", "collectionGroupName": "group"}, "0"),
        (POLLING, {"eventSourceArn": UNKNOWN}, "0.2628"),  # 5 x 3 x 60 x 730 requests at 0.40 a million
        (POLLING, {"eventSourceArn": "arn:aws:sqs:us-east-1:1:work.fifo"}, "0.3285"),
        (RULE, {"scheduleExpression": "rate(15 minutes)"}, "0.039518"),  # 2920 starts; 2920 GB-seconds
        (RULE, {"scheduleExpression": "rate(1 hour)"}, "0.009879"),
        (RULE, {"scheduleExpression": "rate(1 day)"}, "0.000412"),
        (ALARM, {"namespace": "AWS/SQS", "metricName": "Age", "period": 300}, "0.10"),
        (ALARM, {"namespace": "Tandem", "metricName": "Age", "period": 300}, "0.40"),  # and the metric, 0.30
        (ALARM, {"metricQueries": [query("AWS/SQS"), query("Mine"), {"id": "e", "expression": "m/2"}]}, "0.50"),
        ("aws:cloudwatch/dashboard:Dashboard", {"dashboardBody": "{}"}, "3.00"),
        ("aws:ec2/natGateway:NatGateway", {}, "32.85"),
        ("aws:ec2/eip:Eip", {}, "3.65"),
        (ENDPOINT, {"vpcEndpointType": "Interface", "subnetIds": [UNKNOWN, UNKNOWN, "subnet-1"]}, "21.90"),
        (ENDPOINT, {"vpcEndpointType": "Interface", "subnetConfigurations": MAPPINGS}, "14.60"),
        (ENDPOINT, {"vpcEndpointType": "Gateway"}, "0"),
        (ENDPOINT, {}, "0"),
        (BALANCER, {"internal": True}, "16.425"),
        (BALANCER, {"subnets": ["a", "b"]}, "23.725"),  # 730 x (0.0225 + 2 x 0.005)
        (INSTANCE, {"instanceType": "t3.small", "rootBlockDevice": {"volumeSize": 20, "volumeType": "gp3"}}, "16.784"),
        # 730 x (3 x 0.178 + 3 x 0.135) + 3 x 100 x 0.122
        (DOMAIN, {"clusterConfig": NODES, "ebsOptions": DISKS}, "722.07"),
        (BALANCER, {"subnetMappings": MAPPINGS}, "23.725"),
        ("aws:alb/loadBalancer:LoadBalancer", {"subnetMappings": MAPPINGS}, "23.725"),
        (INSTANCE, SERVER | {"ebsBlockDevices": [FAST]}, "33.784"),  # and 100 x 0.08 + 1000 x 0.005 + 100 x 0.04
        (INSTANCE, SERVER | {"monitoring": True}, "18.884"),  # and 7 metrics at 0.30
        (BALANCER, {"subnets": ["a", "b"], "ipAddressType": "dualstack-without-public-ipv4"}, "16.425"),
        (POLICY, tracked(2), "0.40"),  # two alarms of two metrics
        ("aws:ebs/volume:Volume", {"size": 100, "type": "gp3", "iops": 4000, "throughput": 225}, "17.00"),
        ("aws:ebs/volume:Volume", {"size": 100}, "10.00"),
        ("aws:kms/key:Key", {"enableKeyRotation": True}, "1"),
        ("aws:secretsmanager/secret:Secret", {}, "0.40"),
        (POLICY, {"policyType": "StepScaling"}, "0"),
        (POLICY, {"policyType": "TargetTrackingScaling"}, "0.20"),
    ],
)
def test_idle_floor(type_, inputs, usd):
    found = bill(type_, inputs)
    assert abs(found.usd(Number.IDLE) - Decimal(usd)) < Decimal("0.000001"), found
    assert found.charges or found.free
    assert found.usd(Number.QUERIES) == found.usd(Number.RUN_CEILING) == found.usd(Number.RUN_EXPECTED) == 0
    assert not found.unavailable


@pytest.mark.faults
@pytest.mark.parametrize(
    ("type_", "inputs", "reason"),
    [
        (CONFIGURATION, variant(instanceType="ml.p9.huge"), "hosting:ml.p9.huge in us-east-1"),
        (CONFIGURATION, variant(instanceType=UNKNOWN), "instanceType is known only once"),
        (CONFIGURATION, variant(instanceType=SECRET), "instanceType is a secret"),
        (CONFIGURATION, variant(instanceType=None), "instanceType is missing"),
        (CONFIGURATION, variant(initialInstanceCount="two"), "'two', not a number"),
        (CONFIGURATION, {"productionVariants": UNKNOWN}, "productionVariants is known only once"),
        (CONFIGURATION, {"productionVariants": "main"}, "'main', not a list"),
        (CONFIGURATION, variant(serverlessConfig={"provisionedConcurrency": 1}), "provisioned concurrency"),
        (CONFIGURATION, shadow(serverlessConfig={"provisionedConcurrency": 1}), "provisioned concurrency"),
        (CONFIGURATION, variant(volumeSizeInGb=100), "storage:hosting"),
        (
            CONFIGURATION,
            variant(instanceType="ml.p9.huge", managedInstanceScaling={"status": "ENABLED", "minInstanceCount": 0}),
            "hosting:ml.p9.huge",
        ),
        ("aws:sagemaker/mlflowApp:MlflowApp", {}, "mlflow-app"),
        ("aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer", {}, "mlflow-server:small"),
        (COLLECTION, {"collectionGroupName": "group"}, "compute units while it is asked"),
        (COLLECTION, {"collectionGroupName": UNKNOWN}, "collectionGroupName is known only once"),
        (GROUP, {}, "Classic"),
        (
            GROUP,
            {"generation": "NEXTGEN", "capacityLimits": [{"minSearchCapacityInOcu": 2}]},
            "2 compute units all month",
        ),
        ("aws:opensearch/domain:Domain", {}, "ondemand:m4.large.search"),
        ("aws:s3/vectorsVectorBucket:VectorsVectorBucket", {}, "S3 Vectors"),
        ("aws:dynamodb/table:Table", {}, "PAY_PER_REQUEST"),
        ("aws:dynamodb/table:Table", {"billingMode": "PROVISIONED", "readCapacity": 5}, "PAY_PER_REQUEST"),
        (POLLING, {"eventSourceArn": UNKNOWN, "startingPosition": "LATEST"}, "other than SQS"),
        (POLLING, {"eventSourceArn": "arn:aws:kinesis:us-east-1:1:stream/a"}, "other than SQS"),
        (RULE, {"scheduleExpression": "cron(0 12 L * ? *)"}, "aren't counted"),
        (RULE, {"scheduleExpression": "rate(0 minutes)"}, "only rate"),
        (RULE, {"eventPattern": "{}", "eventBusName": "mine"}, "bus of its own"),
        (ALARM, {"metricQueries": [{"id": "e", "expression": "ANOMALY_DETECTION_BAND(m)"}]}, "anomalies"),
        (ALARM, {"evaluationCriteria": {"promqlCriteria": {"query": "up"}}}, "PromQL"),
        (INSTANCE, {"instanceType": "t3.small"}, "root volume"),
        (INSTANCE, {"instanceType": "t3.small", "rootBlockDevice": {"volumeSize": 20}}, "volumeType isn't set"),
        (INSTANCE, SERVER | {"tenancy": "host"}, "tenancy host"),
        (INSTANCE, SERVER, "its subnet"),
        (CONFIGURATION, variant(initialInstanceCount=-5), "-5, less than none"),
        (CONFIGURATION, variant(acceleratorType="ml.eia2.medium"), "acceleratorType"),
        (CONFIGURATION, variant(capacityReservationConfig={"mlReservationArn": "arn:x"}), "reservation"),
        (DOMAIN, search("Elasticsearch_5.6"), "extended support"),
        (DOMAIN, search("OpenSearch_1.0"), "extended support"),
        (DOMAIN, search("OpenSearch_2.9"), "extended support"),
        (DOMAIN, search("Elasticsearch_6.1"), "no row says"),
        (DOMAIN, search("Solr_9"), "no row says"),
        (DOMAIN, search("OpenSearch_3.3") | {"aimlOptions": {"s3VectorsEngine": {"enabled": True}}}, "S3 Vectors"),
        (
            DOMAIN,
            search("OpenSearch_3.3") | {"aimlOptions": {"serverlessVectorAcceleration": {"enabled": True}}},
            "acceleration",
        ),
        (COLLECTION, {"vectorOptions": [{"serverlessVectorAcceleration": "ENABLED"}]}, "acceleration"),
        (CLUSTER, {"outpostConfig": {"controlPlaneInstanceType": "m5.large"}}, "Outposts"),
        (FUNCTION, {"capacityProviderConfig": {"lambdaManagedInstancesCapacityProviderConfig": {}}}, "instances"),
        (FUNCTION, {"durableConfig": {"executionTimeout": 60}}, "durable"),
        (FUNCTION, {"tenancyConfig": {"tenantIsolationMode": "PER_TENANT"}}, "tenant"),
        (TABLE, {"billingMode": "PAY_PER_REQUEST", "tableClass": "STANDARD_INFREQUENT_ACCESS"}, "INFREQUENT"),
        (NAT, {"availabilityMode": "regional"}, "each zone"),
        (BALANCER, {"internal": True, "minimumLoadBalancerCapacity": {"capacityUnits": 100}}, "100 capacity units"),
        (ENDPOINT, {"vpcEndpointType": "GatewayLoadBalancer"}, "GatewayLoadBalancer"),
        (CLIENT, {"allowedOauthFlows": ["client_credentials"]}, "tokens for machines"),
        ("aws:cloudcontrol/resource:Resource", {"typeName": "AWS::RDS::DBInstance"}, "AWS::RDS::DBInstance"),
        ("aws:budgets/budgetAction:BudgetAction", {}, "actions"),
        ("aws:apigateway/stage:Stage", {"cacheClusterEnabled": True}, "cacheClusterSize is missing"),
        ("aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig", {}, "memory"),
        ("aws:ec2/routeServer:RouteServer", {}, "no pricer"),  # bills by the hour: no pattern may reach it
        ("aws:s3/bucketMetric:BucketMetric", {}, "no pricer"),
        ("aws:acm/certificate:Certificate", {"options": {"export": "ENABLED"}}, "can be exported"),
        ("aws:route53/zone:Zone", {}, "no pricer"),  # the neighbours of free types bill
        ("aws:sagemaker/domain:Domain", {}, "no pricer"),
        ("aws:bedrock/provisionedModelThroughput:ProvisionedModelThroughput", {}, "no pricer"),
    ],
)
def test_not_priced_with_the_reason(type_, inputs, reason):
    found = bill(type_, inputs)
    assert any(reason in text for text in found.unpriced), found


@pytest.mark.parametrize(
    ("type_", "inputs", "key"),
    [
        ("aws:s3/bucket:Bucket", {}, "documents_gigabytes"),
        ("aws:dynamodb/table:Table", {"billingMode": "PAY_PER_REQUEST"}, "ledger_gigabytes"),
        ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 14}, "log_gigabytes"),
        ("aws:ecr/repository:Repository", {}, "images_gigabytes"),
        (COLLECTION, {"standbyReplicas": "DISABLED"}, "index_gigabytes"),
    ],
)
def test_storage_is_counted_by_the_usage_parameter_or_not_priced(type_, inputs, key):
    assert key in bill(type_, inputs).assumed
    alone = bill(type_, inputs, usage=())
    assert not alone.assumed
    assert any(key in reason for reason in alone.unpriced)


@pytest.mark.parametrize(
    "type_",
    [
        "aws:iam/rolePolicy:RolePolicy",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:sagemaker/model:Model",
        "aws:appautoscaling/target:Target",
        "aws:opensearch/serverlessAccessPolicy:ServerlessAccessPolicy",
        "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy",
        "aws:ec2/networkInterface:NetworkInterface",
        "aws:route53/record:Record",
        "aws:acm/certificate:Certificate",
        "aws:secretsmanager/secretRotation:SecretRotation",
        "aws:bedrock/inferenceProfile:InferenceProfile",
        "aws:bedrockmodel/invocationLoggingConfiguration:InvocationLoggingConfiguration",
        "aws:opensearch/serverlessSecurityConfig:ServerlessSecurityConfig",
        "aws:sagemaker/userProfile:UserProfile",
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        "aws:xray/samplingRule:SamplingRule",
        "command:local:Command",
        "docker-build:index:Image",
        "time:index/sleep:Sleep",
    ],
)
def test_free_has_a_reason(type_):
    found = bill(type_, {}, usage=())
    assert found.free
    assert not found.charges + found.unpriced


API = "aws:apigatewayv2/api:Api"
MACHINE = "aws:sfn/stateMachine:StateMachine"


@pytest.mark.parametrize(
    ("type_", "counted"),
    [
        ("aws:lambda/function:Function", "a question's is in the 1,000 queries"),
        ("aws:apigateway/restApi:RestApi", "a question's is in the 1,000 queries"),
        ("aws:sqs/queue:Queue", "polls are with their event source"),
        ("aws:sns/topic:Topic", "none of a question or a run"),
        ("aws:cognito/userPool:UserPool", "in no number"),
        (MACHINE, "a run's are in no number"),
    ],
)
def test_use_is_said_to_be_counted_only_in_an_environment_that_assumes_it(type_, counted):
    assert counted in bill(type_, {}).free
    alone = bill(type_, {}, usage=())
    assert not alone.free
    assert any("no environment that assumes its use" in reason for reason in alone.unpriced)
    assert alone.open == {Number.QUERIES}  # while nobody asks, it costs nothing


@pytest.mark.parametrize(
    ("type_", "inputs", "reason"),
    [
        (API, {"protocolType": "HTTP"}, "API of type HTTP"),
        (API, {"protocolType": "WEBSOCKET"}, "API of type WEBSOCKET"),
        (MACHINE, {"type": "EXPRESS"}, "Express"),
        ("aws:sns/topicSubscription:TopicSubscription", {"protocol": "sms"}, "deliveries by sms"),
    ],
)
def test_use_that_no_environment_assumes_is_not_priced_in_one_either(type_, inputs, reason):
    for assumed in (ASSUMED, ()):
        assert any(reason in text for text in bill(type_, inputs, usage=assumed).unpriced)
    assert bill("aws:sns/topicSubscription:TopicSubscription", {"protocol": "sqs"}, usage=()).free


def test_inference_component_is_free():
    found = bill("aws:cloudcontrol/resource:Resource", {"typeName": "AWS::SageMaker::InferenceComponent"})
    assert "instances" in found.free


@pytest.mark.parametrize(
    ("type_", "inputs", "note"),
    [
        ("aws:cloudwatch/logGroup:LogGroup", {}, "retentionInDays isn't set"),
        ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 0}, "retentionInDays isn't set"),
        ("aws:ec2/natGateway:NatGateway", {}, "for each zone"),
        (ENDPOINT, {"vpcEndpointType": "Interface", "subnetIds": ["a"]}, "each GB through it bills $0.01"),
        (DOMAIN, search("OpenSearch_2.11"), "no end of its standard support"),
        (DOMAIN, search("Elasticsearch_7.10"), "2027-11-07"),
        (COLLECTION, {}, "share compute units"),
        ("aws:s3/bucketReplicationConfig:BucketReplicationConfig", {}, "what replication copies"),
        (CONFIGURATION, variant(managedInstanceScaling={"status": "ENABLED", "minInstanceCount": 0}), "$1.515 an hour"),
        (CONFIGURATION, variant(instanceType="ml.m5.xlarge"), "no disks of its own"),
        ("aws:apigateway/methodSettings:MethodSettings", {"settings": {"metricsEnabled": True}}, "custom metrics"),
    ],
)
def test_causes_that_are_not_dollars_yet(type_, inputs, note):
    assert any(note in text for text in bill(type_, inputs).notes)
    assert not bill("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 14}).notes


@pytest.mark.faults
@pytest.mark.parametrize("type_", sorted(PRICERS))
@pytest.mark.parametrize("inputs", [{}, {"name": "x", "typeName": "x"}])
def test_no_silent_zero_whatever_the_inputs(type_, inputs):
    found = bill(type_, inputs, usage=())
    assert found.charges or found.free or found.assumed or found.unpriced, found


def test_hours_are_what_forgetting_costs():
    assert all(charge.hourly for charge in bill(CONFIGURATION, variant()).charges)
    assert not any(charge.hourly for charge in bill(ALARM, {"namespace": "AWS/SQS", "period": 60}).charges)


def test_every_key_that_the_code_names_has_a_row():
    """Literal keys exist in us-east-1; one with a type or model in it has at least one row that begins like it."""
    deliberate = {
        ("AmazonSageMaker", "mlflow-app"),
        ("AmazonSageMaker", "mlflow-server:"),
        ("AmazonSageMaker", "notebook:"),
        ("AmazonSageMaker", "storage:hosting"),
    }
    table = load("us-east-1")
    known = {row.service: set(table.keys(row.service)) for row in table}
    found = set()
    files = [Path(usage.__file__), *Path(pricers.__file__).parent.glob("*.py")]
    for file in files:
        tree = ast.parse(file.read_text())
        names = {
            node.targets[0].id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        } | {"SAGEMAKER": "AmazonSageMaker"}
        for node in ast.walk(tree):
            items = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
            for first, key in pairwise(items):
                service = names.get(first.id) if isinstance(first, ast.Name) else getattr(first, "value", None)
                if service not in known:
                    continue
                if isinstance(key, ast.JoinedStr) and isinstance(key.values[0], ast.Constant):
                    found.add((service, key.values[0].value, False))
                elif isinstance(key, ast.Constant):
                    found.add((service, key.value, True))
    assert len(found) > 30
    missing = {
        (service, key)
        for service, key, whole in found
        if not (key in known[service] if whole else any(one.startswith(key) for one in known[service]))
    }
    assert missing <= deliberate


def test_every_row_has_source_and_date():
    assert all(row.source.strip() and row.read_at for row in load("us-east-1"))


def test_reasons_of_free_types_are_given():
    assert all(reason.strip() for reason in FREE.values())
    assert not [pattern for pattern in FREE if pattern in PRICERS]
