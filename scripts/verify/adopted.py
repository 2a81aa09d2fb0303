"""Resources that a killed `up` may have made and that the engine doesn't know: taken into the state, to be destroyed.

The engine writes down which creations it began. Those of which an id can be told go into the state as if they were
done; a refresh then drops those that never came to be. `pulumi refresh --import-pending-creates` takes ids too, and
fails for a resource that isn't there.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

# Type -> id, of the inputs and of {partition}, {region}, {account}; in Terraform's words the "import" id (the section
# "Import" of each resource's page in the registry). It is nobody else's: names are drawn (docs/adr/0025), and the state
# has them before there is anything to tag.
NAMED = {
    "aws:budgets/budget:Budget": "{account}:{name}",
    "aws:cloudwatch/dashboard:Dashboard": "{dashboardName}",
    "aws:cloudwatch/eventRule:EventRule": "{name}",
    "aws:cloudwatch/logGroup:LogGroup": "{name}",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "{name}",
    "aws:dynamodb/table:Table": "{name}",
    "aws:ecr/repository:Repository": "{name}",
    "aws:eks/cluster:Cluster": "{name}",
    "aws:iam/instanceProfile:InstanceProfile": "{name}",
    "aws:iam/role:Role": "{name}",
    "aws:iam/rolePolicy:RolePolicy": "{role}:{name}",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "{role}/{policyArn}",
    "aws:lambda/function:Function": "{name}",
    "aws:opensearch/domain:Domain": "{domainName}",
    "aws:opensearch/serverlessAccessPolicy:ServerlessAccessPolicy": "{name}/{type}",
    "aws:opensearch/serverlessSecurityPolicy:ServerlessSecurityPolicy": "{name}/{type}",
    "aws:s3/bucket:Bucket": "{bucket}",
    "aws:sagemaker/endpoint:Endpoint": "{name}",
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": "{name}",
    "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer": "{trackingServerName}",
    "aws:sagemaker/model:Model": "{name}",
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": "{modelPackageGroupName}",
    "aws:sfn/stateMachine:StateMachine": "arn:{partition}:states:{region}:{account}:stateMachine:{name}",
    "aws:sns/topic:Topic": "arn:{partition}:sns:{region}:{account}:{name}",
    "aws:sqs/queue:Queue": "{sqs}/{account}/{name}",
    "aws:ssm/parameter:Parameter": "{name}",
}
# Type -> what its ARN ends in, and of that its id: AWS or the provider draws it, and the tags find it.
TAGGED = {
    "aws:apigateway/restApi:RestApi": ":/restapis/([^/]+)",
    "aws:cloudwatch/logGroup:LogGroup": ":log-group:([^:]+)",
    "aws:ec2/eip:Eip": ":elastic-ip/([^/]+)",
    "aws:ec2/internetGateway:InternetGateway": ":internet-gateway/([^/]+)",
    "aws:ec2/launchTemplate:LaunchTemplate": ":launch-template/([^/]+)",
    "aws:ec2/natGateway:NatGateway": ":natgateway/([^/]+)",
    "aws:ec2/routeTable:RouteTable": ":route-table/([^/]+)",
    "aws:ec2/securityGroup:SecurityGroup": ":security-group/([^/]+)",
    "aws:ec2/subnet:Subnet": ":subnet/([^/]+)",
    "aws:ec2/vpc:Vpc": ":vpc/([^/]+)",
    "aws:ec2/vpcEndpoint:VpcEndpoint": ":vpc-endpoint/([^/]+)",
    "aws:eks/nodeGroup:NodeGroup": ":nodegroup/([^/]+)/([^/]+)/[^/]+",
    "aws:kms/key:Key": ":key/([^/]+)",
    "aws:lambda/eventSourceMapping:EventSourceMapping": ":event-source-mapping:([^:]+)",
    "aws:opensearch/serverlessCollection:ServerlessCollection": ":collection/([^/]+)",
    "aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup": ":collection-group/([^/]+)",
    "aws:sagemaker/mlflowApp:MlflowApp": "(arn:.*:mlflow-app/[^/]+)",
}
# What goes with the resource that it is a part of.
PARTS = {
    "aws:apigateway/authorizer:Authorizer",
    "aws:apigateway/deployment:Deployment",
    "aws:apigateway/integration:Integration",
    "aws:apigateway/method:Method",
    "aws:apigateway/methodSettings:MethodSettings",
    "aws:apigateway/resource:Resource",
    "aws:apigateway/stage:Stage",
    "aws:ec2/route:Route",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "aws:eks/accessEntry:AccessEntry",
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
    "aws:eks/addon:Addon",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "aws:lambda/functionRecursionConfig:FunctionRecursionConfig",
    "aws:lambda/invocation:Invocation",
    "aws:lambda/permission:Permission",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketNotification:BucketNotification",
    "aws:s3/bucketObjectv2:BucketObjectv2",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:sqs/queuePolicy:QueuePolicy",
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
}
# What only the audit finds, if it has tags: ids are drawn by AWS or the provider, and no ARN ends in them.
UNKNOWN = {"aws:cloudcontrol/resource:Resource", "aws:cloudwatch/eventTarget:EventTarget"}


def adopt(state: dict[str, Any], place: Mapping[str, str], tagged: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """A state without begun operations, and the URNs of creations of whose resources no id can be told.

    `state` is what `pulumi stack export` gives, `place` the values for ids, `tagged` the ARNs of what is the
    verification's by its tag: whoever else has a stack of that name has its resources' tag, and their types.
    """
    deployment = state["deployment"]
    resources = list(deployment.get("resources") or ())
    there = {(resource["type"], resource.get("id")) for resource in resources}
    free = [arn for arn in sorted(set(tagged)) if not any((kind, _tagged(kind, arn)) in there for kind in TAGGED)]
    known, lost = {resource["urn"] for resource in resources}, []
    for operation in deployment.get("pending_operations") or ():
        resource = operation["resource"]
        if operation["type"] != "creating" or resource["urn"] in known or resource["type"] in PARTS:
            continue
        if found := identity(resource, place, free):
            free = [arn for arn in free if _tagged(resource["type"], arn) != found]
            resources.append(resource | {"id": found})
        else:
            lost.append(resource["urn"])
    return state | {"deployment": deployment | {"resources": resources, "pending_operations": []}}, lost


def identity(resource: Mapping[str, Any], place: Mapping[str, str], tagged: Iterable[str]) -> str:
    """The provider's id of a resource whose creation was begun, empty where it can't be told."""
    kind, inputs = resource["type"], resource.get("inputs") or {}
    if kind.startswith("kubernetes:"):
        metadata = inputs.get("metadata") or {}
        return "/".join(metadata[part] for part in ("namespace", "name") if metadata.get(part))
    values = {**place, **{name: value for name, value in inputs.items() if isinstance(value, str)}}
    template = NAMED.get(kind, "{}")
    if values.keys() >= set(re.findall(r"\{(\w*)\}", template)):
        return template.format_map(values)
    return next(filter(None, (_tagged(kind, arn) for arn in tagged)), "")


def _tagged(kind: str, arn: str) -> str:
    """The id of a resource of that type with that ARN, empty where the ARN is of another type."""
    found = re.fullmatch(f".*?{TAGGED[kind]}", arn) if kind in TAGGED else None
    return ":".join(found.groups()) if found else ""
