"""Rules on who may: resource policies, permissions of identities, APIs."""

import re
from collections.abc import Iterator

from . import resource_types as aws
from .documents import Statement, broad_grants, everyone, open_statements, parsed, statements
from .levels import ADVISORY, Levels
from .rules import Findings, Resource, Rule, Settings, at, has

BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
RESOURCE_POLICIES = {
    **dict.fromkeys((*aws.BUCKETS, aws.BUCKET_POLICY, aws.QUEUE, aws.TOPIC), "policy"),
    **dict.fromkeys((aws.DOMAIN, "aws:opensearch/domainPolicy:DomainPolicy"), "accessPolicies"),
    **dict.fromkeys(
        ("aws:elasticsearch/domain:Domain", "aws:elasticsearch/domainPolicy:DomainPolicy"), "accessPolicies"
    ),
    aws.ROLE: "assumeRolePolicy",
    "aws:acmpca/policy:Policy": "policy",
    "aws:amp/resourcePolicy:ResourcePolicy": "policyDocument",
    "aws:apigateway/domainName:DomainName": "policy",
    "aws:apigateway/restApi:RestApi": "policy",
    "aws:apigateway/restApiPolicy:RestApiPolicy": "policy",
    "aws:backup/vaultPolicy:VaultPolicy": "policy",
    "aws:bedrock/agentcoreResourcePolicy:AgentcoreResourcePolicy": "policy",
    "aws:cloudsearch/domainServiceAccessPolicy:DomainServiceAccessPolicy": "accessPolicy",
    "aws:cloudwatch/eventBusPolicy:EventBusPolicy": "policy",
    "aws:cloudwatch/logDeliveryDestinationPolicy:LogDeliveryDestinationPolicy": "deliveryDestinationPolicy",
    "aws:cloudwatch/logDestinationPolicy:LogDestinationPolicy": "accessPolicy",
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": "policyDocument",
    "aws:codeartifact/domainPermissions:DomainPermissions": "policyDocument",
    "aws:codeartifact/repositoryPermissionsPolicy:RepositoryPermissionsPolicy": "policyDocument",
    "aws:codebuild/resourcePolicy:ResourcePolicy": "policy",
    "aws:dsql/clusterPolicy:ClusterPolicy": "policy",
    "aws:dynamodb/resourcePolicy:ResourcePolicy": "policy",
    "aws:ecr/registryPolicy:RegistryPolicy": "policy",
    "aws:ecr/repositoryCreationTemplate:RepositoryCreationTemplate": "repositoryPolicy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:ecrpublic/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:efs/fileSystemPolicy:FileSystemPolicy": "policy",
    "aws:glacier/vault:Vault": "accessPolicy",
    "aws:glacier/vaultLock:VaultLock": "policy",
    "aws:glue/resourcePolicy:ResourcePolicy": "policy",
    "aws:kinesis/resourcePolicy:ResourcePolicy": "policy",
    "aws:kms/externalKey:ExternalKey": "policy",
    "aws:kms/key:Key": "policy",
    "aws:kms/keyPolicy:KeyPolicy": "policy",
    "aws:kms/replicaExternalKey:ReplicaExternalKey": "policy",
    "aws:kms/replicaKey:ReplicaKey": "policy",
    "aws:lambda/resourcePolicy:ResourcePolicy": "policy",
    "aws:mediastore/containerPolicy:ContainerPolicy": "policy",
    "aws:msk/clusterPolicy:ClusterPolicy": "policy",
    "aws:networkfirewall/resourcePolicy:ResourcePolicy": "policy",
    "aws:oam/sinkPolicy:SinkPolicy": "policy",
    "aws:opensearchingest/resourcePolicy:ResourcePolicy": "policy",
    "aws:pinpoint/smsvoicev2ResourcePolicy:Smsvoicev2ResourcePolicy": "policy",
    "aws:redshift/resourcePolicy:ResourcePolicy": "policy",
    "aws:redshiftserverless/resourcePolicy:ResourcePolicy": "policy",
    "aws:s3/accessPoint:AccessPoint": "policy",
    "aws:s3/filesFileSystemPolicy:FilesFileSystemPolicy": "policy",
    "aws:s3/vectorsVectorBucketPolicy:VectorsVectorBucketPolicy": "policy",
    "aws:s3control/accessGrantsInstanceResourcePolicy:AccessGrantsInstanceResourcePolicy": "policy",
    "aws:s3control/accessPointPolicy:AccessPointPolicy": "policy",
    "aws:s3control/bucketPolicy:BucketPolicy": "policy",
    "aws:s3control/multiRegionAccessPointPolicy:MultiRegionAccessPointPolicy": "details.policy",
    "aws:s3control/objectLambdaAccessPointPolicy:ObjectLambdaAccessPointPolicy": "policy",
    "aws:s3tables/tableBucketPolicy:TableBucketPolicy": "resourcePolicy",
    "aws:s3tables/tablePolicy:TablePolicy": "resourcePolicy",
    "aws:sagemaker/modelPackageGroupPolicy:ModelPackageGroupPolicy": "resourcePolicy",
    "aws:schemas/registryPolicy:RegistryPolicy": "policy",
    "aws:secretsmanager/secret:Secret": "policy",
    "aws:secretsmanager/secretPolicy:SecretPolicy": "policy",
    "aws:ses/identityPolicy:IdentityPolicy": "policy",
    "aws:sesv2/emailIdentityPolicy:EmailIdentityPolicy": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
    "aws:vpclattice/resourcePolicy:ResourcePolicy": "policy",
    "aws:xray/resourcePolicy:ResourcePolicy": "policyDocument",
}
PERMISSIONS = {  # one statement as properties, and what of them narrows the caller
    aws.PERMISSION: ("sourceArn", "sourceAccount", "principalOrgId", "eventSourceToken"),
    "aws:lambda/layerVersionPermission:LayerVersionPermission": ("organizationId",),
    "aws:cloudwatch/eventPermission:EventPermission": ("condition",),
}
SEARCH_ACCESS = "aws:opensearch/serverlessAccessPolicy:ServerlessAccessPolicy"
SEARCH_NETWORK = "aws:opensearch/serverlessSecurityPolicy:ServerlessSecurityPolicy"
IDENTITY_POLICIES = {
    **{
        f"aws:iam/{whose}olicy:{whose[0].upper()}{whose[1:]}olicy": "policy"
        for whose in ("p", "roleP", "userP", "groupP")
    },
    aws.ROLE: "inlinePolicies.policy",
    "aws:ssoadmin/permissionSetInlinePolicy:PermissionSetInlinePolicy": "inlinePolicy",
}
ATTACHED_POLICIES = {
    aws.ROLE: "managedPolicyArns",
    **{
        f"aws:iam/{whose}Policy{kind}:{whose.capitalize()}Policy{kind}": path
        for whose in ("role", "user", "group")
        for kind, path in (("Attachment", "policyArn"), ("AttachmentsExclusive", "policyArns"))
    },
    "aws:iam/policyAttachment:PolicyAttachment": "policyArn",
    "aws:ssoadmin/managedPolicyAttachment:ManagedPolicyAttachment": "managedPolicyArn",
    "aws:ssoadmin/managedPolicyAttachmentsExclusive:ManagedPolicyAttachmentsExclusive": "managedPolicyArns",
}
TOO_MUCH = re.compile(r":aws:policy/.*(AdministratorAccess|PowerUserAccess|FullAccess)$")
FROM_OUTPUTS = "Such text is made from ARNs, which no first preview knows; the update decides before it is applied."


def bucket_private(resource: Resource, _: Settings) -> Findings:
    """What opens a bucket to the public."""
    if resource.type in aws.PUBLIC_ACCESS_BLOCKS:
        for key in BLOCKS:
            if resource.properties.get(key) is not True:
                yield f"{key} is not true"
        return
    if str(acl := resource.properties.get("acl") or "").startswith(("public-", "authenticated-")):
        yield f"acl is {acl}"
    for path in ("grants.uri", "accessControlPolicy.grants.grantee.uri"):
        for group in at(resource.properties, path):
            if str(group).endswith(("/AllUsers", "/AuthenticatedUsers")):
                yield f"it grants to {str(group).rsplit('/', 1)[-1]}"


def resource_policy_closed(resource: Resource, _: Settings) -> Findings:
    """Statements that let everybody in."""
    if resource.type in PERMISSIONS:
        if not any(has(resource.properties, name) for name in PERMISSIONS[resource.type]):
            principal = str(resource.properties.get("principal") or "")
            if everyone(principal):
                yield f"principal is {principal}"
            elif resource.type == aws.PERMISSION and principal.endswith(".amazonaws.com"):
                yield f"principal is {principal}, of any account: it has no sourceArn and no sourceAccount"
    elif resource.type == SEARCH_ACCESS:
        for principal in at(parsed(resource.properties.get("policy")), "Principal"):
            if everyone(str(principal)):
                yield f"{principal} may use the data"
    elif not _by_its_users(resource):
        for policy in at(resource.properties, RESOURCE_POLICIES[resource.type]):
            for found in open_statements(policy):
                yield _told(found)


def search_private(resource: Resource, _: Settings) -> Findings:
    """Search that the internet reaches; who has no permission is refused there, by IAM."""
    if resource.type == aws.DOMAIN:
        if not has(resource.properties, "vpcOptions"):
            yield "the domain has no vpcOptions: its endpoint is on the internet, behind IAM alone"
    elif resource.properties.get("type") == "network":
        for part in at(parsed(resource.properties.get("policy")), ""):
            if part.get("AllowFromPublic") in (True, "true"):
                kinds = sorted({str(kind) for kind in at(part, "Rules.ResourceType")})
                yield f"AllowFromPublic is true for {' and '.join(kinds)}: it is on the internet, behind IAM alone"


def iam_not_everything(resource: Resource, _: Settings) -> Findings:
    """Permissions for everything."""
    for arn in at(resource.properties, ATTACHED_POLICIES.get(resource.type, "-")):
        if TOO_MUCH.search(str(arn)):
            yield f"{str(arn).rsplit('/', 1)[-1]} is attached"
    for policy in at(resource.properties, IDENTITY_POLICIES.get(resource.type, "-")):
        yield from map(broad_grants, statements(policy))


def api_authorized(resource: Resource, _: Settings) -> Findings:
    """Doors without a lock. A preflight request (OPTIONS) carries no credentials and may come in."""
    if resource.type == aws.METHOD:
        key, preflight = "authorization", resource.properties.get("httpMethod") == "OPTIONS"
    else:
        key, preflight = "authorizationType", str(resource.properties.get("routeKey") or "").startswith("OPTIONS ")
    if resource.properties.get(key, "NONE") == "NONE" and not preflight:
        yield f"{key} is NONE"


def _by_its_users(resource: Resource) -> bool:
    """A domain in a network, or that knows its own users, may have an open policy: AWS advises it with the latter."""
    inside = next(at(resource.properties, "advancedSecurityOptions.enabled"), False) is True
    return resource.type == aws.DOMAIN and (inside or has(resource.properties, "vpcOptions"))


def _told(found: Iterator[Statement]) -> Findings:
    for statement in found:
        actions = f"all but {statement.listed('NotAction')}" if "NotAction" in statement else statement.listed("Action")
        whom = f"everybody but {statement.listed('NotPrincipal')}" if "NotPrincipal" in statement else "everybody"
        yield f"a statement allows {actions} to {whom}, and no condition says who that is"


RULES = [
    Rule(
        name="bucket-private",
        controls=("S3.8", "S3.12"),
        severity="critical",
        what="Buckets block public access and have no public ACL.",
        why="AWS blocks public access by default since April 2023, and advises to leave it so.",
        url="https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html",
        remedy="Set all four blocks to true and acl to private, or leave acl out.",
        types=(*aws.PUBLIC_ACCESS_BLOCKS, *aws.BUCKET_ACLS, *aws.BUCKETS),
        check=bucket_private,
    ),
    Rule(
        name="resource-policy-closed",
        controls=("KMS.5", "Lambda.1", "SNS.4"),
        severity="critical",
        what=(
            "No resource policy lets everybody in, be it inline, separate, a role's trust or a function's permission: "
            "a statement names its principals, or a condition says who calls or from where."
        ),
        why=(
            "Policies for any principal ship in samples (awslabs/LISA, vector_store_deployer: es:* for AnyPrincipal). "
            "TLS, a browser's name, a negation or IfExists says nothing of who calls."
        ),
        url="https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html",
        remedy="Name the principal, or add a condition such as aws:SourceAccount.",
        types=tuple({**RESOURCE_POLICIES, **PERMISSIONS, SEARCH_ACCESS: ""}),
        check=resource_policy_closed,
        waits=FROM_OUTPUTS,
    ),
    Rule(
        name="search-private",
        controls=("OpenSearch.2",),
        severity="medium",
        levels=Levels(ADVISORY, ADVISORY),  # Tandem's own collection and domain have no private endpoint yet
        what="Search is reached through a network of one's own; this tells the reviewer where it isn't.",
        why=(
            "AWS Security Hub reports a domain on the internet as OpenSearch.2. Tandem's own stores are there: each "
            "request is signed and allowed by IAM, and a private endpoint isn't built yet."
        ),
        url="https://docs.aws.amazon.com/opensearch-service/latest/developerguide/serverless-network.html",
        remedy="Know that it is so; or give a collection or domain of your own that has a private endpoint.",
        types=(SEARCH_NETWORK, aws.DOMAIN),
        check=search_private,
        waits=FROM_OUTPUTS,
    ),
    Rule(
        name="iam-not-everything",
        controls=("IAM.1", "IAM.21", "KMS.1", "KMS.2"),
        severity="critical",
        what=(
            "No policy allows all actions, all of a service, or an action that gives data, secrets or somebody else's "
            "permissions on everything; nor is one of AWS's attached that does."
        ),
        why=(
            "AmazonSageMakerFullAccess in samples that people deploy "
            "(aws-samples/amazon-eks-machine-learning-with-terraform-and-kubeflow, awslabs/aiops-modules); "
            "Resource * (philschmid/terraform-aws-sagemaker-huggingface). Who may pass any role has all of them."
        ),
        url="https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html",
        remedy="Name the actions, and the resources that they need, or add a condition that names them.",
        types=tuple({**IDENTITY_POLICIES, **ATTACHED_POLICIES}),
        check=iam_not_everything,
        waits=FROM_OUTPUTS,
    ),
    Rule(
        name="api-authorized",
        controls=("APIGateway.8",),
        severity="critical",
        what="APIs and function URLs ask who calls.",
        why="With NONE, Lambda and API Gateway let everybody in, and every call bills a model.",
        url="https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html",
        remedy="Set AWS_IAM, or an authorizer (`auth` in the stack file).",
        types=(aws.METHOD, aws.ROUTE, aws.FUNCTION_URL),
        check=api_authorized,
    ),
]
