"""Instances, volumes and Kubernetes."""

from datetime import date

from ..bill import Bill, Pricer
from ..model import Number, Resource
from ..prices import NotPriced
from .inputs import count, number, text

SERVICE = "AmazonEC2"
# What gp3 includes, whatever its size.
IOPS, THROUGHPUT = 3000, 125
# The last day of EKS's standard support (EKS user guide, "Kubernetes versions"); older versions are past it.
STANDARD_SUPPORT = {34: date(2026, 12, 2), 35: date(2027, 3, 27)}


def instance(resource: Resource, bill: Bill) -> None:
    """An on-demand Linux instance with its volumes and public address."""
    if resource.get("instanceMarketOptions.marketType") == "spot":
        bill.not_priced("spot: its price changes by the minute")
    elif resource.get("tenancy", "default") != "default":
        bill.not_priced(f"tenancy {resource.get('tenancy')}")
    else:
        kind = text(resource, "instanceType")
        bill.hours(f"{kind}, Linux", SERVICE, f"ondemand:{kind}")
    if resource.get("associatePublicIpAddress", False):
        bill.hours("public IPv4 address", "AmazonVPC", "ipv4:hours")
    if resource.get("rootBlockDevice.volumeSize") is None:
        bill.not_priced("the root volume: its size is that of the image")
    else:
        _volume(resource, bill, "rootBlockDevice.", "volumeType", "volumeSize")
    for index in range(count(resource, "ebsBlockDevices")):
        _volume(resource, bill, f"ebsBlockDevices.{index}.", "volumeType", "volumeSize")


def volume(resource: Resource, bill: Bill) -> None:
    """An EBS volume."""
    _volume(resource, bill, "", "type", "size")


def _volume(resource: Resource, bill: Bill, at: str, type_: str, size: str) -> None:
    kind = text(resource, at + type_, "gp2")  # EC2's default
    if kind not in ("gp2", "gp3"):
        bill.not_priced(f"a volume of type {kind}: only gp2 and gp3 have rows")
        return
    bill.charge(Number.IDLE, f"{kind} volume", SERVICE, f"ebs:{kind}:storage", number(resource, at + size))
    if kind == "gp3":
        iops, throughput = number(resource, at + "iops", IOPS), number(resource, at + "throughput", THROUGHPUT)
        if iops > IOPS:
            bill.charge(Number.IDLE, "IOPS of the volume", SERVICE, "ebs:gp3:iops", iops - IOPS)
        if throughput > THROUGHPUT:
            extra = throughput - THROUGHPUT
            bill.charge(Number.IDLE, "throughput of the volume", SERVICE, "ebs:gp3:throughput", extra)


def cluster(resource: Resource, bill: Bill) -> None:
    """The control plane, dearer once its version has left standard support."""
    bill.hours("control plane", "AmazonEKS", "cluster:standard")
    if resource.get("computeConfig.enabled", False):
        bill.not_priced("Auto Mode's nodes and the fee on them")
    if resource.get("version") is None:
        return
    version = text(resource, "version")
    try:
        minor = int(version.removeprefix("1."))
    except ValueError as error:
        raise NotPriced(f"version is {version!r}, not one as '1.35'") from error
    left = STANDARD_SUPPORT.get(minor)
    if resource.get("upgradePolicy.supportType") == "STANDARD":
        bill.note(f"AWS upgrades Kubernetes {version} by itself when its standard support ends")
    elif minor < min(STANDARD_SUPPORT) or (left and date.today() > left):
        bill.hours("extended support", "AmazonEKS", "cluster:extended-surcharge")
        bill.note(f"Kubernetes {version} is out of standard support: an upgrade saves the surcharge")
    elif left:
        surcharge = bill.table.price("AmazonEKS", "cluster:extended-surcharge")
        bill.note(f"Kubernetes {version} leaves standard support on {left}: ${surcharge.usd} an hour more from then on")


def node_group(resource: Resource, bill: Bill) -> None:
    """The nodes that always run."""
    least = number(resource, "scalingConfig.minSize", 0)
    if least == 0:
        bill.free("no node runs while there is no work (minSize 0)")
    elif resource.get("capacityType", "ON_DEMAND") != "ON_DEMAND":
        bill.not_priced(f"{least} nodes on spot: its price changes by the minute")
    elif count(resource, "instanceTypes") == 0 and resource.get("launchTemplate"):
        bill.not_priced(f"{least} nodes whose type is in a launch template")
    else:
        kind = text(resource, "instanceTypes.0", "t3.medium")  # EKS's default; of several it takes the first it gets
        bill.hours(f"{least} x {kind}", SERVICE, f"ondemand:{kind}", least)
        bill.not_priced("the nodes' volumes: their type isn't among the inputs")


PRICERS: dict[str, Pricer] = {
    "aws:ec2/instance:Instance": instance,
    "aws:ebs/volume:Volume": volume,
    "aws:eks/cluster:Cluster": cluster,
    "aws:eks/nodeGroup:NodeGroup": node_group,
}
