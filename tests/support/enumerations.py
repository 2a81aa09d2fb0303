"""Settings that pulumi-aws types as plain strings, against the enumerations of the calls that they become."""

from collections.abc import Iterator
from typing import Any

from tests.support.aws_requests import model

# A resource's type -> the call that makes it, and where in that call its settings stand, if not at the top.
CALLS: dict[str, tuple[str, ...]] = {
    "aws:apigateway/authorizer:Authorizer": ("apigateway", "CreateAuthorizer"),
    "aws:apigateway/integration:Integration": ("apigateway", "PutIntegration"),
    "aws:apigateway/method:Method": ("apigateway", "PutMethod"),
    "aws:apigateway/restApi:RestApi": ("apigateway", "CreateRestApi"),
    "aws:appautoscaling/policy:Policy": ("application-autoscaling", "PutScalingPolicy"),
    "aws:appautoscaling/target:Target": ("application-autoscaling", "RegisterScalableTarget"),
    "aws:budgets/budget:Budget": ("budgets", "CreateBudget", "Budget"),
    "aws:cloudwatch/eventRule:EventRule": ("events", "PutRule"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": ("cloudwatch", "PutMetricAlarm"),
    "aws:dynamodb/table:Table": ("dynamodb", "CreateTable"),
    "aws:ec2/eip:Eip": ("ec2", "AllocateAddress"),
    "aws:ec2/launchTemplate:LaunchTemplate": ("ec2", "CreateLaunchTemplate", "LaunchTemplateData"),
    "aws:ec2/natGateway:NatGateway": ("ec2", "CreateNatGateway"),
    "aws:ec2/placementGroup:PlacementGroup": ("ec2", "CreatePlacementGroup"),
    "aws:ec2/vpc:Vpc": ("ec2", "CreateVpc"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("ec2", "CreateVpcEndpoint"),
    "aws:ecr/repository:Repository": ("ecr", "CreateRepository"),
    "aws:eks/accessEntry:AccessEntry": ("eks", "CreateAccessEntry"),
    "aws:eks/addon:Addon": ("eks", "CreateAddon"),
    "aws:eks/cluster:Cluster": ("eks", "CreateCluster"),
    "aws:eks/nodeGroup:NodeGroup": ("eks", "CreateNodegroup"),
    "aws:kms/key:Key": ("kms", "CreateKey"),
    "aws:lambda/eventSourceMapping:EventSourceMapping": ("lambda", "CreateEventSourceMapping"),
    "aws:lambda/function:Function": ("lambda", "CreateFunction"),
    "aws:lambda/functionRecursionConfig:FunctionRecursionConfig": ("lambda", "PutFunctionRecursionConfig"),
    "aws:opensearch/domain:Domain": ("opensearch", "CreateDomain"),
    "aws:opensearch/serverlessAccessPolicy:ServerlessAccessPolicy": ("opensearchserverless", "CreateAccessPolicy"),
    "aws:opensearch/serverlessCollection:ServerlessCollection": ("opensearchserverless", "CreateCollection"),
    "aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup": (
        "opensearchserverless",
        "CreateCollectionGroup",
    ),
    "aws:opensearch/serverlessSecurityPolicy:ServerlessSecurityPolicy": (
        "opensearchserverless",
        "CreateSecurityPolicy",
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": (
        "s3",
        "PutBucketLifecycleConfiguration",
        "LifecycleConfiguration",
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "s3",
        "PutBucketEncryption",
        "ServerSideEncryptionConfiguration",
    ),
    "aws:s3/bucketVersioning:BucketVersioning": ("s3", "PutBucketVersioning"),
    "aws:sagemaker/endpoint:Endpoint": ("sagemaker", "CreateEndpoint"),
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": ("sagemaker", "CreateEndpointConfig"),
    "aws:sagemaker/mlflowApp:MlflowApp": ("sagemaker", "CreateMlflowApp"),
    "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer": ("sagemaker", "CreateMlflowTrackingServer"),
    "aws:sagemaker/model:Model": ("sagemaker", "CreateModel"),
    "aws:sfn/stateMachine:StateMachine": ("stepfunctions", "CreateStateMachine"),
    "aws:ssm/parameter:Parameter": ("ssm", "PutParameter"),
}

FREE = {
    "aws:apigateway/deployment:Deployment",
    "aws:apigateway/methodSettings:MethodSettings",
    "aws:apigateway/resource:Resource",
    "aws:apigateway/response:Response",
    "aws:apigateway/stage:Stage",
    "aws:cloudcontrol/resource:Resource",
    "aws:cloudwatch/dashboard:Dashboard",
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/route:Route",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/subnet:Subnet",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "aws:iam/instanceProfile:InstanceProfile",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:lambda/invocation:Invocation",
    "aws:lambda/permission:Permission",
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketNotification:BucketNotification",
    "aws:s3/bucketObjectv2:BucketObjectv2",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup",
    "aws:sqs/queue:Queue",
    "aws:sqs/queuePolicy:QueuePolicy",
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
}
"""Types of ours whose settings are names, numbers and documents: no enumeration is among them."""


def chosen(type_: str, inputs: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """Where a resource chooses a value of an enumeration: the place, the value, and what may be chosen."""
    service, operation, *inside = CALLS[type_]
    shape = model(service).operation_model(operation).input_shape
    for name in inside:
        shape = shape.members[name]
    yield from _chosen(shape, inputs, type_.rpartition(":")[2])


def _chosen(shape: Any, value: Any, path: str) -> Iterator[tuple[str, str, list[str]]]:
    if shape.type_name == "list":
        for each in value if isinstance(value, list) else [value]:
            yield from _chosen(shape.member, each, path)
    elif shape.type_name == "structure":
        members = {name.lower(): member for name, member in shape.members.items()}
        # The provider takes one structure as a list of one, now and then under the plural of its name.
        for each in value if isinstance(value, list) else [value]:
            for key, inner in each.items() if isinstance(each, dict) else ():
                member = members.get(key.lower()) or members.get(key.lower().removesuffix("s"))
                if member is not None:
                    yield from _chosen(member, inner, f"{path}.{key}")
    elif shape.type_name == "string" and shape.enum and isinstance(value, str):
        yield path, value, shape.enum
