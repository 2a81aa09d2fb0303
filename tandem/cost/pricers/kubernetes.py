"""EKS: control planes, node groups, add-ons; and the objects of a cluster that make something bill."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from tandem_contract.instance_types import INSTANCE_TYPES, InstanceType
from tandem_contract.kubernetes_versions import ENDED, STANDARD, SUPPORT, UNKNOWN, support_of

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, PLACE, Inputs
from ..model import Number, Resource
from ..prices import NoPrice, NotPriced
from .compute import (
    SERVICE,
    addresses,
    charge_instances,
    charge_monitoring,
    template_of,
    template_volumes,
    tenancy_of,
)
from .inputs import count, number, quantity, text

EKS = "AmazonEKS"
INSTANCE_TYPE = "node.kubernetes.io/instance-type"
GIB = 1024**3
# What AWS makes itself and gives away; one of the marketplace may have a price.
FREE_ADDONS = (
    "aws-ebs-csi-driver",
    "aws-mountpoint-s3-csi-driver",
    "coredns",
    "eks-node-monitoring-agent",
    "eks-pod-identity-agent",
    "kube-proxy",
    "metrics-server",
    "vpc-cni",
)


def cluster(resource: Resource, bill: Bill) -> None:
    """The control plane, dearer once its version has left standard support."""
    bill.hours("control plane", EKS, "cluster:standard")
    if resource.get("computeConfig.enabled", False):
        bill.not_priced("Auto Mode's nodes and the fee on them")
    if (tier := resource.get("controlPlaneScalingConfig.tier", "standard")) != "standard":
        bill.not_priced(f"a control plane of tier {tier}: there is no row for it", Number.IDLE)
    if resource.get("outpostConfig"):
        bill.not_priced("a control plane on AWS Outposts, whose capacity bills with the outpost", Number.IDLE)
    if resource.get("remoteNetworkConfig"):
        bill.not_priced("hybrid nodes, which bill by vCPU and hour: there is no row for them", Number.IDLE)
    if count(resource, "enabledClusterLogTypes"):
        logs = ", ".join(map(str, resource.get("enabledClusterLogTypes")))
        bill.note(f"its logs ({logs}) bill by the GB that CloudWatch takes in")
    if resource.get("version") is not None:
        _support(text(resource, "version"), resource, bill)


def _support(version: str, resource: Resource, bill: Bill) -> None:
    try:
        support = support_of(version, datetime.now(UTC).date())
    except ValueError as error:
        raise NotPriced(f"version: {error}") from error
    if resource.get("upgradePolicy.supportType") == "STANDARD":
        bill.note(f"AWS upgrades Kubernetes {version} by itself when its standard support ends")
    elif support == UNKNOWN:
        bill.not_priced(f"no row says when the support of Kubernetes {version} ends (docs/prices.md)", Number.IDLE)
    elif support != STANDARD:
        bill.hours("extended support", EKS, "cluster:extended-surcharge")
        bill.note(f"Kubernetes {version} is out of standard support: an upgrade saves the surcharge")
        if support == ENDED:
            bill.note(f"AWS upgrades Kubernetes {version} by itself, to the oldest version in extended support")
    elif version in SUPPORT:
        surcharge = bill.table.price(EKS, "cluster:extended-surcharge")
        until = SUPPORT[version].standard
        bill.note(
            f"Kubernetes {version} leaves standard support on {until}: ${surcharge.usd} an hour more from then on"
        )


def node_group(resource: Resource, bill: Bill) -> None:
    """The nodes that run now. EKS starts `desiredSize` of them, and ends none by itself."""
    if resource.get("warmPoolConfig"):
        bill.not_priced(
            "the warm pool: instances that run beside the nodes, or the volumes of stopped ones", Number.IDLE
        )
    least = number(resource, "scalingConfig.minSize", 0)
    now = max(least, number(resource, "scalingConfig.desiredSize", least))
    if now == 0:
        bill.free("no node runs while there is no work (minSize and desiredSize are 0)")
        return
    if least < now:
        bill.note(
            f"{now:f} nodes now (desiredSize), {least:f} at the floor (minSize): only an autoscaler takes it there"
        )
    template = template_of(resource)
    if count(resource, "instanceTypes"):
        kind = text(resource, "instanceTypes.0")  # of several, EKS takes the first that it gets
    elif template and template.get("instanceType"):
        kind = text(template, "instanceType")
    elif resource.get("launchTemplate"):
        bill.not_priced(f"{now:f} nodes whose type is in a launch template that this preview doesn't have")
        return
    else:
        kind = "t3.medium"  # EKS's default
    _nodes(resource, template, bill, kind, now)
    _volumes(resource, template, bill, now)


def _nodes(resource: Resource, template: Resource | None, bill: Bill, kind: str, nodes: Decimal) -> None:
    subnets = resource.references.get("subnetIds", ())
    tenancy = tenancy_of(template and template.get("placement.tenancy"), subnets)
    market = str(resource.get("capacityType", "ON_DEMAND")).lower().replace("_", "-")
    if str(resource.get("amiType", "")).startswith("WINDOWS"):
        bill.not_priced(f"{nodes:f} nodes of {kind} under Windows: there are rows for Linux only", Number.IDLE)
    else:
        charge_instances(bill, kind, nodes, market, tenancy, f"{nodes:f} x {kind}", f"{nodes:f} nodes")
    charge_monitoring(bill, template and template.get("monitoring.enabled"), nodes)
    given = template and template.get("networkInterfaces.0.associatePublicIpAddress")
    if addresses(given, subnets, nodes, bill) is None and count(resource, "subnetIds"):
        address = bill.table.price("AmazonVPC", "ipv4:hours")
        bill.note(f"where its subnets give nodes a public IPv4 address, each bills ${address.usd} an hour more")


def _volumes(resource: Resource, template: Resource | None, bill: Bill, nodes: Decimal) -> None:
    if template is None:
        given = resource.get("launchTemplate")
        why = "their launch template isn't in this preview" if given else "without a launch template no input says more"
        size = "" if given or resource.get("diskSize") is None else f" of {number(resource, 'diskSize'):f} GB"
        bill.not_priced(f"the nodes' volumes{size}: {why}", Number.IDLE)
    elif not count(template, "blockDeviceMappings"):
        bill.not_priced("the nodes' volumes: their size is that of the image", Number.IDLE)
    else:
        template_volumes(template, bill, nodes)


def addon(resource: Resource, bill: Bill) -> None:
    """An add-on of EKS: AWS's own are free, and one of them sends what CloudWatch bills."""
    name = text(resource, "addonName")
    if name in FREE_ADDONS:
        bill.free("an add-on of AWS: what it runs on bills")
    elif name == "amazon-cloudwatch-observability":
        what = "metrics by the observation and logs by the GB, for each node and Pod"
        bill.not_priced(f"{name}: {what}: there are no rows for them", Number.IDLE)
    else:
        bill.not_priced(f"add-on {name}, which may have a price of its vendor")


def node_pool(resource: Resource, bill: Bill) -> None:
    """A pool of Karpenter's: no node while there is no work, and at most what its limits allow."""
    if replicas := resource.get("spec.replicas"):
        bill.not_priced(f"{replicas} nodes that always run (spec.replicas)", Number.IDLE)
        return
    bill.free("Karpenter runs no node of it while there is no work")
    try:
        most, limits = _ceiling(resource, bill)
    except NoPrice as error:
        bill.note(f"what its nodes may cost at most can't be told: {error}")
    else:
        hourly = most.quantize(Decimal("0.01"), ROUND_CEILING)
        bill.note(f"up to ${hourly} an hour at its limits ({limits}), on demand, without their volumes")


def _ceiling(resource: Resource, bill: Bill) -> tuple[Decimal, str]:
    """US dollars an hour that no mix of its instances can pass: what one limit allows at the dearest rate for it."""
    limits = resource.get("spec.limits", {})
    if not isinstance(limits, Mapping) or not limits:
        raise NotPriced("it has no limits")
    kinds = _instance_types(resource)
    if unknown := [kind for kind in kinds if kind not in INSTANCE_TYPES]:
        raise NotPriced(f"what {', '.join(unknown)} has isn't in tandem_contract/instance_types.py")
    rates = {kind: bill.table.price(SERVICE, f"ondemand:{kind}").usd for kind in kinds}
    bounds = []
    for name, value in limits.items():
        sizes = {kind: _size(INSTANCE_TYPES[kind], name) for kind in kinds}
        if all(sizes.values()):
            bounds.append(quantity(f"spec.limits.{name}", value) * max(rates[kind] / sizes[kind] for kind in kinds))
    if not bounds:
        raise NotPriced(f"none of its limits bounds {', '.join(kinds)}")
    return min(bounds), ", ".join(f"{name} {value}" for name, value in limits.items())


def _instance_types(resource: Resource) -> list[str]:
    for index in range(count(resource, "spec.template.spec.requirements")):
        at = f"spec.template.spec.requirements.{index}"
        if resource.get(f"{at}.key") == INSTANCE_TYPE and resource.get(f"{at}.operator") == "In":
            return [text(resource, f"{at}.values.{place}") for place in range(count(resource, f"{at}.values"))]
    raise NotPriced(f"it names no instance types (a requirement on {INSTANCE_TYPE})")


def _size(kind: InstanceType, limit: str) -> int:
    """How much of a limit one instance uses up; 0 for what it has none of."""
    return {"cpu": kind.vcpus, "memory": kind.memory_gib * GIB, "nvidia.com/gpu": kind.gpus, "nodes": 1}.get(limit, 0)


def service(resource: Resource, bill: Bill) -> None:
    """A service of a cluster, for which a load balancer may be made."""
    spec: Any = resource.get("spec", {})
    if spec.get("type", "ClusterIP") == "LoadBalancer":
        bill.not_priced("the load balancer that is made for it")
    else:
        bill.free("an address inside of the cluster")


def ingress(_: Resource, bill: Bill) -> None:
    """An ingress, for which its controller may make a load balancer."""
    bill.not_priced("the load balancer that its controller may make for it")


def volume_claim(_: Resource, bill: Bill) -> None:
    """A claim, for which a volume is made."""
    bill.not_priced("the volume that its storage class makes for it")


def stateful_set(resource: Resource, bill: Bill) -> None:
    """Pods, and a volume of each where it asks for some."""
    if count(resource, "spec.volumeClaimTemplates"):
        bill.not_priced("the volumes that are made for its Pods")
    else:
        bill.free("its cluster's nodes bill")


PRICERS: dict[str, Pricer] = {
    "aws:eks/cluster:Cluster": cluster,
    "aws:eks/nodeGroup:NodeGroup": node_group,
    "aws:eks/addon:Addon": addon,
    "kubernetes:karpenter.sh/v1:NodePool": node_pool,
    "kubernetes:core/v1:Service": service,
    "kubernetes:core/v1:PersistentVolumeClaim": volume_claim,
    "kubernetes:apps/v1:StatefulSet": stateful_set,
    "kubernetes:networking.k8s.io/v1:Ingress": ingress,
}

INPUTS: dict[str, Inputs] = {
    "aws:eks/cluster:Cluster": Inputs(
        """version upgradePolicy.supportType controlPlaneScalingConfig.tier computeConfig.enabled remoteNetworkConfig.*
        outpostConfig.* enabledClusterLogTypes[]""",
        {
            NAMES: "name",
            PLACE: "vpcConfig.* kubernetesNetworkConfig.*",
            ACCESS: "accessConfig.* roleArn encryptionConfig.*",
            LIFE: "bootstrapSelfManagedAddons defaultAddonsToRemoves[] deletionProtection forceUpdateVersion",
            BEHAVIOUR: """kubeApiServerConfig.* kubeControllerManagerConfig.* kubeSchedulerConfig.* zonalShiftConfig.*
            storageConfig.*""",
            "parts of Auto Mode, which is NOT PRICED": "computeConfig.nodePools[] computeConfig.nodeRoleArn",
        },
    ),
    "aws:eks/nodeGroup:NodeGroup": Inputs(
        """scalingConfig.minSize scalingConfig.desiredSize instanceTypes[] capacityType amiType diskSize
        warmPoolConfig.* launchTemplate.* subnetIds[]""",
        {
            NAMES: "nodeGroupName nodeGroupNamePrefix labels.*",
            PLACE: "clusterName taints.*",
            ACCESS: "nodeRoleArn remoteAccess.*",
            LIFE: "forceUpdateVersion releaseVersion version updateConfig.* nodeRepairConfig.*",
            "a limit: what an autoscaler adds within it bills by the hour": "scalingConfig.maxSize",
        },
        {"the template is taken as it is here: nodes of another version of it may differ": "launchTemplate.version"},
    ),
    "aws:eks/addon:Addon": Inputs(
        "addonName",
        {
            PLACE: "clusterName namespaceConfig.*",
            ACCESS: "podIdentityAssociations.* serviceAccountRoleArn",
            LIFE: "preserve resolveConflictsOnCreate resolveConflictsOnUpdate addonVersion",
            BEHAVIOUR: "configurationValues",
        },
    ),
}
"""Of objects of a cluster nothing is said: their nodes bill, and no class of a provider has all that they may have."""
