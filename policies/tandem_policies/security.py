"""Rules against open doors."""

import re
from collections.abc import Iterator, Mapping

from . import resource_types as aws
from .levels import ADVISORY, MANDATORY, Levels
from .rules import Resource, Rule, Setting, Settings, at, has, one, statements

BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
RESOURCE_POLICIES = {
    aws.BUCKET_POLICY: "policy",
    aws.DOMAIN: "accessPolicies",
    "aws:opensearch/domainPolicy:DomainPolicy": "accessPolicies",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:kms/key:Key": "policy",
    "aws:secretsmanager/secretPolicy:SecretPolicy": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
}
ENCRYPTED = {  # what has to be true; the rest of what our stacks make is encrypted by default
    "aws:ebs/volume:Volume": ("encrypted",),
    aws.FILE_SYSTEM: ("encrypted",),
    "aws:rds/cluster:Cluster": ("storageEncrypted",),
    "aws:rds/instance:Instance": ("storageEncrypted",),
    aws.DOMAIN: ("encryptAtRest.enabled", "nodeToNodeEncryption.enabled"),
}
IDENTITY_POLICIES = {
    "aws:iam/policy:Policy": "policy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/userPolicy:UserPolicy": "policy",
    "aws:iam/groupPolicy:GroupPolicy": "policy",
    aws.ROLE: "inlinePolicies.policy",
}
ATTACHED_POLICIES = {
    aws.ROLE: "managedPolicyArns",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "policyArn",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": "policyArn",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": "policyArn",
    "aws:iam/policyAttachment:PolicyAttachment": "policyArn",
}
TOO_MUCH = re.compile(r":aws:policy/.*(AdministratorAccess|PowerUserAccess|FullAccess)$")
WORLD = ("0.0.0.0/0", "::/0")
ENVIRONMENTS = {
    aws.FUNCTION: ("environment.variables",),
    "aws:sagemaker/model:Model": ("primaryContainer.environment", "containers.environment"),
}
SECRET_NAME = re.compile(
    r"(^|_)(password|passwd|secret|token|api_?key|access_?key|private_?key|credentials?)(_value)?$", re.IGNORECASE
)
SECRET_VALUE = re.compile(
    r"^((AKIA|ASIA)[0-9A-Z]{16}|hf_\w{20,}|sk-[\w-]{20,}|gh[pousr]_\w{20,}|xox[abp]-.+)$|-----BEGIN .*PRIVATE KEY"
)
FROM_OUTPUTS = "Such text is made from ARNs, which no first preview knows; the update decides before it is applied."


def bucket_private(resource: Resource, _: Settings) -> Iterator[str]:
    """What opens a bucket to the public."""
    if resource.type == aws.PUBLIC_ACCESS_BLOCK:
        for key in BLOCKS:
            if resource.properties.get(key) is not True:
                yield f"{key} is not true"
    elif str(acl := resource.properties.get("acl") or "").startswith(("public-", "authenticated-")):
        yield f"acl is {acl}"


def resource_policy_closed(resource: Resource, _: Settings) -> Iterator[str]:
    """Statements that let everybody in."""
    if resource.type == aws.PERMISSION:
        narrowed = any(has(resource.properties, name) for name in ("sourceArn", "sourceAccount", "principalOrgId"))
        if resource.properties.get("principal") == "*" and not narrowed:
            yield "principal is *"
        return
    for statement in statements(resource.properties.get(RESOURCE_POLICIES[resource.type])):
        principal = statement.get("Principal")
        anyone = [*at(principal, "AWS"), *(at(principal, "") if isinstance(principal, str) else ())]
        if statement.get("Effect") == "Allow" and "*" in anyone and not statement.get("Condition"):
            yield f"a statement allows {_listed(statement.get('Action'))} to everybody, without a condition"


def encrypted_at_rest(resource: Resource, _: Settings) -> Iterator[str]:
    """Stores that aren't encrypted."""
    if resource.type == aws.TOPIC:
        if not has(resource.properties, "kmsMasterKeyId"):
            yield "kmsMasterKeyId is not set"
    elif resource.type == aws.QUEUE:
        if resource.properties.get("sqsManagedSseEnabled") is False and not has(resource.properties, "kmsMasterKeyId"):
            yield "sqsManagedSseEnabled is false, and there is no kmsMasterKeyId"
    elif resource.type == aws.NODE_GROUP:
        if not has(resource.properties, "launchTemplate"):
            yield "it has no launch template, and the volumes that EKS gives it aren't encrypted"
    elif resource.type in (aws.LAUNCH_TEMPLATE, aws.NODE_CLASS):
        karpenter = resource.type == aws.NODE_CLASS
        path = "spec.blockDeviceMappings.ebs" if karpenter else "blockDeviceMappings.ebs"
        volumes = list(at(resource.properties, path))
        if not volumes and not karpenter:  # which encrypts what it isn't told about
            yield f"{path} is not set, and the image's volumes aren't encrypted"
        if any(str(volume.get("encrypted")).lower() != "true" for volume in volumes):
            yield f"{path}.encrypted is not true"
    else:
        for path in ENCRYPTED[resource.type]:
            if one(resource.properties, path) is not True:
                yield f"{path} is not true"


def tls_only(resource: Resource, _: Settings) -> Iterator[str]:
    """What answers without TLS."""
    if resource.type in aws.BUCKETS:
        if not resource.referrers((aws.BUCKET_POLICY, "bucket")):
            yield "the bucket has no policy that refuses requests without TLS"
    elif resource.type == aws.BUCKET_POLICY:
        if not any(_refuses_plain(each) for each in statements(resource.properties.get("policy"))):
            yield 'no statement denies to everybody what comes with "aws:SecureTransport": "false"'
    elif resource.type == aws.DOMAIN:
        if one(resource.properties, "domainEndpointOptions.enforceHttps") is not True:
            yield "domainEndpointOptions.enforceHttps is not true"
    elif resource.properties.get("protocol") == "HTTP" and "redirect" not in at(
        resource.properties, "defaultActions.type"
    ):
        yield "protocol is HTTP, and requests aren't redirected"


def iam_not_everything(resource: Resource, _: Settings) -> Iterator[str]:
    """Permissions for everything."""
    for arn in at(resource.properties, ATTACHED_POLICIES.get(resource.type, "-")):
        if TOO_MUCH.search(str(arn)):
            yield f"{str(arn).rsplit('/', 1)[-1]} is attached"
    for policy in at(resource.properties, IDENTITY_POLICIES.get(resource.type, "-")):
        for statement in statements(policy):
            if statement.get("Effect") != "Allow" or "*" not in at(statement.get("Resource"), ""):
                continue
            if has(statement, "NotAction"):
                yield f"a statement allows everything but {_listed(statement['NotAction'])} on *"
            for action in at(statement.get("Action"), ""):
                if str(action) == "*" or str(action).endswith(":*"):
                    yield f"a statement allows {action} on *"


def api_authorized(resource: Resource, _: Settings) -> Iterator[str]:
    """Doors without a lock. A preflight request (OPTIONS) carries no credentials and may come in."""
    if resource.type == aws.METHOD:
        key, preflight = "authorization", resource.properties.get("httpMethod") == "OPTIONS"
    else:
        key, preflight = "authorizationType", str(resource.properties.get("routeKey") or "").startswith("OPTIONS ")
    if resource.properties.get(key, "NONE") == "NONE" and not preflight:
        yield f"{key} is NONE"


def ingress_closed(resource: Resource, settings: Settings) -> Iterator[str]:
    """Ports that the whole world reaches."""
    if resource.type == aws.SECURITY_GROUP:
        rules = list(at(resource.properties, "ingress"))
    elif resource.type == aws.SECURITY_GROUP_INGRESS or resource.properties.get("type") == "ingress":
        rules = [resource.properties]
    else:
        rules = []
    for rule in rules:
        sources = [each for key in ("cidrBlocks", "ipv6CidrBlocks", "cidrIpv4", "cidrIpv6") for each in at(rule, key)]
        first, last = rule.get("fromPort"), rule.get("toPort")
        for source in sources:
            if source in WORLD and not (first == last and first in settings["ports"]):
                yield f"{source} reaches ports {_number(first)} to {_number(last)}"


def secrets_not_plain(resource: Resource, settings: Settings) -> Iterator[str]:
    """Environment variables that are secrets. Their values are never shown."""
    variables = [each for path in ENVIRONMENTS[resource.type] for each in at(resource.properties, path)]
    names = [(name, given) for given in variables for name in given if name not in settings["allowed"]]
    for name, _ in names:
        if SECRET_NAME.search(name):
            yield f"the environment variable {name} is a secret by its name"
    for name, given in names:
        if not SECRET_NAME.search(name) and SECRET_VALUE.search(str(given[name])):
            yield f"the environment variable {name} has the form of a secret"


def cluster_endpoint_private(resource: Resource, _: Settings) -> Iterator[str]:
    """A Kubernetes API that the whole world reaches."""
    if one(resource.properties, "vpcConfig.endpointPublicAccess", True):
        sources = list(at(resource.properties, "vpcConfig.publicAccessCidrs")) or ["0.0.0.0/0"]
        for source in sources:
            if source in WORLD:
                yield f"vpcConfig.endpointPublicAccess is true, and {source} may use it"


def _refuses_plain(statement: Mapping) -> bool:
    insecure = one(statement, "Condition.Bool.aws:SecureTransport")
    return statement.get("Effect") == "Deny" and str(insecure).lower() == "false"


def _listed(actions) -> str:
    return ", ".join(map(str, at(actions, "")))


def _number(port) -> str:
    return f"{port:g}" if isinstance(port, int | float) else "any"


RULES = [
    Rule(
        name="bucket-private",
        severity="critical",
        what="Buckets block public access and have no public ACL.",
        why="AWS blocks public access by default since April 2023, and advises to leave it so.",
        url="https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html",
        remedy="Set all four blocks to true and acl to private, or leave acl out.",
        types=(aws.PUBLIC_ACCESS_BLOCK, *aws.BUCKET_ACLS, *aws.BUCKETS),
        check=bucket_private,
    ),
    Rule(
        name="resource-policy-closed",
        severity="critical",
        what="No resource policy lets everybody in without a condition.",
        why="Policies for any principal ship in samples (awslabs/LISA, vector_store_deployer: es:* for AnyPrincipal).",
        url="https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html",
        remedy="Name the principal, or add a condition such as aws:SourceAccount.",
        types=(aws.PERMISSION, *RESOURCE_POLICIES),
        check=resource_policy_closed,
        waits=FROM_OUTPUTS,
    ),
    Rule(
        name="encrypted-at-rest",
        severity="high",
        what="Volumes, also of nodes, file systems, databases, domains, queues and topics are encrypted.",
        why="These are the services in our neighbourhood that don't encrypt by default, or can be told not to.",
        url="https://docs.aws.amazon.com/wellarchitected/latest/security-pillar/sec_protect_data_rest_encrypt.html",
        remedy="Turn encryption on; most of these are replaced by it, so do it before they hold data.",
        types=(aws.TOPIC, aws.QUEUE, aws.NODE_GROUP, aws.LAUNCH_TEMPLATE, aws.NODE_CLASS, *ENCRYPTED),
        check=encrypted_at_rest,
    ),
    Rule(
        name="tls-only",
        severity="high",
        what="Buckets, domains and listeners refuse requests without TLS.",
        why="S3 and OpenSearch answer plain HTTP unless a policy refuses it.",
        url="https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html",
        remedy="Deny aws:SecureTransport false in the bucket's policy; set enforceHttps; redirect HTTP to HTTPS.",
        types=(*aws.BUCKETS, aws.BUCKET_POLICY, aws.DOMAIN, aws.LISTENER),
        check=tls_only,
        whole_stack=True,
        waits="A bucket's policy is made from its ARN, which no first preview knows; the update decides at its end.",
    ),
    Rule(
        name="iam-not-everything",
        severity="critical",
        what=(
            "No policy allows all actions, or all of a service, on all resources; nor is one of AWS's attached that "
            "does."
        ),
        why=(
            "AmazonSageMakerFullAccess in samples that people deploy "
            "(aws-samples/amazon-eks-machine-learning-with-terraform-and-kubeflow, awslabs/aiops-modules); "
            "Resource * (philschmid/terraform-aws-sagemaker-huggingface)."
        ),
        url="https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html",
        remedy="Name the actions, and the resources that they need.",
        types=tuple({**IDENTITY_POLICIES, **ATTACHED_POLICIES}),
        check=iam_not_everything,
        waits=FROM_OUTPUTS,
    ),
    Rule(
        name="api-authorized",
        severity="critical",
        what="APIs and function URLs ask who calls.",
        why="With NONE, Lambda and API Gateway let everybody in, and every call bills a model.",
        url="https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html",
        remedy="Set AWS_IAM, or an authorizer (`auth` in the stack file).",
        types=(aws.METHOD, aws.ROUTE, aws.FUNCTION_URL),
        check=api_authorized,
    ),
    Rule(
        name="ingress-closed",
        severity="critical",
        what="No security group is open to the world.",
        why="AWS Security Hub reports it as EC2.18 and EC2.19.",
        url="https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html",
        remedy=(
            "Name the addresses or the security group that may connect, or allow the port in `ports` of ingress-closed."
        ),
        types=(aws.SECURITY_GROUP, aws.SECURITY_GROUP_RULE, aws.SECURITY_GROUP_INGRESS),
        check=ingress_closed,
        settings={"ports": Setting("ports that may be open to the world", [], [])},
    ),
    Rule(
        name="secrets-not-plain",
        severity="critical",
        what="Environment variables hold no secrets.",
        why=(
            "Hugging Face tokens as variables and on command lines (philschmid/terraform-aws-sagemaker-huggingface, "
            "aws-samples/amazon-eks-machine-learning-with-terraform-and-kubeflow); who may describe a function reads "
            "them."
        ),
        url="https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html",
        remedy="Keep it in Secrets Manager and give the variable its ARN, with a name that ends in _ARN.",
        types=tuple(ENVIRONMENTS),
        check=secrets_not_plain,
        settings={"allowed": Setting("variables that are no secrets whatever they look like", [], [])},
        waits="Values are often names and ARNs that no first preview knows; the update decides before they are set.",
    ),
    Rule(
        name="cluster-endpoint-private",
        severity="high",
        levels=Levels(ADVISORY, MANDATORY),
        what="The API of an EKS cluster is not open to the world.",
        why="By default it is, to every address.",
        url="https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html",
        remedy="Set endpointPublicAccess to false, or publicAccessCidrs to your addresses.",
        types=(aws.CLUSTER,),
        check=cluster_endpoint_private,
    ),
]
