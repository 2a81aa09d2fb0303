"""Every rule: what it blocks, what it passes, and what it does when it can't know."""

import json
from datetime import timedelta
from typing import Any

import pytest
from tandem_contract.kubernetes_versions import SUPPORT
from tandem_policies.pack import RULES

from tests.unit.policies.cluster_cases import CASES as OF_CLUSTERS
from tests.unit.policies.cluster_cases import CLUSTER, TODAY, set_day
from tests.unit.policies.judging import UNKNOWN, Case, Thing, judge, things

ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
PARAMETER = "aws:ssm/parameter:Parameter"
BUCKET, BUCKET_POLICY = "aws:s3/bucket:Bucket", "aws:s3/bucketPolicy:BucketPolicy"
QUEUE = "aws:sqs/queue:Queue"
FUNCTION = "aws:lambda/function:Function"
MODEL = "aws:sagemaker/model:Model"
ENVELOPE = {
    "instance_type": "ml.g6e.2xlarge",
    "evaluation_instance_type": "ml.g6e.2xlarge",
    "max_runtime_seconds": 14400,
    "evaluation_max_runtime_seconds": 3600,
    "instance_count": 1,
    "attempts": 2,
    "checkpoint": True,
}


def envelope(**changed) -> Thing:
    return Thing(PARAMETER, {"name": "/tandem/x/run-envelope", "insecureValue": json.dumps(ENVELOPE | changed)})


def policy(effect="Allow", **parts) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": effect, **parts}]})


def referring(type_: str, name: str, properties: dict, to: str = "it") -> Thing:
    return Thing(type_, properties, "other", {name: [to]})


def served(variant: dict, tags: dict | None = None, rollback: Any = None) -> list[Thing]:
    endpoint = Thing(ENDPOINT, {"tags": tags or {}}, refers={"endpointConfigName": ["other"]})
    if rollback is not None:
        endpoint.properties["deploymentConfig"] = {"autoRollbackConfiguration": {"alarms": rollback}}
    return [endpoint, Thing(CONFIGURATION, {"productionVariants": [variant]}, "other")]


PLAIN = policy("Deny", Principal="*", Action="s3:*", Resource="*", Condition={"Bool": {"aws:SecureTransport": "false"}})
INSTANCE = "aws:ec2/instance:Instance"
TARGET = "aws:appautoscaling/target:Target"
GROUP = "aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup"
LIMITS = {"maxSearchCapacityInOcu": 2, "maxIndexingCapacityInOcu": 2}
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
TAGS = {"tandem:stack": "rag-dev", "tandem:environment": "rag"}
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
FOUR = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
METHOD = "aws:apigateway/method:Method"
GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
TABLE = "aws:dynamodb/table:Table"
NETWORK = "aws:opensearch/serverlessSecurityPolicy:ServerlessSecurityPolicy"
DATABASE, REPOSITORY = "aws:rds/instance:Instance", "aws:ecr/repository:Repository"
BUDGET = "aws:budgets/budget:Budget"
COMPONENT, COMPONENTS = "aws:cloudcontrol/resource:Resource", "AWS::SageMaker::InferenceComponent"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
IAM = {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}


# fmt: off
CASES = [
    Case("instance-allowed", "ml.p5.48xlarge is not among",
         things(CONFIGURATION, {"productionVariants": [{"instanceType": "ml.p5.48xlarge"}]}),
         things(CONFIGURATION, {"productionVariants": [{"instanceType": "ml.g6e.xlarge"}, {"serverlessConfig": {}}]}),
         "productionVariants.0.instanceType",
         things(CONFIGURATION, {"productionVariants": [{"instanceType": UNKNOWN}]})),
    Case("instance-allowed", "ml.g6e.12xlarge is not among", [envelope(evaluation_instance_type="ml.g6e.12xlarge")],
         [envelope()], "insecureValue", things(PARAMETER, {"name": "/x/run-envelope", "insecureValue": UNKNOWN})),
    Case("instance-allowed", "r7g.8xlarge.search is not among",
         things("aws:opensearch/domain:Domain", {"clusterConfig": {"instanceType": "r7g.8xlarge.search"}}),
         things("aws:opensearch/domain:Domain", {"clusterConfig": {"instanceType": "r7g.large.search"}}, {}),
         "instanceType", things(INSTANCE, {"instanceType": UNKNOWN})),
    Case("run-envelope-bounded", "max_runtime_seconds is None", [envelope(max_runtime_seconds=None)], [envelope()],
         "insecureValue", things(PARAMETER, {"name": "/x/run-envelope", "insecureValue": UNKNOWN})),
    Case("run-envelope-bounded", "checkpoint is False", [envelope(checkpoint=False)],
         things(PARAMETER, {"name": "/other", "value": UNKNOWN}), "name", things(PARAMETER, {"name": UNKNOWN})),
    Case("run-envelope-bounded", "24 hours are the most", [envelope(evaluation_max_runtime_seconds=90_000)],
         [envelope(max_runtime_seconds=86_400)], "name", things(PARAMETER, {"name": UNKNOWN})),
    Case("run-envelope-bounded", "attempts is 9", [envelope(attempts=9)], [envelope(attempts=1)],
         "name", things(PARAMETER, {"name": UNKNOWN})),
    Case("run-envelope-bounded", "instance_count is 3", [envelope(instance_count=3)], [envelope(instance_count=2)],
         "name", things(PARAMETER, {"name": UNKNOWN})),
    Case("run-envelope-bounded", "not a JSON object", things(PARAMETER, {"name": "/x/run-envelope", "value": "secret"}),
         [envelope()], "name", things(PARAMETER, {"name": UNKNOWN})),
    Case("endpoint-ends", "doesn't scale to zero", served({"modelName": "m"}),
         served({"modelName": "m"}, {"tandem:expires-hours": "8"}), "tags.tandem:expires-hours",
         served({}, {"tandem:expires-hours": UNKNOWN})),
    Case("endpoint-ends", "doesn't scale to zero", served({"managedInstanceScaling": {"minInstanceCount": 1}}),
         served({"managedInstanceScaling": {"minInstanceCount": 0}}), "productionVariants.0.managedInstanceScaling",
         served({"managedInstanceScaling": UNKNOWN})),
    Case("endpoint-ends", "no tag tandem:expires-hours", [Thing(ENDPOINT, {"endpointConfigName": "by-hand"})],
         served({"serverlessConfig": {"memorySizeInMb": 2048}}), "tags", [Thing(ENDPOINT, {"tags": UNKNOWN})]),
    Case("search-nextgen", "is Classic",
         things("aws:opensearch/serverlessCollection:ServerlessCollection", {"type": "VECTORSEARCH"}),
         things("aws:opensearch/serverlessCollection:ServerlessCollection", {"collectionGroupName": UNKNOWN}),
         "generation", things(GROUP, {"generation": UNKNOWN})),
    Case("search-nextgen", "which means CLASSIC", things(GROUP, {}), things(GROUP, {"generation": "NEXTGEN"}),
         "generation", things(GROUP, {"generation": UNKNOWN})),
    Case("search-capacity-limited", "no maxIndexingCapacityInOcu",
         things(GROUP, {"capacityLimits": [{"maxSearchCapacityInOcu": 2}]}),
         things(GROUP, {"capacityLimits": [LIMITS]}, {"capacityLimits": LIMITS}),
         "capacityLimits", things(GROUP, {"capacityLimits": UNKNOWN})),
    Case("search-capacity-limited", "is 96, and 4 are the most",
         things(GROUP, {"capacityLimits": [LIMITS | {"maxSearchCapacityInOcu": 96}]}),
         things(GROUP, {"capacityLimits": [LIMITS]}), "capacityLimits.0.maxSearchCapacityInOcu",
         things(GROUP, {"capacityLimits": [LIMITS | {"maxSearchCapacityInOcu": UNKNOWN}]})),
    Case("search-capacity-limited", "minSearchCapacityInOcu is 2, which bills while idle",
         things(GROUP, {"capacityLimits": LIMITS | {"minSearchCapacityInOcu": 2}}),
         things(GROUP, {"capacityLimits": LIMITS | {"minSearchCapacityInOcu": 0}}),
         "capacityLimits.minIndexingCapacityInOcu",
         things(GROUP, {"capacityLimits": LIMITS | {"minIndexingCapacityInOcu": UNKNOWN}})),
    Case("log-retention", "retentionInDays is 3653, and 400 are the most",
         things(LOG_GROUP, {"retentionInDays": 3653.0}), things(LOG_GROUP, {"retentionInDays": 365}),
         "loggingConfig", things(FUNCTION, {"loggingConfig": UNKNOWN})),
    Case("tracking-serverless", "bills by the hour",
         things("aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer", {"trackingServerSize": UNKNOWN}),
         things("aws:sagemaker/mlflowApp:MlflowApp", {}), "", []),  # the type decides: nothing to know
    Case("log-retention", "means for ever", things(LOG_GROUP, {}), things(LOG_GROUP, {"retentionInDays": 14}),
         "retentionInDays", things(LOG_GROUP, {"retentionInDays": UNKNOWN})),
    Case("log-retention", "never expires", things(FUNCTION, {"loggingConfig": {"logFormat": "JSON"}}),
         things(FUNCTION, {"loggingConfig": {"logGroup": UNKNOWN}}),
         "loggingConfig", things(FUNCTION, {"loggingConfig": UNKNOWN})),
    Case("budget-present", "can start instances", [envelope()],
         [envelope(), Thing(BUDGET, {"limitAmount": UNKNOWN}, "budget")],
         "name", things(PARAMETER, {"name": UNKNOWN})),
    Case("cost-tags", "no tandem:stack and no tandem:environment", things(BUCKET, {"tags": {"a": "b"}}),
         [*things(BUCKET, {"tags": TAGS | {"a": UNKNOWN}}),
          Thing(QUEUE, {}, provider={"defaultTags": json.dumps({"tags": TAGS})})],
         "tags", things(BUCKET, {"tags": UNKNOWN})),
    Case("bucket-private", "restrictPublicBuckets is not true", things(BLOCK, FOUR | {"restrictPublicBuckets": False}),
         things(BLOCK, FOUR), "blockPublicAcls", things(BLOCK, FOUR | {"blockPublicAcls": UNKNOWN})),
    Case("bucket-private", "it grants to AllUsers",
         things(BUCKET, {"grants": [{"type": "Group", "uri": "http://acs.amazonaws.com/groups/global/AllUsers"}]}),
         things(BUCKET, {"grants": [{"type": "Group", "uri": "http://acs.amazonaws.com/groups/s3/LogDelivery"}]}),
         "grants", things(BUCKET, {"grants": UNKNOWN})),
    Case("bucket-private", "acl is public-read", things("aws:s3/bucketAcl:BucketAcl", {"acl": "public-read"}),
         things(BUCKET, {}, {"acl": "private"}), "acl", things(BUCKET, {"acl": UNKNOWN})),
    Case("resource-policy-closed", "allows sqs:SendMessage to everybody",
         things("aws:sqs/queuePolicy:QueuePolicy", {"policy": policy(Principal="*", Action="sqs:SendMessage")}),
         things(BUCKET_POLICY, {"policy": PLAIN}, {"policy": policy(Principal={"AWS": "*"}, Action="sqs:*",
                Condition={"StringEquals": {"aws:SourceAccount": "1"}})},
                {"policy": policy(Principal={"Service": "events.amazonaws.com"})}),
         "policy", things(BUCKET_POLICY, {"policy": UNKNOWN})),
    Case("resource-policy-closed", "to everybody", things(BUCKET_POLICY, {"policy": policy(Principal={"AWS": ["*"]})}),
         things("aws:kms/key:Key", {}), "policy", things("aws:kms/key:Key", {"policy": UNKNOWN})),
    Case("resource-policy-closed", "principal is *", things("aws:lambda/permission:Permission", {"principal": "*"}),
         things("aws:lambda/permission:Permission", {"principal": "*", "sourceArn": UNKNOWN}),
         "principal", things("aws:lambda/permission:Permission", {"principal": UNKNOWN})),
    Case("encrypted-at-rest", "encrypted is not true", things("aws:efs/fileSystem:FileSystem", {}),
         things("aws:ebs/volume:Volume", {"encrypted": True}),
         "encrypted", things("aws:ebs/volume:Volume", {"encrypted": UNKNOWN})),
    Case("encrypted-at-rest", "sqsManagedSseEnabled is false", things(QUEUE, {"sqsManagedSseEnabled": False}),
         things(QUEUE, {}, {"sqsManagedSseEnabled": False, "kmsMasterKeyId": UNKNOWN}),
         "sqsManagedSseEnabled", things(QUEUE, {"sqsManagedSseEnabled": UNKNOWN})),
    Case("encrypted-at-rest", "kmsMasterKeyId is not set", things("aws:sns/topic:Topic", {}),
         things("aws:sns/topic:Topic", {"kmsMasterKeyId": UNKNOWN}),
         "encryptAtRest", things("aws:opensearch/domain:Domain", {"encryptAtRest": UNKNOWN})),
    Case("tls-only", "no policy that refuses", things(BUCKET, {}),
         [Thing(BUCKET, {}), referring(BUCKET_POLICY, "bucket", {"policy": PLAIN})],
         "policy", [Thing(BUCKET, {}), referring(BUCKET_POLICY, "bucket", {"policy": UNKNOWN})]),
    Case("tls-only", "no statement denies", things(BUCKET_POLICY, {"policy": policy(Principal={"AWS": "1"})}),
         things(BUCKET_POLICY, {"policy": PLAIN}), "policy", things(BUCKET_POLICY, {"policy": UNKNOWN})),
    Case("tls-only", "aren't redirected",
         things("aws:lb/listener:Listener", {"protocol": "HTTP", "defaultActions": [{"type": "forward"}]}),
         things("aws:lb/listener:Listener", {"protocol": "HTTP", "defaultActions": [{"type": "redirect"}]}),
         "protocol", things("aws:lb/listener:Listener", {"protocol": UNKNOWN})),
    Case("iam-not-everything", "allows * on *", things(ROLE_POLICY, {"policy": policy(Action="*", Resource="*")}),
         things(ROLE_POLICY, {"policy": policy(**IAM)}, {"policy": policy("Deny", Action="*", Resource="*")}),
         "policy", things(ROLE_POLICY, {"policy": UNKNOWN})),
    Case("iam-not-everything", "allows s3:* on *",
         things("aws:iam/role:Role", {"inlinePolicies": [{"policy": policy(Action=["s3:*"], Resource=["*"])}]}),
         things("aws:iam/role:Role", {"inlinePolicies": [{"policy": policy(Action="s3:*", Resource="arn:x")}]}),
         "inlinePolicies.0.policy", things("aws:iam/role:Role", {"inlinePolicies": [{"policy": UNKNOWN}]})),
    Case("iam-not-everything", "AmazonSageMakerFullAccess is attached",
         things("aws:iam/role:Role", {"managedPolicyArns": ["arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"]}),
         things("aws:iam/rolePolicyAttachment:RolePolicyAttachment", {"policyArn": "arn:aws:iam::1:policy/FullAccess"}),
         "policyArn", things("aws:iam/rolePolicyAttachment:RolePolicyAttachment", {"policyArn": UNKNOWN})),
    Case("api-authorized", "authorization is NONE", things(METHOD, {"authorization": "NONE", "httpMethod": "POST"}),
         things(METHOD, {"authorization": "AWS_IAM"}, {"authorization": "NONE", "httpMethod": "OPTIONS"}),
         "authorization", things(METHOD, {"authorization": UNKNOWN})),
    Case("api-authorized", "authorizationType is NONE", things("aws:apigatewayv2/route:Route", {"routeKey": "GET /"}),
         things("aws:lambda/functionUrl:FunctionUrl", {"authorizationType": "AWS_IAM"}),
         "authorizationType", things("aws:lambda/functionUrl:FunctionUrl", {"authorizationType": UNKNOWN})),
    Case("ingress-closed", "0.0.0.0/0 reaches ports 22 to 22",
         things("aws:ec2/securityGroup:SecurityGroup",
                {"ingress": [{"cidrBlocks": ["0.0.0.0/0"], "fromPort": 22, "toPort": 22}]}),
         things(GROUP_RULE, {"type": "egress", "cidrBlocks": ["0.0.0.0/0"]},
                {"type": "ingress", "cidrBlocks": ["10.0.0.0/8"]}),
         "cidrBlocks.0", things(GROUP_RULE, {"type": "ingress", "cidrBlocks": [UNKNOWN]})),
    Case("ingress-closed", "::/0 reaches ports any to any",
         things("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", {"cidrIpv6": "::/0"}),
         things("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", {"referencedSecurityGroupId": UNKNOWN}),
         "ingress", things("aws:ec2/securityGroup:SecurityGroup", {"ingress": UNKNOWN})),
    Case("ingress-closed", "0.0.0.0/0 is in the list, and with it in whatever names the list",
         things("aws:ec2/managedPrefixList:ManagedPrefixList",
                {"entries": [{"cidr": "10.0.0.0/8"}, {"cidr": "0.0.0.0/0"}]}),
         things("aws:ec2/managedPrefixListEntry:ManagedPrefixListEntry", {"cidr": "203.0.113.0/24"}),
         "cidr", things("aws:ec2/managedPrefixListEntry:ManagedPrefixListEntry", {"cidr": UNKNOWN})),
    Case("workload-unprivileged", "the container web has AppArmor unconfined",
         things("kubernetes:apps/v1:Deployment", {"spec": {"template": {"metadata": {"annotations": {
             "container.apparmor.security.beta.kubernetes.io/web": "unconfined"}}, "spec": {}}}}),
         things("kubernetes:core/v1:Pod", {"metadata": {"annotations": {
             "container.apparmor.security.beta.kubernetes.io/web": "runtime/default"}}, "spec": {}}),
         "spec.securityContext.procMount",
         things("kubernetes:core/v1:Pod", {"spec": {"securityContext": {"procMount": UNKNOWN}}})),
    Case("service-internal", "its load balancer is internet-facing",
         things("kubernetes:networking.k8s.io/v1:Ingress", {"metadata": {"annotations": {
             "alb.ingress.kubernetes.io/scheme": "internet-facing", "alb.ingress.kubernetes.io/security-groups": "sg-1",
             "alb.ingress.kubernetes.io/inbound-cidrs": "203.0.113.0/24"}}}),
         things("kubernetes:networking.k8s.io/v1:Ingress", {"metadata": {"annotations": {
             "alb.ingress.kubernetes.io/scheme": "internal"}}}),
         "spec.type", things("kubernetes:core/v1:Service", {"spec": {"type": UNKNOWN}})),
    Case("secrets-not-plain", "HF_TOKEN is a secret by its name",
         things(FUNCTION, {"environment": {"variables": {"HF_TOKEN": "a b"}}}),
         things(FUNCTION, {}, {"environment": {"variables": {"HF_TOKEN_ARN": "arn:x", "CHUNK_TOKENS": "200"}}}),
         "environment.variables.PLACE", things(FUNCTION, {"environment": {"variables": {"PLACE": UNKNOWN}}})),
    Case("secrets-not-plain", "HELPER has the form of a secret",
         things(MODEL, {"containers": [{"environment": {"HELPER": "hf_" + "a" * 34}}]}),
         things(MODEL, {"primaryContainer": {"environment": {"MODEL": "hf_small"}}}),
         "primaryContainer.environment", things(MODEL, {"primaryContainer": {"environment": UNKNOWN}})),
    Case("queue-dead-letters", "no redrivePolicy", things(QUEUE, {"redriveAllowPolicy": "{}"}),
         [Thing(QUEUE, {}), referring(QUEUE, "redrivePolicy", {"redrivePolicy": UNKNOWN})],
         "", []),  # that it is there decides
    Case("queue-dead-letters", "no redrivePolicy", things(QUEUE, {"messageRetentionSeconds": 301}),
         things(QUEUE, {"messageRetentionSeconds": 300}), "messageRetentionSeconds",
         things(QUEUE, {"messageRetentionSeconds": UNKNOWN})),
    Case("queue-dead-letters", "no redrivePolicy",
         [Thing(QUEUE, {}), referring("aws:cloudwatch/eventTarget:EventTarget", "arn", {"arn": UNKNOWN})],
         [Thing(QUEUE, {}), referring("aws:cloudwatch/eventTarget:EventTarget", "deadLetterConfig", {})], "", []),
    Case("data-protected", "it isn't protected", things(TABLE, {}), [Thing(TABLE, {}, protect=True)],
         "forceDestroy", [Thing(BUCKET, {"forceDestroy": UNKNOWN}, protect=True)]),
    Case("data-protected", "forceDestroy is true", [Thing(BUCKET, {"forceDestroy": True}, protect=True)],
         [Thing(BUCKET, {"forceDestroy": False}, protect=True)],
         "forceDelete", [Thing("aws:ecr/repository:Repository", {"forceDelete": UNKNOWN}, protect=True)]),
    Case("data-recoverable", "pointInTimeRecovery.enabled is not true", things(TABLE, {}),
         things(TABLE, {"pointInTimeRecovery": {"enabled": True}}),
         "pointInTimeRecovery.enabled", things(TABLE, {"pointInTimeRecovery": {"enabled": UNKNOWN}})),
    Case("data-recoverable", "no aws:s3/bucketVersioning",
         [Thing(BUCKET, {}), referring(VERSIONING, "bucket", {"versioningConfiguration": {"status": "Suspended"}})],
         [Thing(BUCKET, {}), referring(VERSIONING, "bucket", {"versioningConfiguration": {"status": "Enabled"}})],
         "versioningConfiguration",
         [Thing(BUCKET, {}), referring(VERSIONING, "bucket", {"versioningConfiguration": UNKNOWN})]),
    Case("endpoint-rolls-back", "it names none", served({"modelName": UNKNOWN}),
         served({"modelName": UNKNOWN}, rollback=[{"alarmName": UNKNOWN}]),
         "deploymentConfig.autoRollbackConfiguration.alarms", served({"modelName": "m"}, rollback=UNKNOWN)),
    Case("endpoint-rolls-back", "it names none",
         things(COMPONENT, {"typeName": COMPONENTS, "desiredState": "{}"}),
         [*served({"managedInstanceScaling": {}}), Thing(COMPONENT, {"typeName": "AWS::ECS::Cluster"}, "cluster")],
         "desiredState", things(COMPONENT, {"typeName": COMPONENTS, "desiredState": UNKNOWN})),
    Case("budget-tells", "no notification that anybody gets",
         things(BUDGET, {"limitAmount": "100", "notifications": [{"threshold": 80, "subscriberSnsTopicArns": []}]}),
         things(BUDGET, {"notifications": [{"subscriberSnsTopicArns": ["arn:x"]}]}),
         "notifications", things(BUDGET, {"notifications": UNKNOWN})),
    Case("sizes-bounded", "productionVariants.initialInstanceCount is 5, and 4 are the most",
         things(CONFIGURATION, {"productionVariants": [{"initialInstanceCount": 5.0}]}),
         things(CONFIGURATION, {"productionVariants": [{"initialInstanceCount": 4.0}, {"serverlessConfig": {}}]}),
         "productionVariants.0.initialInstanceCount",
         things(CONFIGURATION, {"productionVariants": [{"initialInstanceCount": UNKNOWN}]})),
    Case("sizes-bounded", "volume_gb is 2000, and 1000 are the most", [envelope(volume_gb=2000)],
         [envelope(volume_gb=200), *things(PARAMETER, {"name": "/other", "value": UNKNOWN})],
         "size", things("aws:ebs/volume:Volume", {"size": UNKNOWN})),
    Case("sizes-bounded", "maxCapacity is 60, and 4 are the most",
         things(TARGET, {"maxCapacity": 60, "scalableDimension": "sagemaker:variant:DesiredInstanceCount"}),
         things(TARGET, {"maxCapacity": 60, "scalableDimension": "dynamodb:table:ReadCapacityUnits"},
                {"maxCapacity": 60, "scalableDimension": "lambda:function:ProvisionedConcurrency"}),
         "scalableDimension", things(TARGET, {"maxCapacity": 60, "scalableDimension": UNKNOWN})),
    Case("search-private", "AllowFromPublic is true for collection and dashboard",
         things(NETWORK, {"type": "network", "policy": json.dumps(
             [{"AllowFromPublic": True, "Rules": [{"ResourceType": "dashboard"}, {"ResourceType": "collection"}]}])}),
         things(NETWORK, {"type": "encryption", "policy": UNKNOWN}), "policy",
         things(NETWORK, {"type": "network", "policy": UNKNOWN})),
    Case("search-private", "the domain has no vpcOptions", things("aws:opensearch/domain:Domain", {}),
         things("aws:opensearch/domain:Domain", {"vpcOptions": UNKNOWN}), "type", things(NETWORK, {"type": UNKNOWN})),
    Case("not-public", "publiclyAccessible is true", things(DATABASE, {"publiclyAccessible": True}),
         things(DATABASE, {}, {"publiclyAccessible": False}),
         "publiclyAccessible", things(DATABASE, {"publiclyAccessible": UNKNOWN})),
    Case("aws-foundations", "imageTagMutability is not set: a tag may be put on another image (ECR.2)",
         things(REPOSITORY, {"imageScanningConfiguration": {"scanOnPush": True}}),
         things(REPOSITORY, {"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": True}}),
         "runtime", things(FUNCTION, {"runtime": UNKNOWN})),
    Case("aws-foundations", "runtime is python3.8: AWS no longer supports the runtime (Lambda.2)",
         things(FUNCTION, {"runtime": "python3.8"}),
         things(FUNCTION, {"runtime": "python3.13"}, {}, {"runtime": "java21"}),
         "imageTagMutability", things(REPOSITORY, {"imageTagMutability": UNKNOWN,
                                                   "imageScanningConfiguration": {"scanOnPush": True}})),
    *OF_CLUSTERS,
]
# fmt: on
NAMED = [pytest.param(case, id=f"{case.rule}: {case.says}") for case in CASES]
WAITS = {rule.name for rule in RULES if rule.waits}
NOTHING_TO_KNOW = {"tracking-serverless"}


@pytest.fixture(autouse=True)
def _day_of_the_cases(monkeypatch):
    set_day(monkeypatch, TODAY)


def test_every_rule_has_cases():
    assert {case.rule for case in CASES} == {rule.name for rule in RULES}
    assert {case.rule for case in CASES if case.unknown} == {rule.name for rule in RULES} - NOTHING_TO_KNOW


@pytest.mark.parametrize("case", NAMED)
def test_it_blocks_and_says_what_to_do(case):
    (remedy,) = [rule.remedy for rule in RULES if rule.name == case.rule]
    reports = [report for report in judge(case.rule, *case.blocked) if not report.startswith("waits")]
    assert len(reports) == 1, reports
    assert case.says in reports[0] and reports[0].endswith(remedy)


@pytest.mark.parametrize("case", NAMED)
def test_it_passes(case):
    assert judge(case.rule, *case.passed) == []


@pytest.mark.parametrize("case", [case for case in NAMED if case.values[0].unknown])
def test_what_it_can_not_know_is_never_passed_in_silence(case):
    (report,) = judge(case.rule, *case.unknown)
    assert f"can't decide: {case.property}" in report
    assert report.startswith("waits: ") == (case.rule in WAITS)


def test_support_ends_on_its_day(monkeypatch):
    last, first = SUPPORT["1.36"].standard - timedelta(days=1), SUPPORT["1.36"].standard
    set_day(monkeypatch, last)
    assert judge("cluster-version-supported", *things(CLUSTER, {"version": "1.36"}, {"version": "1.99"})) == []
    set_day(monkeypatch, first)
    extended, newer = judge("cluster-version-supported", *things(CLUSTER, {"version": "1.36"}, {"version": "1.99"}))
    assert f"in extended support since {first}" in extended
    assert "newer than the table" in newer


def test_secrets_are_not_shown():
    secret = "hf_" + "x" * 34
    (report,) = judge("secrets-not-plain", Thing(FUNCTION, {"environment": {"variables": {"A_TOKEN": secret}}}))
    assert secret not in report
