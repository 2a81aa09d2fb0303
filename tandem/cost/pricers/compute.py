"""Instances and volumes."""

from decimal import Decimal

from ..bill import Bill, Pricer
from ..model import Number, Resource
from .inputs import count, number, text

SERVICE = "AmazonEC2"
# What gp3 includes, whatever its size.
IOPS, THROUGHPUT = 3000, 125


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
        charge_volume(resource, bill, "rootBlockDevice.", "volumeType", "volumeSize")
    for index in range(count(resource, "ebsBlockDevices")):
        charge_volume(resource, bill, f"ebsBlockDevices.{index}.", "volumeType", "volumeSize")


def volume(resource: Resource, bill: Bill) -> None:
    """An EBS volume."""
    charge_volume(resource, bill, "", "type", "size")


def charge_volume(resource: Resource, bill: Bill, at: str, type_: str, size: str, times: Decimal | int = 1) -> None:
    """Charge `times` an EBS volume whose inputs begin with `at`; `type_` and `size` are what two of them are called."""
    kind = text(resource, at + type_, "gp2")  # EC2's default
    if kind not in ("gp2", "gp3"):
        bill.not_priced(f"a volume of type {kind}: only gp2 and gp3 have rows")
        return

    def charge(what: str, key: str, quantity: Decimal) -> None:
        bill.charge(Number.IDLE, what, SERVICE, f"ebs:{kind}:{key}", quantity * times)

    charge(f"{kind} volume", "storage", number(resource, at + size))
    if kind == "gp3":
        iops, throughput = number(resource, at + "iops", IOPS), number(resource, at + "throughput", THROUGHPUT)
        if iops > IOPS:
            charge("IOPS of the volume", "iops", iops - IOPS)
        if throughput > THROUGHPUT:
            charge("throughput of the volume", "throughput", throughput - THROUGHPUT)


PRICERS: dict[str, Pricer] = {
    "aws:ec2/instance:Instance": instance,
    "aws:ebs/volume:Volume": volume,
}
