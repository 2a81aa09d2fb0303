"""Rules against open doors."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import resource_types as aws
from .documents import parsed, refuses_plain_requests
from .levels import ADVISORY, MANDATORY, Levels
from .networks import world
from .rules import Findings, Properties, Resource, Rule, Setting, Settings, at, has, one
from .workloads import TEMPLATES, containers

ENCRYPTED = {  # what has to be true; the rest of what our stacks make is encrypted by default
    "aws:docdb/cluster:Cluster": ("storageEncrypted",),
    "aws:ebs/volume:Volume": ("encrypted",),
    aws.FILE_SYSTEM: ("encrypted",),
    "aws:elasticache/replicationGroup:ReplicationGroup": ("atRestEncryptionEnabled",),
    "aws:neptune/cluster:Cluster": ("storageEncrypted",),
    "aws:rds/cluster:Cluster": ("storageEncrypted",),
    "aws:rds/instance:Instance": ("storageEncrypted",),
    aws.DOMAIN: ("encryptAtRest.enabled", "nodeToNodeEncryption.enabled"),
}
PUBLIC = {  # settings that put something on the internet: path, and the value that does
    "aws:docdb/clusterInstance:ClusterInstance": ("publiclyAccessible", True),
    "aws:ec2/amiLaunchPermission:AmiLaunchPermission": ("group", "all"),
    "aws:mq/broker:Broker": ("publiclyAccessible", True),
    "aws:neptune/clusterInstance:ClusterInstance": ("publiclyAccessible", True),
    "aws:rds/clusterInstance:ClusterInstance": ("publiclyAccessible", True),
    "aws:rds/instance:Instance": ("publiclyAccessible", True),
    "aws:redshift/cluster:Cluster": ("publiclyAccessible", True),
}
OLD_TLS = re.compile(r"Min-TLS-1-[01]|Policy-(2015|2016)|TLS-1-[01]-|FS-2018|FS-1-1|TLS13-1-[01]-|^TLS_1_[01]$")
RANGES = ("cidrBlocks", "ipv6CidrBlocks", "cidrIpv4", "cidrIpv6", "cidrBlock", "ipv6CidrBlock")
PREFIXES = {  # ranges by the name of a list, which rules of groups may have in place of ranges
    "aws:ec2/managedPrefixList:ManagedPrefixList": "entries.cidr",
    "aws:ec2/managedPrefixListEntry:ManagedPrefixListEntry": "cidr",
}
SHELLS = (22, 3389)
FIRST_FOR_ANSWERS = 1024
"""A list has no memory: what comes back to ports from here up has to be let in, to the last."""
ENVIRONMENTS = {  # mappings of variables, or lists of names and values
    aws.FUNCTION: ("environment.variables",),
    "aws:apprunner/service:Service": (
        "sourceConfiguration.imageRepository.imageConfiguration.runtimeEnvironmentVariables",
    ),
    "aws:codebuild/project:Project": ("environment.environmentVariables",),
    "aws:sagemaker/model:Model": ("primaryContainer.environment", "containers.environment"),
}
DEFINITIONS = {  # the same in JSON text
    "aws:ecs/taskDefinition:TaskDefinition": ("containerDefinitions", "environment"),
    "aws:batch/jobDefinition:JobDefinition": ("containerProperties", "environment"),
}
SECRET_NAME = re.compile(
    r"(^|_)(password|passwd|pwd|passphrase|secret|token|api_?key|access_?key|private_?key|credential)s?(_value)?$",
    re.IGNORECASE,
)
SECRET_VALUE = re.compile(
    r"^((AKIA|ASIA)[0-9A-Z]{16}|hf_\w{20,}|sk-[\w-]{20,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|xox[abp]-.+)$"
    r"|-----BEGIN .*PRIVATE KEY|^\w[\w+.-]*://[^/\s:@]*:[^/\s@]+@|^https://hooks\.slack\.com/services/.+"
)
NO_SECRET = re.compile(  # whatever the name says: where it lies, a number, a switch, nothing
    r"|[\d.]+|true|false|none|null|arn:[\w-]+:.*|\.{0,2}/.*|\{\{resolve:.*|\$\{?\w.*|(file|s3|https?)://[^@]*",
    re.IGNORECASE,
)


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


def not_public(resource: Resource, _: Settings) -> Findings:
    """Settings that put something on the internet."""
    path, opens = PUBLIC[resource.type]
    if one(resource.properties, path) == opens:
        yield f"{path} is {str(opens).lower()}"


def tls_only(resource: Resource, _: Settings) -> Findings:
    """What answers without TLS, or with an old one."""
    properties = resource.properties
    if resource.type in (*aws.BUCKETS, aws.BUCKET_POLICY):
        if resource.type in aws.BUCKETS and resource.referrers((aws.BUCKET_POLICY, "bucket")):
            return  # which is looked at by itself
        if not has(properties, "policy"):
            yield "the bucket has no policy that refuses requests without TLS"
        elif not refuses_plain_requests(properties.get("policy")):
            yield 'no statement denies to everybody everything that comes with "aws:SecureTransport": "false"'
        return
    if resource.type == aws.DOMAIN:
        if one(properties, "domainEndpointOptions.enforceHttps") is not True:
            yield "domainEndpointOptions.enforceHttps is not true"
        path = "domainEndpointOptions.tlsSecurityPolicy"
    elif resource.type == aws.LISTENER:
        if properties.get("protocol", "HTTP") == "HTTP" and not any(map(_to_tls, at(properties, "defaultActions"))):
            yield "protocol is HTTP, and requests aren't redirected to HTTPS"
        path = "sslPolicy"
    else:
        path = "securityPolicy"
    if OLD_TLS.search(str(policy := one(properties, path, ""))):
        yield f"{path} is {policy}, which takes TLS 1.0 or 1.1"


def ingress_closed(resource: Resource, settings: Settings) -> Findings:
    """Ports that the whole world reaches."""
    properties = resource.properties
    if resource.type in (aws.NETWORK_ACL, aws.DEFAULT_NETWORK_ACL):
        yield from (_let_in(rule, rule.get("action")) for rule in at(properties, "ingress"))
    elif resource.type == aws.NETWORK_ACL_RULE:
        if not properties.get("egress"):
            yield _let_in(properties, properties.get("ruleAction"))
    elif resource.type in (aws.SECURITY_GROUP, aws.DEFAULT_SECURITY_GROUP):
        yield from (_reached(rule, settings) for rule in at(properties, "ingress"))
        if resource.type == aws.DEFAULT_SECURITY_GROUP:
            for direction in ("ingress", "egress"):
                if next(at(properties, direction), None) is not None:
                    yield f"the default group, which is of all who name none, has rules of {direction}"
    elif resource.type in PREFIXES:
        for source in world(str(each) for each in at(properties, PREFIXES[resource.type])):
            yield f"{source} is in the list, and with it in whatever names the list"
    elif resource.type == aws.SECURITY_GROUP_INGRESS or properties.get("type") == "ingress":
        yield from _reached(properties, settings)


def secrets_not_plain(resource: Resource, settings: Settings) -> Findings:
    """Environment variables that are secrets. Their values are never shown."""
    for given in _environments(resource):
        if isinstance(given, Mapping):
            yield from (_secret(name, given, name, settings) for name in given)
        else:
            yield from (_secret(each.get("name"), each, "value", settings) for each in at(given, ""))


def cluster_endpoint_private(resource: Resource, _: Settings) -> Findings:
    """A Kubernetes API that the whole world reaches."""
    if one(resource.properties, "vpcConfig.endpointPublicAccess", True):
        for source in world(list(at(resource.properties, "vpcConfig.publicAccessCidrs")) or ["0.0.0.0/0"]):
            yield f"vpcConfig.endpointPublicAccess is true, and {source} may use it"


def _to_tls(action: Properties) -> bool:
    return action.get("type") == "redirect" and one(action, "redirect.protocol", "HTTPS") != "HTTP"


def _reached(rule: Properties, settings: Settings) -> Iterator[str]:
    first, last = rule.get("fromPort"), rule.get("toPort")
    if first == last and first in settings["ports"]:
        return
    for source in world(str(each) for key in RANGES for each in at(rule, key)):
        yield f"{source} reaches ports {_number(first)} to {_number(last)}"


def _let_in(rule: Properties, action: Any) -> Iterator[str]:
    if action != "allow":
        return
    for source in world(str(each) for key in RANGES for each in at(rule, key)):
        first, last = (one(rule, key, 0) for key in ("fromPort", "toPort"))
        every = str(rule.get("protocol")).lower() in ("-1", "all")
        answers = first >= FIRST_FOR_ANSWERS and last == 65535
        if every or (any(first <= port <= last for port in SHELLS) and not answers):
            yield f"the list lets {source} in to {'all ports' if every else f'ports {first:g} to {last:g}'}"


def _environments(resource: Resource) -> Iterator[Any]:
    for path in ENVIRONMENTS.get(resource.type, ()):
        yield from _whole(resource.properties, path)
    if resource.type in DEFINITIONS:
        text, path = DEFINITIONS[resource.type]
        for definition in at(parsed(resource.properties.get(text)), ""):
            yield from _whole(definition, path)
    for container in containers(resource):
        yield from _whole(container, "env")


def _whole(value: Any, path: str) -> Iterator[Any]:
    """What there is at a path, as `at`, but a list at its end in one piece."""
    head, _, last = path.rpartition(".")
    for each in at(value, head):
        if isinstance(each, Mapping) and each.get(last) is not None:
            yield each[last]


def _secret(name: str, given: Mapping, key: str, settings: Settings) -> Iterator[str]:
    if name in settings["allowed"] or not has(given, key):
        return
    by_name = SECRET_NAME.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(name)))
    value = str(given[key])
    if by_name and not NO_SECRET.fullmatch(value):
        yield f"the environment variable {name} is a secret by its name"
    elif SECRET_VALUE.search(value):
        yield f"the environment variable {name} has the form of a secret"


def _number(port) -> str:
    return f"{port:g}" if isinstance(port, int | float) else "any"


RULES = [
    Rule(
        name="encrypted-at-rest",
        controls=("EC2.3", "OpenSearch.1", "OpenSearch.3", "SNS.1", "SQS.1"),
        severity="high",
        what="Volumes, also of nodes, file systems, databases, domains, queues and topics are encrypted.",
        why="These are the services in our neighbourhood that don't encrypt by default, or can be told not to.",
        url="https://docs.aws.amazon.com/wellarchitected/latest/security-pillar/sec_protect_data_rest_encrypt.html",
        remedy="Turn encryption on; most of these are replaced by it, so do it before they hold data.",
        types=(aws.TOPIC, aws.QUEUE, aws.NODE_GROUP, aws.LAUNCH_TEMPLATE, aws.NODE_CLASS, *ENCRYPTED),
        check=encrypted_at_rest,
    ),
    Rule(
        name="not-public",
        severity="critical",
        what="Databases, brokers and machine images are not on the internet.",
        why="One setting puts them there; AWS Security Hub reports it for each service.",
        url="https://docs.aws.amazon.com/securityhub/latest/userguide/rds-controls.html",
        remedy="Turn it off, and reach it from within the network.",
        types=tuple(PUBLIC),
        check=not_public,
    ),
    Rule(
        name="tls-only",
        controls=("OpenSearch.8", "S3.5"),
        severity="high",
        what="Buckets, domains and listeners refuse requests without TLS, and TLS before 1.2.",
        why="S3 and OpenSearch answer plain HTTP unless a policy refuses it.",
        url="https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html",
        remedy=(
            "Deny s3:* on the bucket and its objects to everybody where aws:SecureTransport is false; set "
            "enforceHttps; redirect HTTP to HTTPS; take a policy from TLS 1.2 on."
        ),
        types=(*aws.BUCKETS, aws.BUCKET_POLICY, aws.DOMAIN, aws.LISTENER, "aws:apigateway/domainName:DomainName"),
        check=tls_only,
        whole_stack=True,
        waits="A bucket's policy is made from its ARN, which no first preview knows; the update decides at its end.",
    ),
    Rule(
        name="ingress-closed",
        controls=("EC2.2", "EC2.13", "EC2.14", "EC2.18", "EC2.19", "EC2.21"),
        severity="critical",
        what=(
            "No security group is open to the world, be it in two halves or by a list of prefixes, no network list to "
            "shells, and the default group has no rules."
        ),
        why="AWS Security Hub reports it as EC2.2, EC2.13, EC2.18, EC2.19 and EC2.21.",
        url="https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html",
        remedy=(
            "Name the addresses or the security group that may connect, or allow the port in `ports` of ingress-closed."
        ),
        types=(
            aws.SECURITY_GROUP,
            aws.SECURITY_GROUP_RULE,
            aws.SECURITY_GROUP_INGRESS,
            aws.DEFAULT_SECURITY_GROUP,
            aws.NETWORK_ACL,
            aws.NETWORK_ACL_RULE,
            aws.DEFAULT_NETWORK_ACL,
            *PREFIXES,
        ),
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
        types=(*ENVIRONMENTS, *DEFINITIONS, *TEMPLATES),
        check=secrets_not_plain,
        settings={"allowed": Setting("variables that are no secrets whatever they look like", [], [])},
        waits="Values are often names and ARNs that no first preview knows; the update decides before they are set.",
    ),
    Rule(
        name="cluster-endpoint-private",
        controls=("EKS.1",),
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
