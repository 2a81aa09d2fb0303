"""In which request of which service the properties of each type of pulumi-aws go, as rows: `ROWS`."""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple


class Row(NamedTuple):
    """In which requests a type's properties go: each into the member of its name, but for what the row says."""

    service: str
    operations: str
    """Names, with spaces between them; each property goes into the first that has its member."""
    renamed: Mapping[str, str] = {}
    """Property -> member, both with dots between what is nested, in lists too; behind `Operation:` where the first that
    has the member isn't the right one."""
    apart: Mapping[str, str] = {}
    """Property -> why it is in no request of the service, or why its model is wrong about it."""
    given: str = ""
    """Required members that the provider fills itself, with spaces between them."""
    named: str = "name"
    """The property that pulumi-aws fills with a drawn name where the program gives none; empty where there is none."""
    shaped: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """Makes of the properties what the request has in another form."""


def _budget(given: dict[str, Any]) -> dict[str, Any]:
    alerts = [
        {
            "notification": {
                key: alert[key] for key in ("notificationType", "comparisonOperator", "threshold", "thresholdType")
            },
            "subscribers": [
                {"subscriptionType": kind, "address": address}
                for kind, key in (("EMAIL", "subscriberEmailAddresses"), ("SNS", "subscriberSnsTopicArns"))
                for address in alert.get(key, [])
            ],
        }
        for alert in given.get("notifications", [])
    ]
    budget = {
        "budgetName": given["name"],
        "budgetType": given["budgetType"],
        "timeUnit": given["timeUnit"],
        "budgetLimit": {"amount": given["limitAmount"], "unit": given["limitUnit"]},
        "costFilters": {each["name"]: each["values"] for each in given["costFilters"]},
    }
    return {"budget": budget, "notificationsWithSubscribers": alerts, "resourceTags": given["tags"]}


def _table(given: dict[str, Any]) -> dict[str, Any]:
    keys = [("HASH", given.pop("hashKey")), ("RANGE", given.pop("rangeKey"))]
    return {**given, "keySchema": [{"attributeName": name, "keyType": kind} for kind, name in keys]}


def _cluster(given: dict[str, Any]) -> dict[str, Any]:
    log = {"types": given.pop("enabledClusterLogTypes"), "enabled": True}
    return {**given, "logging": {"clusterLogging": [log]}}


def _node_group(given: dict[str, Any]) -> dict[str, Any]:
    # The prefix is what EKS's own name is made of: with 26 more characters.
    if prefix := given.pop("nodeGroupNamePrefix", ""):
        given["nodegroupName"] = prefix + "0" * 26
    return given


def _component(given: dict[str, Any]) -> dict[str, Any]:
    return json.loads(given["desiredState"])


def _target(given: dict[str, Any]) -> dict[str, Any]:
    rule, bus = given.pop("rule"), given.pop("eventBusName", None)
    return {"rule": rule, "targets": [{"id": "terraform-0", **given}], **({"eventBusName": bus} if bus else {})}


def _queue(given: dict[str, Any]) -> dict[str, Any]:
    known = {"sqsManagedSseEnabled": "SqsManagedSseEnabled", "messageRetentionSeconds": "MessageRetentionPeriod"}
    known |= {"visibilityTimeoutSeconds": "VisibilityTimeout", "redrivePolicy": "RedrivePolicy"}
    attributes = {known.get(key, key): str(value) for key, value in given.items() if key not in ("name", "tags")}
    return {"queueName": given["name"], "attributes": attributes, "tags": given.get("tags", {})}


def _attribute(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def shaped(given: dict[str, Any]) -> dict[str, Any]:
        url = given.pop("queueUrl")
        return {"queueUrl": url, "attributes": {name: next(iter(given.values()))}}

    return shaped


def _machine(given: dict[str, Any]) -> dict[str, Any]:
    log = dict(given["loggingConfiguration"])
    destination = {"cloudWatchLogsLogGroup": {"logGroupArn": log.pop("logDestination")}}
    return {**given, "loggingConfiguration": {**log, "destinations": [destination]}}


def _template(given: dict[str, Any]) -> dict[str, Any]:
    return {"name": given.pop("name"), "tags": given.pop("tags"), "launchTemplateData": given}


def _rule(given: dict[str, Any]) -> dict[str, Any]:
    said = {"description": given.pop("description")} if "description" in given else {}
    if "cidrIpv4" in given:
        given["ipRanges"] = [{"cidrIp": given.pop("cidrIpv4"), **said}]
    if "referencedSecurityGroupId" in given:
        given["userIdGroupPairs"] = [{"groupId": given.pop("referencedSecurityGroupId"), **said}]
    group, tags = given.pop("securityGroupId"), given.pop("tags", {})
    return {"groupId": group, "ipPermissions": [given], "tags": tags}


OF_EC2 = "EC2 takes tags in a list by type of what is made; they are checked as those of other types"
ROWS: dict[str, Row] = {
    "apigateway/authorizer:Authorizer": Row(
        "apigateway", "CreateAuthorizer", {"restApi": "restApiId", "providerArns": "providerARNs"}
    ),
    "apigateway/deployment:Deployment": Row(
        "apigateway",
        "CreateDeployment",
        {"restApi": "restApiId"},
        {"triggers": "what makes the provider deploy anew"},
        named="",
    ),
    "apigateway/integration:Integration": Row(
        "apigateway",
        "PutIntegration",
        {"restApi": "restApiId", "timeoutMilliseconds": "timeoutInMillis"},
        named="",
    ),
    "apigateway/method:Method": Row(
        "apigateway", "PutMethod", {"restApi": "restApiId", "authorization": "authorizationType"}, named=""
    ),
    "apigateway/methodSettings:MethodSettings": Row(
        "apigateway",
        "UpdateStage",
        {"restApi": "restApiId"},
        {"methodPath": "a path of the patch", "settings": "values of the patch, which are texts to the model"},
        named="",
    ),
    "apigateway/resource:Resource": Row("apigateway", "CreateResource", {"restApi": "restApiId"}, named=""),
    "apigateway/restApi:RestApi": Row("apigateway", "CreateRestApi"),
    "apigateway/stage:Stage": Row(
        "apigateway", "CreateStage", {"restApi": "restApiId", "deployment": "deploymentId"}, named=""
    ),
    "appautoscaling/policy:Policy": Row("application-autoscaling", "PutScalingPolicy", {"name": "policyName"}),
    "appautoscaling/target:Target": Row("application-autoscaling", "RegisterScalableTarget", named=""),
    "budgets/budget:Budget": Row("budgets", "CreateBudget", given="AccountId", shaped=_budget),
    "cloudcontrol/resource:Resource": Row(
        "sagemaker", "CreateInferenceComponent UpdateInferenceComponent", named="", shaped=_component
    ),
    "cloudwatch/dashboard:Dashboard": Row("cloudwatch", "PutDashboard", named=""),
    "cloudwatch/eventRule:EventRule": Row("events", "PutRule"),
    "cloudwatch/eventTarget:EventTarget": Row("events", "PutTargets", named="", shaped=_target),
    "cloudwatch/logGroup:LogGroup": Row(
        "logs", "CreateLogGroup PutRetentionPolicy", {"name": "logGroupName", "namePrefix": "logGroupName"}
    ),
    "cloudwatch/metricAlarm:MetricAlarm": Row("cloudwatch", "PutMetricAlarm", {"name": "alarmName"}),
    "dynamodb/table:Table": Row(
        "dynamodb",
        "CreateTable UpdateContinuousBackups",
        {
            "name": "tableName",
            "attributes": "attributeDefinitions",
            "attributes.name": "attributeName",
            "attributes.type": "attributeType",
            "pointInTimeRecovery": "pointInTimeRecoverySpecification",
            "pointInTimeRecovery.enabled": "pointInTimeRecoveryEnabled",
        },
        shaped=_table,
    ),
    "ec2/eip:Eip": Row("ec2", "AllocateAddress", {}, {"tags": OF_EC2}, named=""),
    "ec2/internetGateway:InternetGateway": Row(
        "ec2", "CreateInternetGateway AttachInternetGateway", {}, {"tags": OF_EC2}, "InternetGatewayId", ""
    ),
    "ec2/launchTemplate:LaunchTemplate": Row(
        "ec2",
        "CreateLaunchTemplate",
        {
            "name": "launchTemplateName",
            "launchTemplateData.vpcSecurityGroupIds": "securityGroupIds",
            "launchTemplateData.networkInterfaces.securityGroups": "groups",
        },
        {"tags": OF_EC2, "launchTemplateData.tagSpecifications.tags": OF_EC2},
        shaped=_template,
    ),
    "ec2/natGateway:NatGateway": Row("ec2", "CreateNatGateway", {}, {"tags": OF_EC2}, named=""),
    "ec2/placementGroup:PlacementGroup": Row("ec2", "CreatePlacementGroup", {"name": "groupName"}, {"tags": OF_EC2}),
    "ec2/route:Route": Row("ec2", "CreateRoute", named=""),
    "ec2/routeTable:RouteTable": Row("ec2", "CreateRouteTable", {}, {"tags": OF_EC2}, named=""),
    "ec2/routeTableAssociation:RouteTableAssociation": Row("ec2", "AssociateRouteTable", named=""),
    "ec2/securityGroup:SecurityGroup": Row(
        "ec2", "CreateSecurityGroup", {"name": "groupName"}, {"tags": OF_EC2, "egress": "calls of their own"}
    ),
    "ec2/subnet:Subnet": Row("ec2", "CreateSubnet ModifySubnetAttribute", {}, {"tags": OF_EC2}, "SubnetId", ""),
    "ec2/vpc:Vpc": Row("ec2", "CreateVpc ModifyVpcAttribute", {}, {"tags": OF_EC2}, "VpcId", ""),
    "ec2/vpcEndpoint:VpcEndpoint": Row("ec2", "CreateVpcEndpoint", {}, {"tags": OF_EC2}, named=""),
    "ecr/lifecyclePolicy:LifecyclePolicy": Row(
        "ecr", "PutLifecyclePolicy", {"repository": "repositoryName", "policy": "lifecyclePolicyText"}, named=""
    ),
    "ecr/repository:Repository": Row(
        "ecr",
        "CreateRepository",
        {"name": "repositoryName", "encryptionConfigurations": "encryptionConfiguration"},
        {"forceDelete": "what the provider does at delete"},
    ),
    "eks/accessEntry:AccessEntry": Row("eks", "CreateAccessEntry", named=""),
    "eks/accessPolicyAssociation:AccessPolicyAssociation": Row("eks", "AssociateAccessPolicy", named=""),
    "eks/addon:Addon": Row(
        "eks",
        "CreateAddon UpdateAddon",
        {
            "resolveConflictsOnCreate": "resolveConflicts",
            "resolveConflictsOnUpdate": "UpdateAddon:resolveConflicts",
        },
        {"preserve": "what the provider does at delete"},
        named="",
    ),
    "eks/cluster:Cluster": Row("eks", "CreateCluster", {"vpcConfig": "resourcesVpcConfig"}, shaped=_cluster),
    "eks/nodeGroup:NodeGroup": Row(
        "eks", "CreateNodegroup", {"nodeRoleArn": "nodeRole", "subnetIds": "subnets"}, named="", shaped=_node_group
    ),
    "eks/podIdentityAssociation:PodIdentityAssociation": Row("eks", "CreatePodIdentityAssociation", named=""),
    "iam/instanceProfile:InstanceProfile": Row(
        "iam",
        "CreateInstanceProfile AddRoleToInstanceProfile",
        {"name": "instanceProfileName", "role": "roleName"},
    ),
    "iam/role:Role": Row("iam", "CreateRole", {"name": "roleName", "assumeRolePolicy": "assumeRolePolicyDocument"}),
    "iam/rolePolicy:RolePolicy": Row(
        "iam", "PutRolePolicy", {"name": "policyName", "role": "roleName", "policy": "policyDocument"}
    ),
    "iam/rolePolicyAttachment:RolePolicyAttachment": Row("iam", "AttachRolePolicy", {"role": "roleName"}, named=""),
    "kms/key:Key": Row(
        "kms",
        "CreateKey ScheduleKeyDeletion",
        {"deletionWindowInDays": "pendingWindowInDays"},
        {"enableKeyRotation": "a call without members"},
        "KeyId",
        "",
    ),
    "lambda/eventSourceMapping:EventSourceMapping": Row("lambda", "CreateEventSourceMapping", named=""),
    "lambda/function:Function": Row(
        "lambda",
        "CreateFunction",
        {"name": "functionName"},
        {
            "code": "an archive, which the provider packs",
            **dict.fromkeys(
                ("vpcConfig.subnetIds", "vpcConfig.securityGroupIds"), "ids, which the mocks make of names"
            ),
        },
        "Code",
    ),
    "lambda/functionRecursionConfig:FunctionRecursionConfig": Row("lambda", "PutFunctionRecursionConfig", named=""),
    "lambda/invocation:Invocation": Row(
        "lambda", "Invoke", {"input": "payload"}, {"lifecycleScope": "when the provider calls"}, named=""
    ),
    "lambda/permission:Permission": Row(
        "lambda", "AddPermission", {"function": "functionName"}, given="StatementId", named=""
    ),
    "opensearch/domain:Domain": Row(
        "opensearch",
        "CreateDomain",
        {
            "encryptAtRest": "encryptionAtRestOptions",
            "nodeToNodeEncryption": "nodeToNodeEncryptionOptions",
            "tags": "tagList",
        },
        {"clusterConfig.instanceType": "the model's list lacks Graviton3 and later (the fact domain-r7g)"},
        named="domainName",
    ),
    "opensearch/serverlessAccessPolicy:ServerlessAccessPolicy": Row("opensearchserverless", "CreateAccessPolicy"),
    "opensearch/serverlessCollection:ServerlessCollection": Row("opensearchserverless", "CreateCollection"),
    "opensearch/serverlessCollectionGroup:ServerlessCollectionGroup": Row(
        "opensearchserverless", "CreateCollectionGroup"
    ),
    "opensearch/serverlessSecurityPolicy:ServerlessSecurityPolicy": Row("opensearchserverless", "CreateSecurityPolicy"),
    "s3/bucket:Bucket": Row(
        "s3",
        "CreateBucket PutBucketTagging",
        {"tags": "tagging.tagSet"},
        {"forceDestroy": "what the provider does at delete"},
        named="bucket",
    ),
    "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Row(
        "s3",
        "PutBucketLifecycleConfiguration",
        {"rules": "lifecycleConfiguration.rules"},
        named="",
    ),
    "s3/bucketNotification:BucketNotification": Row(
        "s3",
        "PutBucketNotificationConfiguration",
        {},
        {"eventbridge": "an empty structure"},
        "NotificationConfiguration",
        "",
    ),
    "s3/bucketObjectv2:BucketObjectv2": Row("s3", "PutObject", {}, {"source": "a file"}, named=""),
    "s3/bucketPolicy:BucketPolicy": Row("s3", "PutBucketPolicy", named=""),
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Row(
        "s3",
        "PutPublicAccessBlock",
        {
            key: f"publicAccessBlockConfiguration.{key}"
            for key in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        },
        named="",
    ),
    "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Row(
        "s3",
        "PutBucketEncryption",
        {
            "rules": "serverSideEncryptionConfiguration.rules",
            "rules.applyServerSideEncryptionByDefault.sseAlgorithm": "SSEAlgorithm",
        },
        named="",
    ),
    "s3/bucketVersioning:BucketVersioning": Row("s3", "PutBucketVersioning", named=""),
    "sagemaker/endpoint:Endpoint": Row("sagemaker", "CreateEndpoint", {"name": "endpointName"}),
    "sagemaker/endpointConfiguration:EndpointConfiguration": Row(
        "sagemaker", "CreateEndpointConfig", {"name": "endpointConfigName"}
    ),
    "sagemaker/mlflowApp:MlflowApp": Row("sagemaker", "CreateMlflowApp"),
    "sagemaker/mlflowTrackingServer:MlflowTrackingServer": Row("sagemaker", "CreateMlflowTrackingServer", named=""),
    "sagemaker/model:Model": Row("sagemaker", "CreateModel", {"name": "modelName"}),
    "sagemaker/modelPackageGroup:ModelPackageGroup": Row("sagemaker", "CreateModelPackageGroup", named=""),
    "sfn/stateMachine:StateMachine": Row("stepfunctions", "CreateStateMachine", shaped=_machine),
    "sqs/queue:Queue": Row("sqs", "CreateQueue", shaped=_queue),
    "sqs/queuePolicy:QueuePolicy": Row("sqs", "SetQueueAttributes", named="", shaped=_attribute("Policy")),
    "sqs/redriveAllowPolicy:RedriveAllowPolicy": Row(
        "sqs", "SetQueueAttributes", named="", shaped=_attribute("RedriveAllowPolicy")
    ),
    "ssm/parameter:Parameter": Row("ssm", "PutParameter", {"insecureValue": "value"}),
    "vpc/securityGroupEgressRule:SecurityGroupEgressRule": Row(
        "ec2", "AuthorizeSecurityGroupEgress", {}, {"tags": OF_EC2}, named="", shaped=_rule
    ),
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule": Row(
        "ec2", "AuthorizeSecurityGroupIngress", {}, {"tags": OF_EC2}, named="", shaped=_rule
    ),
}
"""By token of pulumi-aws without `aws:`."""


DOCUMENTED: dict[str, dict[str, Collection[Any]]] = {
    "apigateway/method:Method": {"authorization": {"NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"}},
    "cloudwatch/metricAlarm:MetricAlarm": {"treatMissingData": {"breaching", "notBreaching", "ignore", "missing"}},
    "ec2/launchTemplate:LaunchTemplate": {"networkInterfaces.interfaceType": {"interface", "efa", "efa-only"}},
    "sqs/queue:Queue": {
        "visibilityTimeoutSeconds": range(43_201),
        "messageRetentionSeconds": range(60, 1_209_601),
    },
}
"""What the models leave a text, and say in words (their documentation in botocore 1.43.106): property -> its values."""
