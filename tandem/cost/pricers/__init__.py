"""Pricers: one small function for each type of resource. `docs/adding-a-pricer.md` says how to add one.

A type that is neither in `PRICERS` nor in `FREE` is NOT PRICED; of some of them `bills_for.py` says what they bill for.
"""

from fnmatch import fnmatchcase
from functools import cache

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, PLACE, Inputs
from ..model import Resource
from . import (
    compute,
    containers,
    databases,
    functions,
    kubernetes,
    monitoring,
    network,
    parameters,
    requests,
    sagemaker,
    search,
    security,
    storage,
    streams,
)


def cloud_control(resource: Resource, bill: Bill) -> None:
    """A resource through the Cloud Control API, by its type there."""
    type_ = resource.get("typeName")
    if type_ == "AWS::SageMaker::InferenceComponent":
        bill.free("a part of an endpoint, whose instances bill with its configuration")
    else:
        bill.not_priced(f"{type_} through Cloud Control has no pricer")


PRICERS: dict[str, Pricer] = {
    **storage.PRICERS,
    **functions.PRICERS,
    **requests.PRICERS,
    **search.PRICERS,
    **sagemaker.PRICERS,
    **compute.PRICERS,
    **containers.PRICERS,
    **databases.PRICERS,
    **streams.PRICERS,
    **kubernetes.PRICERS,
    **network.PRICERS,
    **monitoring.PRICERS,
    **security.PRICERS,
    **parameters.PRICERS,
    "aws:cloudcontrol/resource:Resource": cloud_control,
}

_CLOUD_CONTROL = Inputs(
    "typeName",
    {
        ACCESS: "roleArn",
        LIFE: "schema typeVersionId",
        "its type decides, and one without a pricer is NOT PRICED": "desiredState",
    },
)
_SCHEDULED = "what it scales is priced by its own inputs: for as long as this holds, as many bill as it says"
INPUTS: dict[str, Inputs] = {
    **storage.INPUTS,
    **functions.INPUTS,
    **requests.INPUTS,
    **search.INPUTS,
    **sagemaker.INPUTS,
    **compute.INPUTS,
    **containers.INPUTS,
    **databases.INPUTS,
    **streams.INPUTS,
    **kubernetes.INPUTS,
    **network.INPUTS,
    **monitoring.INPUTS,
    **security.INPUTS,
    **parameters.INPUTS,
    "aws:cloudcontrol/resource:Resource": _CLOUD_CONTROL,
    # Of other types that are free all inputs are, for the same reason.
    "aws:appautoscaling/target:Target": Inputs(
        free={
            PLACE: "resourceId scalableDimension serviceNamespace",
            ACCESS: "roleArn",
            BEHAVIOUR: "suspendedState.* maxCapacity",
        },
        ignored={
            "what it scales is priced by its own inputs, which a larger minimum outdoes; only a service of ECS whose "
            "target is here runs that many tasks at least": "minCapacity"
        },
    ),
    "aws:appautoscaling/scheduledAction:ScheduledAction": Inputs(
        free={BEHAVIOUR: "*"}, ignored={_SCHEDULED: "scalableTargetAction.minCapacity"}
    ),
    "aws:autoscaling/schedule:Schedule": Inputs(free={BEHAVIOUR: "*"}, ignored={_SCHEDULED: "desiredCapacity minSize"}),
    "aws:apigatewayv2/stage:Stage": Inputs(
        free={BEHAVIOUR: "*"},
        ignored={
            "metrics by route bill as metrics of one's own": "defaultRouteSettings.detailedMetricsEnabled "
            "routeSettings[].detailedMetricsEnabled",
            "logs bill by the GB": "accessLogSettings.*",
        },
    ),
    "aws:lb/listener:Listener": Inputs(
        free={BEHAVIOUR: "*"},
        ignored={"a trust store bills by the hour": "mutualAuthentication.trustStoreArn"},
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Inputs(
        free={BEHAVIOUR: "*"},
        ignored={
            "storage of other classes has other prices: all is counted as the standard one": "rules[].transitions.* "
            "rules[].noncurrentVersionTransitions.*"
        },
    ),
}
"""Type -> what of its inputs the price considers. Of a free type that isn't here all are free, for its reason."""

_SETTING = "a setting of what bills elsewhere"
_OBJECT = "an object of a cluster, whose nodes bill"

FREE: dict[str, str] = {
    "aws:iam/*": "IAM costs nothing",
    "aws:s3/bucketLifecycleConfiguration*": _SETTING,
    "aws:s3/bucketNotification:*": _SETTING,
    "aws:s3/bucketPolicy:*": _SETTING,
    "aws:s3/bucketPublicAccessBlock:*": _SETTING,
    "aws:s3/bucketOwnershipControls:*": _SETTING,
    "aws:s3/bucketServerSideEncryptionConfiguration*": _SETTING,
    "aws:s3/bucketVersioning*": _SETTING,
    "aws:s3/bucketCorsConfiguration*": _SETTING,
    "aws:s3/bucketLogging*": _SETTING,
    "aws:s3/vectorsVectorBucketPolicy:*": _SETTING,
    "aws:ecr/lifecyclePolicy:*": _SETTING,
    "aws:ecr/repositoryPolicy:*": _SETTING,
    "aws:dynamodb/resourcePolicy:*": _SETTING,
    "aws:dynamodb/tableItem:*": "part of its table",
    "aws:sqs/*Policy:*": _SETTING,
    "aws:sns/topicPolicy:*": _SETTING,
    "aws:lambda/invocation:*": "runs once a deployment, for seconds",
    "aws:lambda/permission:*": _SETTING,
    "aws:lambda/functionRecursionConfig:*": _SETTING,
    "aws:lambda/alias:*": _SETTING,
    "aws:lambda/layerVersion:*": "code storage within the account's allowance",
    "aws:lambda/functionUrl:*": "bills as its function does",
    "aws:lambda/functionEventInvokeConfig:*": _SETTING,
    "aws:apigateway/deployment:*": _SETTING,
    "aws:apigateway/integration*": _SETTING,
    "aws:apigateway/method:*": _SETTING,
    "aws:apigateway/methodResponse:*": _SETTING,
    "aws:apigateway/resource:*": _SETTING,
    "aws:apigateway/authorizer:*": _SETTING,
    "aws:apigateway/account:*": _SETTING,
    "aws:apigateway/usagePlan*": _SETTING,
    "aws:apigateway/apiKey:*": _SETTING,
    "aws:apigatewayv2/stage:*": _SETTING,
    "aws:apigatewayv2/route:*": _SETTING,
    "aws:apigatewayv2/integration:*": _SETTING,
    "aws:apigatewayv2/authorizer:*": _SETTING,
    "aws:apigatewayv2/deployment:*": _SETTING,
    "aws:bedrock/inferenceProfile:*": "a name for models, whose tokens bill",
    "aws:bedrockmodel/invocationLoggingConfiguration:*": "a setting; what it writes to bills",
    "aws:cloudwatch/logResourcePolicy:*": _SETTING,
    "aws:cloudwatch/queryDefinition:*": "a saved query bills when it runs",
    "aws:budgets/budget:*": "budgets without actions cost nothing",
    "aws:cognito/userPoolDomain:*": _SETTING,
    "aws:cognito/resourceServer:*": _SETTING,
    "aws:cognito/user:*": "its pool bills",
    "aws:cognito/userGroup:*": _SETTING,
    "aws:opensearch/serverless*Policy:*": _SETTING,
    "aws:opensearch/serverlessSecurityConfig:*": _SETTING,
    "aws:opensearch/domainPolicy:*": _SETTING,
    "aws:sagemaker/model:*": "a name for files and an image",
    "aws:sagemaker/modelPackageGroup*": "an entry of the registry",
    "aws:sagemaker/userProfile:*": "what is run in it bills",
    "aws:appautoscaling/target:*": "what it scales bills",
    "aws:appautoscaling/scheduledAction:*": "what it scales bills",
    "aws:autoscaling/attachment:*": _SETTING,
    "aws:autoscaling/lifecycleHook:*": _SETTING,
    "aws:autoscaling/notification:*": _SETTING,
    "aws:autoscaling/schedule:*": "what it scales bills",
    "aws:autoscaling/tag:*": _SETTING,
    "aws:autoscaling/trafficSourceAttachment:*": _SETTING,
    "aws:bedrock/guardrailVersion:*": "bills as its guardrail does",
    "aws:ecs/cluster:*": "what runs in it bills",
    "aws:ecs/clusterCapacityProviders:*": _SETTING,
    "aws:ecs/tag:*": _SETTING,
    "aws:ecs/taskDefinition:*": "tasks that are made from it bill",
    "aws:efs/accessPoint:*": _SETTING,
    "aws:efs/fileSystemPolicy:*": _SETTING,
    "aws:efs/mountTarget:*": "its file system bills",
    "aws:elasticache/parameterGroup:*": _SETTING,
    "aws:elasticache/subnetGroup:*": _SETTING,
    "aws:elasticache/user:*": _SETTING,
    "aws:elasticache/userGroup*": _SETTING,
    "aws:kinesis/resourcePolicy:*": _SETTING,
    "aws:rds/clusterEndpoint:*": _SETTING,
    "aws:rds/clusterParameterGroup:*": _SETTING,
    "aws:rds/clusterRoleAssociation:*": _SETTING,
    "aws:rds/eventSubscription:*": _SETTING,
    "aws:rds/optionGroup:*": _SETTING,
    "aws:rds/parameterGroup:*": _SETTING,
    "aws:rds/roleAssociation:*": _SETTING,
    "aws:rds/subnetGroup:*": _SETTING,
    "aws:sagemaker/appImageConfig:*": _SETTING,
    "aws:sagemaker/codeRepository:*": _SETTING,
    "aws:sagemaker/notebookInstanceLifecycleConfiguration:*": _SETTING,
    "aws:sagemaker/studioLifecycleConfig:*": _SETTING,
    "aws:scheduler/scheduleGroup:*": _SETTING,
    "aws:wafv2/ipSet:*": _SETTING,
    "aws:wafv2/regexPatternSet:*": _SETTING,
    "aws:wafv2/webAclAssociation:*": _SETTING,
    "aws:wafv2/webAclLoggingConfiguration:*": "a setting; what it writes to bills",
    "aws:kms/alias:*": _SETTING,
    "aws:kms/keyPolicy:*": _SETTING,
    "aws:kms/grant:*": _SETTING,
    "aws:secretsmanager/secretVersion:*": "part of its secret",
    "aws:secretsmanager/secretPolicy:*": _SETTING,
    "aws:secretsmanager/secretRotation:*": "a setting; the function that it starts bills",
    "aws:eks/accessEntry:*": _SETTING,
    "aws:eks/accessPolicyAssociation:*": _SETTING,
    "aws:eks/podIdentityAssociation:*": _SETTING,
    "aws:ec2/vpc:*": "networks cost nothing by themselves",
    "aws:ec2/networkInterface:*": "networks cost nothing by themselves",
    "aws:ec2/subnet:*": "networks cost nothing by themselves",
    "aws:ec2/route:*": "networks cost nothing by themselves",
    "aws:ec2/routeTable:*": "networks cost nothing by themselves",
    "aws:ec2/routeTableAssociation:*": "networks cost nothing by themselves",
    "aws:ec2/internetGateway:*": "bills for traffic only",
    "aws:ec2/securityGroup*": _SETTING,
    "aws:vpc/securityGroup*": _SETTING,
    "aws:ec2/mainRouteTableAssociation:*": _SETTING,
    "aws:ec2/networkAcl*": _SETTING,
    "aws:ec2/eipAssociation:*": _SETTING,
    "aws:ec2/launchTemplate:*": "what is launched from it bills",
    "aws:ec2/keyPair:*": _SETTING,
    "aws:ec2/placementGroup:*": _SETTING,
    "aws:route53/record:*": "its zone bills, and the questions that it is asked",
    "aws:xray/samplingRule:*": "a setting; traces bill",
    "aws:alb/listener*": "its load balancer bills",
    "aws:alb/targetGroup*": "its load balancer bills",
    "aws:lb/listener*": "its load balancer bills",
    "aws:lb/targetGroup*": "its load balancer bills",
    "kubernetes:admissionregistration.k8s.io/*": _OBJECT,
    "kubernetes:apiextensions.k8s.io/*": _OBJECT,
    "kubernetes:apiregistration.k8s.io/*": _OBJECT,
    "kubernetes:apps/*": _OBJECT,
    "kubernetes:batch/*": _OBJECT,
    "kubernetes:core/*": _OBJECT,
    "kubernetes:flowcontrol.apiserver.k8s.io/*": _OBJECT,
    "kubernetes:jobset.x-k8s.io/*": _OBJECT,
    "kubernetes:karpenter.k8s.aws/*": "what is launched by it bills",
    "kubernetes:kueue.x-k8s.io/*": _OBJECT,
    "kubernetes:networking.k8s.io/v1:NetworkPolicy*": _OBJECT,
    "kubernetes:policy/*": _OBJECT,
    "kubernetes:rbac.authorization.k8s.io/*": _OBJECT,
    "kubernetes:scheduling.k8s.io/*": _OBJECT,
    "kubernetes:storage.k8s.io/*": _OBJECT,
    "kubernetes:trainer.kubeflow.org/*": _OBJECT,
    "random:*": "nothing on AWS",
    "tls:*": "nothing on AWS",
    "time:*": "nothing on AWS",
    "command:*": "it runs where the stack is deployed from; what it makes on AWS is in no preview",
    "docker-build:*": "it is built where the stack is deployed from; the repository that holds it bills",
    "pulumi:pulumi:StackReference": "nothing on AWS",
}
"""Patterns of types that cost nothing by themselves -> why. Narrow ones: a service's new type is NOT PRICED first."""


@cache
def why_free(type_: str) -> str:
    """Why a type costs nothing by itself, wherever it is; empty where it has a pricer, or is NOT PRICED."""
    if type_ in PRICERS:
        return ""
    return next((reason for pattern, reason in FREE.items() if fnmatchcase(type_, pattern)), "")
