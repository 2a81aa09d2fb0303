"""What platforms have beside our environments: each type priced as by hand, or NOT PRICED with what it bills for."""

import re
from decimal import Decimal
from pathlib import Path

import pulumi_aws
import pytest

from tandem.cost.estimate import assess
from tandem.cost.model import UNKNOWN, Number, Resource
from tandem.cost.pricers import PRICERS, why_free
from tandem.cost.pricers.bills_for import BILLS_FOR
from tandem.cost.pricers.schedules import starts_a_month
from tandem.cost.prices import NotPriced
from tests.unit.cost.estimates import ASSUMED

PAGE = Path(__file__).parents[3] / "docs" / "priced-types.md"
BALANCER, GROUP = "aws:lb/loadBalancer:LoadBalancer", "aws:autoscaling/group:Group"
TEMPLATE, SUBNET = "aws:ec2/launchTemplate:LaunchTemplate", "aws:ec2/subnet:Subnet"
SERVICE, TASK = "aws:ecs/service:Service", "aws:ecs/taskDefinition:TaskDefinition"
DATABASE, AURORA = "aws:rds/instance:Instance", "aws:rds/cluster:Cluster"
MEMBER = "aws:rds/clusterInstance:ClusterInstance"
CACHE, REPLICAS = "aws:elasticache/cluster:Cluster", "aws:elasticache/replicationGroup:ReplicationGroup"
SERVERLESS = "aws:elasticache/serverlessCache:ServerlessCache"
STREAM, CONSUMER = "aws:kinesis/stream:Stream", "aws:kinesis/streamConsumer:StreamConsumer"
ACL, FILES = "aws:wafv2/webAcl:WebAcl", "aws:efs/fileSystem:FileSystem"
NOTEBOOK, SPACE = "aws:sagemaker/notebookInstance:NotebookInstance", "aws:sagemaker/space:Space"
APP, SCHEDULE = "aws:sagemaker/app:App", "aws:scheduler/schedule:Schedule"
READY = "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig"
FUNCTION, ALARM = "aws:lambda/function:Function", "aws:cloudwatch/metricAlarm:MetricAlarm"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
POLICY, STAGE = "aws:appautoscaling/policy:Policy", "aws:apigateway/stage:Stage"


def there(type_, inputs, **references):
    named = {name: (one,) for name, one in references.items()}
    return Resource("urn", type_, "it", "", "us-east-1", inputs, named)


def group(now=2, template=None, subnet=None, **inputs):
    made = {"blockDeviceMappings": [{"ebs": {"volumeSize": 20, "volumeType": "gp3"}}], "instanceType": "t3.small"}
    references = {"launchTemplate": there(TEMPLATE, made | (template or {}))}
    references["vpcZoneIdentifiers"] = there(SUBNET, subnet or {})
    return there(GROUP, {"minSize": 1, "maxSize": 9, "desiredCapacity": now} | inputs, **references)


def tasks(task=None, **inputs):
    definition = there(TASK, {"cpu": "256", "memory": "512"} | (task or {}))
    return there(SERVICE, {"launchType": "FARGATE", "desiredCount": 2} | inputs, taskDefinition=definition)


def database(**given):
    return there(DATABASE, {"engine": "postgres", "instanceClass": "db.t4g.medium", "allocatedStorage": 100} | given)


def member(kind="db.r6g.large", cluster=None, **inputs):
    of = there(AURORA, {"engine": "aurora-postgresql"} | (cluster or {}))
    return there(MEMBER, {"engine": "aurora-postgresql", "instanceClass": kind} | inputs, clusterIdentifier=of)


def serverless(least):
    return {"serverlessv2ScalingConfiguration": {"minCapacity": least, "maxCapacity": 8}}


def acl(*groups):
    rules = [{"statement": {"managedRuleGroupStatement": {"name": name, "vendorName": of}}} for name, of in groups]
    return there(ACL, {"scope": "REGIONAL", "rules": rules})


def at(expression, arn=UNKNOWN, **given):
    return there(SCHEDULE, {"scheduleExpression": expression, "target": {"arn": arn}} | given)


IPV4 = {"associatePublicIpAddress": "true"}
PRICED = [
    (there(BALANCER, {"loadBalancerType": "network", "internal": True}), "16.425"),  # 730 x 0.0225
    (there(BALANCER, {"loadBalancerType": "network", "subnets": ["a", "b"]}), "23.725"),
    (there(BALANCER, {"loadBalancerType": "network", "subnetMappings": [{"allocationId": UNKNOWN}]}), "16.425"),
    (group(), "33.568"),  # 2 x (730 x 0.0208 + 20 x 0.08)
    (group(template={"networkInterfaces": [IPV4], "monitoring": {"enabled": True}}), "45.068"),  # + 2 x (3.65 + 2.10)
    (group(subnet={"mapPublicIpOnLaunch": True}), "40.868"),
    (group(now=None), "16.784"),
    (group(minSize=0, now=0), "0"),
    (tasks(), "18.02005"),  # 2 x 730 x (0.25 x 0.04048 + 0.5 x 0.004445)
    (tasks(networkConfiguration={"assignPublicIp": True}, desiredCount=1), "12.660025"),
    (tasks(desiredCount=None), "0"),
    (tasks(launchType="EC2"), "0"),
    (there(SERVICE, {"capacityProviderStrategies": [{"capacityProvider": "machines"}], "desiredCount": 2}), "0"),
    (tasks(launchType=None, capacityProviderStrategies=[{"capacityProvider": "FARGATE"}]), "18.02005"),
    (database(), "58.95"),  # 730 x 0.065 + 100 x 0.115
    (database(storageType="gp3", iops=3000, publiclyAccessible=True), "62.60"),
    (database(manageMasterUserPassword=True), "59.35"),
    (database(engineVersion="16.3"), "58.95"),
    (database(engineVersion="12.20", engineLifecycleSupport="open-source-rds-extended-support-disabled"), "58.95"),
    (member(), "189.80"),  # 730 x 0.26
    (member(publiclyAccessible=True), "193.45"),
    (member("db.serverless", serverless(2)), "175.20"),  # 2 x 730 x 0.12
    (member("db.serverless", serverless(2) | {"storageType": "aurora-iopt1"}), "233.60"),
    (member("db.serverless", serverless(0)), "0"),
    (there(CACHE, {"engine": "redis", "nodeType": "cache.t4g.micro", "numCacheNodes": 1}), "11.68"),  # 730 x 0.016
    (there(REPLICAS, {"nodeType": "cache.t4g.micro", "numCacheClusters": 2, "engineVersion": "7.1"}), "23.36"),
    (there(REPLICAS, {"nodeType": "cache.t4g.micro", "numNodeGroups": 2, "replicasPerNodeGroup": 1}), "46.72"),
    (there(STREAM, {"shardCount": 2}), "21.90"),  # 2 x 730 x 0.015
    (there(STREAM, {"streamModeDetails": {"streamMode": "ON_DEMAND"}}), "29.20"),
    (there(CONSUMER, {}, streamArn=there(STREAM, {"shardCount": 2})), "21.90"),
    (there(ACL, {"scope": "REGIONAL"}), "5"),
    (acl(("AWSManagedRulesCommonRuleSet", "AWS"), ("AWSManagedRulesBotControlRuleSet", "AWS")), "17"),
    (
        there(SPACE, {"spaceSettings": {"spaceStorageSettings": {"ebsStorageSettings": {"ebsVolumeSizeInGb": 50}}}}),
        "5.6",
    ),
    (there(APP, {"appType": "KernelGateway", "resourceSpec": {"instanceType": "ml.g5.xlarge"}}), "1029.30"),
    (at("rate(1 hour)"), "0.010609"),  # 730 x (1.00 + 0.20) / 1M and 730 GB-seconds
    (at("cron(0 12 * * ? *)", "arn:aws:states:us-east-1:1:stateMachine:m"), "0.000030"),
    (at("at(2030-01-01T00:00:00)"), "0"),
    (at("rate(1 hour)", state="DISABLED"), "0"),
    (
        there(READY, {"provisionedConcurrentExecutions": 5}, functionName=there(FUNCTION, {"memorySize": 512})),
        "27.375219",  # 2.5 GB x 730 x 3600 x 0.0000041667
    ),
    (there(STAGE, {"cacheClusterEnabled": True, "cacheClusterSize": "0.5"}), "14.60"),
    (there("aws:cloudwatch/compositeAlarm:CompositeAlarm", {}), "0.50"),
    (there(ALARM, {"namespace": "AWS/SQS", "metricName": "Age", "period": 10}), "0.30"),
    (
        there(
            POLICY,
            {
                "policyType": "TargetTrackingScaling",
                "targetTrackingScalingPolicyConfiguration": {
                    "predefinedMetricSpecification": {"predefinedMetricType": "SomeHighResolution"}
                },
            },
        ),
        "0.60",
    ),
    (there("aws:cloudwatch/eventRule:EventRule", {"scheduleExpression": "cron(0/15 * * * ? *)"}), "0.039518"),
]


@pytest.mark.parametrize(("resource", "usd"), PRICED)
def test_idle_floor_by_hand(resource, usd):
    found = assess(resource)
    assert abs(found.usd(Number.IDLE) - Decimal(usd)) < Decimal("0.000001"), found
    assert found.charges or found.free
    assert not (found.unpriced + found.unavailable)


WARM = {"warmPool": {"minSize": 1}}
SPOT = [{"capacityProvider": "FARGATE"}, {"capacityProvider": "FARGATE_SPOT"}]
PARTLY = [
    (there(BALANCER, {"loadBalancerType": "gateway"}), "type gateway: it bills hours and capacity units", "0"),
    (group(**WARM), "warm pool", "33.568"),
    (group(minSize=0, now=0, **WARM), "warm pool", "0"),
    (group(mixedInstancesPolicy={"instancesDistribution": {}}), "several types", "0"),
    (group(template={"instanceMarketOptions": {"marketType": "spot"}}), "spot", "3.2"),
    (group(template={"placement": {"tenancy": "dedicated"}}), "tenancy dedicated", "3.2"),
    (group(template={"blockDeviceMappings": None}), "size is that of the image", "30.368"),
    (group(subnet={"mapPublicIpOnLaunch": UNKNOWN}), "public IPv4 addresses", "33.568"),
    (group(template={"instanceType": None}), "instanceType is missing", "0"),
    (there(GROUP, {"minSize": 1, "launchConfiguration": "old"}), "launch template isn't in this preview", "0"),
    (tasks(launchType=None), "launchType isn't set", "0"),
    (tasks(launchType="EXTERNAL"), "EXTERNAL", "0"),
    (tasks(launchType=None, capacityProviderStrategies=SPOT), "FARGATE, FARGATE_SPOT", "0"),
    (tasks({"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}}), "WINDOWS", "0"),
    (tasks(volumeConfiguration={"name": "data"}), "a volume for each", "18.02005"),
    (tasks({"cpu": "1 vCPU"}), "'1 vCPU', not a number", "0"),
    (there(SERVICE, {"launchType": "FARGATE", "desiredCount": 2}), "definition isn't in this preview", "0"),
    (database(engine="mysql"), "engine mysql", "0"),
    (there(DATABASE, {"replicateSourceDb": "other"}), "its source", "0"),
    (database(multiAz=True, storageType="gp3"), "two zones", "23"),  # 100 x 0.23
    (database(multiAz=True), "storage:gp2:multi-az", "0"),
    (database(iops=5000), "io1", "47.45"),
    (database(engineVersion="12.20"), "extended support of postgres 12.20, since 2025-02-28", "58.95"),
    (database(engineVersion="9.6.24"), "extended support of postgres 9.6.24", "58.95"),
    (database(engineVersion="newest"), "'newest': whether it is in extended support", "58.95"),
    (database(dedicatedLogVolume=True), "a volume for its log alone", "58.95"),
    (there(AURORA, {"engine": "aurora-postgresql", "engineVersion": "11.21"}), "extended support of postgres", "0"),
    (
        there(REPLICAS, {"nodeType": "cache.t4g.micro", "numCacheClusters": 2, "engineVersion": "5.0.6"}),
        "extended support of redis 5.0.6, since 2026-01-31",
        "23.36",
    ),
    (database(storageType="gp3", storageThroughput=600), "throughput beyond 500", "58.95"),
    (database(instanceClass="db.x9.huge"), "postgres:db.x9.huge", "11.5"),
    (there(AURORA, {"engine": "aurora-postgresql"}), "what it holds, which no usage assumption counts: $0.1", "0"),
    (there(AURORA, {"engine": "aurora-postgresql", "engineMode": ""}), "what it holds, which no usage", "0"),
    (there(AURORA, {"engine": "aurora-postgresql", "manageMasterUserPassword": True}), "what it holds", "0.40"),
    (there(AURORA, {"engine": "aurora-postgresql", "storageType": "aurora-iopt1"}), "I/O-Optimized", "0"),
    (there(AURORA, {"engine": "aurora-mysql"}), "engine aurora-mysql", "0"),
    (there(AURORA, {"engine": "aurora-postgresql", "engineMode": "serverless"}), "hours, storage and I/O", "0"),
    (member(engine="aurora-mysql"), "engine aurora-mysql", "0"),
    (member(cluster={"storageType": "aurora-iopt1"}), "under I/O-Optimized", "0"),
    (there(MEMBER, {"engine": "aurora-postgresql", "instanceClass": "db.serverless"}), "isn't in this preview", "0"),
    (there(CACHE, {"replicationGroupId": UNKNOWN}), "further node", "0"),
    (there(CACHE, {"engine": "memcached", "nodeType": "cache.t4g.micro"}), "memcached", "0"),
    (there(REPLICAS, {"nodeGroupConfigurations": [{"replicaCount": 2}]}), "set for each shard", "0"),
    (there(SERVERLESS, {"engine": "valkey", "name": "it"}), "processing units, which nobody assumes: $0.0023", "0"),
    (there(STREAM, {"shardCount": 2, "retentionPeriod": 48}), "kept for 48 hours", "21.90"),
    (there(STREAM, {"streamModeDetails": {"streamMode": "ON_DEMAND"}, "warmThroughputMibPs": 9}), "warm", "29.20"),
    (there(CONSUMER, {}), "isn't in this preview", "0"),
    (there(CONSUMER, {}, streamArn=there(STREAM, {"streamModeDetails": {"streamMode": "ON_DEMAND"}})), "GB", "0"),
    (there(ACL, {"ruleJson": "[]"}), "ruleJson", "5"),
    (acl(("AWSManagedRulesATPRuleSet", "AWS")), "AWSManagedRulesATPRuleSet", "6"),
    (acl(("Bots", "Somebody")), "of Somebody", "6"),
    (there(ACL, {"rules": [{"statement": {"ruleGroupReferenceStatement": {"arn": UNKNOWN}}}]}), "a group of its", "6"),
    (there(FILES, {}), "what it holds, which no usage assumption counts: $0.3 for each GB-month", "0"),
    (there(FILES, {"availabilityZoneName": "us-east-1a"}), "$0.16 for each GB-month", "0"),
    (there(FILES, {"throughputMode": "provisioned", "provisionedThroughputInMibps": 8}), "what it holds", "48"),
    (there(FILES, {"throughputMode": "elastic"}), "read and written", "0"),
    (there(NOTEBOOK, {"instanceType": "ml.t3.medium", "volumeSize": 20}), "notebook:ml.t3.medium", "2.8"),
    (there(SPACE, {}), "domain's default", "0"),
    (there(APP, {"appType": "JupyterLab", "resourceSpec": {"instanceType": "ml.g5.xlarge"}}), "KernelGateway", "0"),
    (there(APP, {"appType": "JupyterServer"}), "resourceSpec.instanceType isn't set", "0"),
    (at("rate(1 hour)", ecsParameters=1, target={"ecsParameters": {"taskCount": 1}}), "the tasks", "0.00073"),
    (there(TARGET, {"arn": UNKNOWN, "ecsTarget": {"taskCount": 5, "launchType": "FARGATE"}}), "the tasks", "0"),
    (there(TARGET, {"arn": UNKNOWN, "batchTarget": {"jobDefinition": UNKNOWN}}), "the jobs", "0"),
    (there("aws:ebs/volume:Volume", {"size": 1e30, "type": "gp3"}), "size is 1e+30, more than there is", "0"),
    (there(BALANCER, {"loadBalancerType": {"a": 1}}), "not a text", "0"),
    (there("aws:eks/cluster:Cluster", {"enabledClusterLogTypes": True}), "not a list", "73"),
    (at("every day"), "only rate(...) and cron(...)", "0"),
    (there(READY, {"provisionedConcurrentExecutions": 5}), "the function isn't in this preview", "0"),
]


@pytest.mark.faults
@pytest.mark.parametrize(("resource", "reason", "usd"), PARTLY)
def test_what_is_not_known_is_named_and_the_rest_counted(resource, reason, usd):
    found = assess(resource)
    assert any(reason in text for text in found.unpriced), found
    assert abs(found.usd(Number.IDLE) - Decimal(usd)) < Decimal("0.000001"), found


@pytest.mark.parametrize(
    ("expression", "starts"),
    [
        ("rate(15 minutes)", 2920),
        ("cron(0/15 * * * ? *)", 2920),
        ("cron(0 12 * * ? *)", Decimal(365) / 12),
        ("cron(0 8 ? * MON-FRI *)", Decimal(365) / 12 * 5 / 7),
        ("cron(0 8 ? * sun,7 *)", Decimal(365) / 12 * 2 / 7),
        ("cron(0,30 8-17/3 1,15 * ? *)", 16),  # at 8, 11, 14 and 17 o'clock
        ("cron(0 0 31 * ? *)", Decimal(7) / 12),  # seven months have a 31st
        ("cron(5 0 1 JAN ? *)", Decimal(1) / 12),
    ],
)
def test_starts_of_a_schedule_are_those_of_an_average_month(expression, starts):
    assert abs(starts_a_month(expression) - starts) < Decimal("1e-20")


@pytest.mark.faults
@pytest.mark.parametrize(
    "expression",
    [
        *("cron(0 8 L * ? *)", "cron(0 8 ? * 6L *)", "cron(0 8 ? * MON#2 *)", "cron(0 8 15W * ? *)"),
        *("cron(0 8 * * ? 2027)", "cron(0 8 * * * *)", "cron(0 8 ? * ? *)", "cron(0 8 * * *)", "cron()", ""),
        *("cron(60 8 * * ? *)", "cron(0/0 8 * * ? *)", "cron(0 17-8 * * ? *)", "cron(-5 8 * * ? *)"),
        *("cron(0 8 * FOO ? *)", "rate(0 minutes)"),
    ],
)
def test_a_schedule_that_is_not_counted_says_so(expression):
    with pytest.raises(NotPriced, match=r"aren't counted|are counted"):
        starts_a_month(expression)


@pytest.mark.parametrize(
    ("resource", "note"),
    [
        (there("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 14}), "takes in bills $0.5 for each GB"),
        (there("aws:sfn/stateMachine:StateMachine", {}), "transitions aren't counted: $0.025 for each 1k transitions"),
        (there(STREAM, {"shardCount": 1}), "$0.014 for each 1M units"),
        (there(ACL, {}), "$0.6 for each 1M requests"),
        (there(AURORA, {"engine": "aurora-postgresql"}), "$0.2 for each 1M I/Os"),
        (at("rate(1 hour)", "arn:aws:states:us-east-1:1:stateMachine:m"), "what it starts bills"),
        (database(engineVersion="16.3"), "postgres 16.3: the end of its standard support isn't known here"),
        (group(now=3), "3 instances now (desiredCapacity), 1 at the floor (minSize)"),
    ],
)
def test_what_nobody_knows_the_amount_of_is_a_note_with_its_rate(resource, note):
    assert any(note in text for text in assess(resource).notes)


def test_a_rate_without_a_row_says_so():
    machine = Resource("urn", "aws:sfn/stateMachine:StateMachine", "it", "", "eu-west-2", {})
    assert any("aren't counted: a price that no row has" in text for text in assess(machine, ASSUMED).notes)


def provider_types():
    return set(re.findall(r"aws:[\w/]+:\w+", Path(str(pulumi_aws.__file__)).read_text()))


def test_what_has_no_pricer_says_what_it_bills_for():
    assert set(BILLS_FOR) <= provider_types()
    for type_, dimensions in BILLS_FOR.items():
        assert type_ not in PRICERS and not why_free(type_)
        found = assess(there(type_, {}), ASSUMED)
        assert found.unpriced == (f"type {type_} has no pricer: it bills for {dimensions}",)
        assert not found.free


def test_the_page_says_of_each_type_which_it_is():
    _, priced, unpriced = PAGE.read_text().split("\n## ")
    rows = [cells.split(" | ") for cells in re.findall(r"^\| (`aws:.+) \|$", priced, re.MULTILINE)]
    assert all(len(row) == 3 for row in rows)
    types = [type_ for row in rows for type_ in re.findall(r"`(\S+)`", row[0])]
    assert sorted(types) == sorted(type_ for type_ in PRICERS if type_.startswith("aws:"))
    assert dict(re.findall(r"^\| `(aws:\S+)` \| (.+) \|$", unpriced, re.MULTILINE)) == BILLS_FOR
