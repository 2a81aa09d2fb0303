"""Rules on EKS clusters, their node groups and Karpenter's pools."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from tandem_contract.kubernetes_versions import ENDED, EXTENDED, SUPPORT, UNKNOWN, support_of

from . import resource_types as aws
from .levels import ADVISORY, MANDATORY, Levels
from .rules import Findings, Resource, Rule, Setting, Settings, at, one, pool_instances

GPU = "nvidia.com/gpu"
WITH_GPUS = re.compile(r"(g|gr|p)\d")


def cluster_access_entries(resource: Resource, _: Settings) -> Iterator[str]:
    """Doors beside the access entries."""
    mode = one(resource.properties, "accessConfig.authenticationMode", "CONFIG_MAP")
    if mode != "API":
        yield f"accessConfig.authenticationMode is {mode}: the ConfigMap aws-auth lets people in as well"


def cluster_admins_told(resource: Resource, _: Settings) -> Findings:
    """Who has the whole cluster."""
    if str(resource.properties.get("policyArn")).endswith("/AmazonEKSClusterAdminPolicy"):
        yield "AmazonEKSClusterAdminPolicy is associated"


def cluster_secrets_encrypted(resource: Resource, _: Settings) -> Iterator[str]:
    """Secrets under AWS's key alone."""
    if "secrets" not in at(resource.properties, "encryptionConfig.resources"):
        yield "encryptionConfig doesn't name secrets"


def cluster_audited(resource: Resource, _: Settings) -> Iterator[str]:
    """Nobody can tell who did what."""
    if "audit" not in at(resource.properties, "enabledClusterLogTypes"):
        yield "enabledClusterLogTypes has no audit"


def cluster_version_supported(resource: Resource, _: Settings) -> Iterator[str]:
    """A version that is past standard support."""
    version = resource.properties.get("version")
    if version is None:
        return  # EKS takes its own default, which is in support
    try:
        support = support_of(str(version), datetime.now(UTC).date())
    except ValueError as error:
        yield f"version: {error}"
        return
    if support == UNKNOWN:
        yield f"Kubernetes {version} is newer than the table of support, whose newest version has left it"
    elif support == ENDED:
        yield f"Kubernetes {version} is past all support: EKS creates no cluster of it, and upgrades those that are"
    elif support == EXTENDED:
        since = SUPPORT[version].standard
        yield f"Kubernetes {version} is in extended support since {since}, at $0.60 an hour instead of $0.10"


def node_metadata_locked(resource: Resource, _: Settings) -> Iterator[str]:
    """Nodes whose role any Pod on them can take."""
    karpenter = resource.type == aws.NODE_CLASS  # without a value it asks for tokens, and allows one hop
    path = "spec.metadataOptions" if karpenter else "metadataOptions"
    if one(resource.properties, f"{path}.httpEndpoint") == "disabled":
        return
    tokens = one(resource.properties, f"{path}.httpTokens", "required" if karpenter else None)
    if tokens != "required":
        yield f"{path}.httpTokens is {tokens or 'not set'}"
    hops = one(resource.properties, f"{path}.httpPutResponseHopLimit", 1 if karpenter else None)
    if hops is None:
        yield f"{path}.httpPutResponseHopLimit is not set, and many images set 2"
    elif hops > 1:
        yield f"{path}.httpPutResponseHopLimit is {hops:g}: Pods reach it"


def node_group_bounded(resource: Resource, settings: Settings) -> Iterator[str]:
    """Groups that can grow without a limit that anybody chose."""
    path = "scalingConfig.maxSize" if resource.type == aws.NODE_GROUP else "maxSize"
    most = one(resource.properties, path)
    if most is None:
        yield f"{path} is not set"
    elif most > settings["maxNodes"]:
        yield f"{path} is {most:g}, and {settings['maxNodes']:g} are the most"


def node_pool_limited(resource: Resource, settings: Settings) -> Iterator[str]:
    """Pools that buy whatever Pods ask for."""
    limits = one(resource.properties, "spec.limits", {})
    if not _has_gpus(resource):
        if not any(limits.get(name) for name in ("cpu", "memory", "nodes")):
            yield "spec.limits has no cpu, memory or nodes"
        return
    gpus = limits.get(GPU)
    if gpus is None:
        yield f"spec.limits has no {GPU}"
    elif not str(gpus).isdecimal():
        yield f"spec.limits.{GPU} is {gpus}, not a whole number"
    elif int(gpus) > settings["maxGpus"]:
        yield f"spec.limits.{GPU} is {gpus}, and {settings['maxGpus']:g} are the most"


def node_pool_when_empty(resource: Resource, _: Settings) -> Iterator[str]:
    """GPU nodes that are taken from under a Pod, or never given back."""
    if not _has_gpus(resource):
        return
    policy = one(resource.properties, "spec.disruption.consolidationPolicy", "WhenEmptyOrUnderutilized")
    if policy != "WhenEmpty":
        yield f"spec.disruption.consolidationPolicy is {policy}, which counts processors and memory, not GPUs"
    if one(resource.properties, "spec.disruption.consolidateAfter") == "Never":
        yield "spec.disruption.consolidateAfter is Never: nodes on which nothing runs bill on"


def _has_gpus(pool: Resource) -> bool:
    """Whether a pool is for nodes with GPUs: by its instances, its taints or its limits."""
    limits = one(pool.properties, "spec.limits", {})
    taints = at(pool.properties, "spec.template.spec.taints.key")
    kinds = pool_instances(pool) or []
    return (
        any(WITH_GPUS.match(kind) for kind in kinds) or GPU in taints or (isinstance(limits, Mapping) and GPU in limits)
    )


RULES = [
    Rule(
        name="cluster-access-entries",
        severity="high",
        what="An EKS cluster lets in by access entries alone.",
        why=(
            "The ConfigMap aws-auth is a text that no preview shows and whose mistake locks everybody out; EKS advises "
            "access entries."
        ),
        url="https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html",
        remedy='Set accessConfig.authenticationMode to "API", and give each role an access entry.',
        types=(aws.CLUSTER,),
        check=cluster_access_entries,
    ),
    Rule(
        name="cluster-admins-told",
        severity="medium",
        levels=Levels(ADVISORY, ADVISORY),  # somebody has to be: that it is so is for the reviewer to see
        what="Who is made administrator of a whole EKS cluster is told.",
        why="It is every permission in it, also to read all secrets.",
        url="https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html",
        remedy="Associate a policy for less, or with namespaces, where that is enough.",
        types=("aws:eks/accessPolicyAssociation:AccessPolicyAssociation",),
        check=cluster_admins_told,
    ),
    Rule(
        name="cluster-secrets-encrypted",
        controls=("EKS.3",),
        severity="high",
        what="The secrets of an EKS cluster are encrypted with a key of one's own.",
        why="AWS Security Hub reports it as EKS.3. It can be turned on later, and never off.",
        url="https://docs.aws.amazon.com/eks/latest/userguide/enable-kms.html",
        remedy="Set encryptionConfig with resources [secrets] and a key.",
        types=(aws.CLUSTER,),
        check=cluster_secrets_encrypted,
    ),
    Rule(
        name="cluster-audited",
        controls=("EKS.8",),
        severity="medium",
        levels=Levels(ADVISORY, MANDATORY),
        what="The API of an EKS cluster writes an audit log.",
        why="AWS Security Hub reports it as EKS.8; by default a cluster writes none.",
        url="https://docs.aws.amazon.com/eks/latest/userguide/control-plane-logs.html",
        remedy="Add audit to enabledClusterLogTypes.",
        types=(aws.CLUSTER,),
        check=cluster_audited,
    ),
    Rule(
        name="cluster-version-supported",
        controls=("EKS.2",),
        severity="high",
        # A production cluster that has to wait for its upgrade pays, and goes on being deployed.
        levels=Levels(MANDATORY, ADVISORY),
        what="The Kubernetes of an EKS cluster is in standard support.",
        why="AWS Security Hub reports it as EKS.2. Extended support makes a control plane $438 a month instead of $73.",
        url="https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html",
        remedy="Upgrade it by one minor version at a time.",
        types=(aws.CLUSTER,),
        check=cluster_version_supported,
    ),
    Rule(
        name="node-metadata-locked",
        severity="high",
        what="Pods can't reach the metadata of the node that they run on: it asks for tokens, and allows one hop.",
        why="With it, any Pod has the node's role; the EKS best practices name it first.",
        url="https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html",
        remedy="Set httpTokens to required and httpPutResponseHopLimit to 1 in metadataOptions.",
        types=(aws.LAUNCH_TEMPLATE, aws.NODE_CLASS),
        check=node_metadata_locked,
    ),
    Rule(
        name="node-group-bounded",
        severity="high",
        what="Node groups have a largest size that somebody chose.",
        why="Fifty nodes of an allowed instance cost as much as one that isn't; GPU nodes that were never terminated "
        "(aws/karpenter-provider-aws#2737).",
        url="https://docs.aws.amazon.com/eks/latest/APIReference/API_NodegroupScalingConfig.html",
        remedy="Set the largest size, or raise `maxNodes` of node-group-bounded in a policy pack configuration.",
        types=(aws.NODE_GROUP, aws.SCALING_GROUP),
        check=node_group_bounded,
        settings={"maxNodes": Setting("the largest size of a group", 4, 16)},
    ),
    Rule(
        name="node-pool-limited",
        severity="high",
        what="A Karpenter pool has limits: of GPUs where it has some, else of processors, memory or nodes.",
        why="Without, Karpenter buys whatever Pods ask for, and a loop that makes Pods buys nodes.",
        url="https://karpenter.sh/docs/concepts/nodepools/#speclimits",
        remedy="Set spec.limits, or raise `maxGpus` of node-pool-limited in a policy pack configuration.",
        types=(aws.NODE_POOL,),
        check=node_pool_limited,
        settings={"maxGpus": Setting("the highest limit of GPUs", 8, 128)},
    ),
    Rule(
        name="node-pool-when-empty",
        severity="high",
        what="A Karpenter pool with GPUs ends nodes when they are empty, and only then.",
        why=(
            "By default Karpenter also moves Pods off nodes that look underused, and doesn't count GPUs: training is "
            "lost (defilantech/LLMKube#658)."
        ),
        url="https://karpenter.sh/docs/concepts/disruption/#consolidation",
        remedy="Set spec.disruption.consolidationPolicy to WhenEmpty, and consolidateAfter to some minutes.",
        types=(aws.NODE_POOL,),
        check=node_pool_when_empty,
    ),
]
