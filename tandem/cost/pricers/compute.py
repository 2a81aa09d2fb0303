"""Instances, groups of them, and volumes."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, PLACE, Inputs
from ..model import Number, Resource
from ..prices import NoPrice
from .inputs import count, number, text

SERVICE = "AmazonEC2"
SUBNET, TEMPLATE = "aws:ec2/subnet:Subnet", "aws:ec2/launchTemplate:LaunchTemplate"
ON_DEMAND = "on-demand"
# What gp3 includes, whatever its size.
IOPS, THROUGHPUT = 3000, 125
# Metrics of an instance under detailed monitoring, at the price of one's own (as Infracost counts them, instance.go).
DETAILED_METRICS = 7


def instance(resource: Resource, bill: Bill) -> None:
    """An on-demand Linux instance with its volumes, detailed monitoring and public address."""
    template = template_of(resource)
    if template is None and resource.shown("launchTemplate") is not None:
        bill.not_priced("what its launch template says, which isn't in this preview", Number.IDLE)

    def said(path: str, in_template: str) -> Any:
        own = resource.get(path)
        return template.get(in_template) if own is None and template else own

    holder = template if template and resource.get("instanceType") is None else resource
    kind = text(holder, "instanceType")
    market = said("instanceMarketOptions.marketType", "instanceMarketOptions.marketType")
    tenancy = tenancy_of(said("tenancy", "placement.tenancy"), resource.references.get("subnetId", ()))
    charge_instances(bill, kind, Decimal(1), str(market or ON_DEMAND), tenancy, f"{kind}, Linux", kind)
    charge_monitoring(bill, said("monitoring", "monitoring.enabled"), Decimal(1))
    if resource.shown("networkInterfaces") is None and resource.shown("primaryNetworkInterface") is None:
        given = said("associatePublicIpAddress", "networkInterfaces.0.associatePublicIpAddress")
        if addresses(given, resource.references.get("subnetId", ()), Decimal(1), bill) is None:
            bill.not_priced(
                "a public IPv4 address, which its subnet may give it: set associatePublicIpAddress", Number.IDLE
            )
    _volumes(resource, template, bill)


def _volumes(resource: Resource, template: Resource | None, bill: Bill) -> None:
    root = resource.get("rootBlockDevice.volumeSize") is not None
    others = count(resource, "ebsBlockDevices")
    if root:
        charge_volume(resource, bill, "rootBlockDevice.", "volumeType", "volumeSize", default="")
    for index in range(others):
        charge_volume(resource, bill, f"ebsBlockDevices.{index}.", "volumeType", "volumeSize")
    if template and count(template, "blockDeviceMappings"):
        if root or others:
            bill.not_priced("the volumes of its launch template, those that its own don't replace", Number.IDLE)
        else:
            template_volumes(template, bill)
    elif not root:
        bill.not_priced("the root volume: its size is that of the image")


def group(resource: Resource, bill: Bill) -> None:
    """The instances of a group that run now: `desiredCapacity` of them, `minSize` where it isn't set."""
    least = number(resource, "minSize", 0)
    now = max(least, number(resource, "desiredCapacity", least))
    if resource.shown("warmPool") is not None:
        bill.not_priced("the warm pool: instances that run beside it, or the volumes of stopped ones", Number.IDLE)
    if now == 0:
        bill.free("no instance runs while there is no work (minSize and desiredCapacity are 0)")
        return
    if resource.shown("mixedInstancesPolicy") is not None or resource.get("desiredCapacityType", "units") != "units":
        bill.not_priced(f"a capacity of {now:f}, of several types or of spot (mixedInstancesPolicy)", Number.IDLE)
        return
    template = template_of(resource)
    if template is None:
        bill.not_priced(f"{now:f} instances whose launch template isn't in this preview", Number.IDLE)
        return
    if least < now:
        bill.note(f"{now:f} instances now (desiredCapacity), {least:f} at the floor (minSize)")
    kind, subnets = text(template, "instanceType"), resource.references.get("vpcZoneIdentifiers", ())
    market = str(template.get("instanceMarketOptions.marketType", ON_DEMAND))
    tenancy = tenancy_of(template.get("placement.tenancy"), subnets)
    charge_instances(bill, kind, now, market, tenancy, f"{now:f} x {kind}, Linux", f"{now:f} instances")
    charge_monitoring(bill, template.get("monitoring.enabled"), now)
    given = template.get("networkInterfaces.0.associatePublicIpAddress")
    if addresses(given, subnets, now, bill) is None:
        bill.not_priced("public IPv4 addresses, which their subnets may give them", Number.IDLE)
    if count(template, "blockDeviceMappings"):
        template_volumes(template, bill, now)
    else:
        bill.not_priced("the instances' volumes: their size is that of the image", Number.IDLE)


def template_of(resource: Resource) -> Resource | None:
    """The launch template that it is made from, where the preview has it."""
    return resource.source("launchTemplate", TEMPLATE)


def tenancy_of(given: Any, subnets: Iterable[Resource]) -> str:
    """The tenancy of what is launched: its own, or that of its network."""
    networks = (network for subnet in subnets for network in subnet.references.get("vpcId", ()))
    of_network = (network.get("instanceTenancy") for network in networks)
    return str(given or next((tenancy for tenancy in of_network if tenancy), None) or "default")


def charge_instances(
    bill: Bill, kind: str, instances: Decimal, market: str, tenancy: str, what: str, them: str
) -> None:
    """Charge hours of Linux on shared hardware on demand; of any other `market` or `tenancy` they are NOT PRICED.

    `what` is what the charge is called, `them` how a reason speaks of them.
    """
    if market == "spot":
        try:
            most = f": at most ${instances * bill.table.price(SERVICE, f'ondemand:{kind}').usd} an hour, on demand"
        except NoPrice:
            most = ""
        bill.not_priced(f"{them} on spot, whose price changes by the minute{most}", Number.IDLE)
    elif market != ON_DEMAND:
        bill.not_priced(f"{them} of a capacity block, which is paid in advance", Number.IDLE)
    elif tenancy != "default":
        bill.not_priced(f"{them} of tenancy {tenancy}: there are rows for shared hardware only", Number.IDLE)
    else:
        bill.hours(what, SERVICE, f"ondemand:{kind}", instances)


def charge_monitoring(bill: Bill, given: Any, instances: Decimal) -> None:
    """Charge the metrics of detailed monitoring, where it is on."""
    if is_on(given):
        metrics = DETAILED_METRICS * instances
        bill.charge(
            Number.IDLE, f"{metrics:f} metrics of detailed monitoring", "AmazonCloudWatch", "metric:custom", metrics
        )


def addresses(given: Any, subnets: Iterable[Resource], instances: Decimal, bill: Bill) -> bool | None:
    """Charge a public address for each instance if they get one; None: the preview doesn't say whether they do."""
    subnets = tuple(subnets)
    if given is None and any(subnet.shown("mapPublicIpOnLaunch") not in (None, True, False) for subnet in subnets):
        return None
    wanted = {is_on(given)} if given is not None else {is_on(subnet.shown("mapPublicIpOnLaunch")) for subnet in subnets}
    if len(wanted) != 1 or any(subnet.type != SUBNET for subnet in subnets if given is None):
        return None
    if found := wanted.pop():
        bill.hours("public IPv4 address", "AmazonVPC", "ipv4:hours", instances)
    return found


def is_on(value: Any) -> bool:
    """Whether a switch is on; launch templates have texts for some of theirs."""
    return str(value).lower() == "true"


def template_volumes(template: Resource, bill: Bill, times: Decimal | int = 1) -> None:
    """Charge the volumes of a launch template, `times` each."""
    for index in range(count(template, "blockDeviceMappings")):
        at = f"blockDeviceMappings.{index}.ebs."
        charge_volume(template, bill, at, "volumeType", "volumeSize", times, default="")


def volume(resource: Resource, bill: Bill) -> None:
    """An EBS volume."""
    charge_volume(resource, bill, "", "type", "size")


def charge_volume(
    resource: Resource, bill: Bill, at: str, type_: str, size: str, times: Decimal | int = 1, default: str = "gp2"
) -> None:
    """Charge `times` an EBS volume whose inputs begin with `at`; `type_` and `size` are what two of them are called.

    `default` is its type where none is given, EC2's; empty for one that may be the image's (`rootBlockDevice`).
    """
    kind = text(resource, at + type_, default)
    if not kind:
        given = number(resource, at + size)
        bill.not_priced(f"a volume of {given:f} GB, whose type is that of the image: {type_} isn't set", Number.IDLE)
        return
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
    "aws:autoscaling/group:Group": group,
    "aws:ebs/volume:Volume": volume,
}

_IMAGE = "an image that isn't Linux, or has a price of its vendor, bills more by the hour"
_RESERVED = "what a capacity reservation covers bills with the reservation"
_CREDITS = "an instance of the T family that is unlimited bills the credits that it uses beyond its own"
_SNAPSHOTS = "snapshots bill by what they hold"
_FILLING = "filling a volume at a set rate bills once, by the GB"
_LAUNCH = "how an instance starts, stops and is reached costs nothing"
_PROCESSOR = "other processor options don't change the price of an instance"

INPUTS: dict[str, Inputs] = {
    "aws:ec2/instance:Instance": Inputs(
        """instanceType tenancy monitoring associatePublicIpAddress launchTemplate.* instanceMarketOptions.marketType
        networkInterfaces.* primaryNetworkInterface.*
        rootBlockDevice.volumeSize rootBlockDevice.volumeType rootBlockDevice.iops rootBlockDevice.throughput
        ebsBlockDevices[].volumeSize ebsBlockDevices[].volumeType ebsBlockDevices[].iops
        ebsBlockDevices[].throughput""",
        {
            NAMES: "volumeTags.* ebsBlockDevices[].tags.* ebsBlockDevices[].tagsAll.* rootBlockDevice.tags.* "
            "rootBlockDevice.tagsAll.* ebsBlockDevices[].deviceName rootBlockDevice.deviceName",
            PLACE: """availabilityZone subnetId securityGroups[] vpcSecurityGroupIds[] sourceDestCheck placementGroup
            placementGroupId placementPartitionNumber privateDnsNameOptions.* privateIp secondaryPrivateIps[]
            ipv6AddressCount ipv6Addresses[] enablePrimaryIpv6 secondaryNetworkInterfaces.*""",
            ACCESS: """iamInstanceProfile keyName getPasswordData metadataOptions.* enclaveOptions.*
            ebsBlockDevices[].encrypted ebsBlockDevices[].kmsKeyId rootBlockDevice.encrypted
            rootBlockDevice.kmsKeyId""",
            LIFE: """disableApiStop disableApiTermination forceDestroy instanceInitiatedShutdownBehavior
            ebsBlockDevices[].deleteOnTermination rootBlockDevice.deleteOnTermination ebsBlockDevices[].volumeId
            rootBlockDevice.volumeId maintenanceOptions.* userDataReplaceOnChange""",
            _LAUNCH: "userData userDataBase64 hibernation ephemeralBlockDevices.* ebsBlockDevices[].snapshotId",
            _PROCESSOR: "cpuOptions.*",
            "a limit of what spot may cost": "instanceMarketOptions.spotOptions.*",
        },
        {
            _IMAGE: "ami",
            _RESERVED: "capacityReservationSpecification.*",
            _CREDITS: "creditSpecification.*",
            "types of before 2014 bill it by the hour": "ebsOptimized",
            "a host of one's own bills where it is": "hostId hostResourceGroupArn",
        },
    ),
    "aws:autoscaling/group:Group": Inputs(
        "minSize desiredCapacity desiredCapacityType mixedInstancesPolicy.* warmPool.*",
        {
            NAMES: "name namePrefix context",
            PLACE: """availabilityZones[] availabilityZoneDistribution.* vpcZoneIdentifiers[] loadBalancers[]
            targetGroupArns[] trafficSources.* placementGroup""",
            ACCESS: "serviceLinkedRoleArn",
            LIFE: """capacityRebalance forceDelete forceDeleteWarmPool ignoreFailedScalingActivities
            initialLifecycleHooks.* instanceLifecyclePolicy.* instanceMaintenancePolicy.* instanceRefresh.*
            maxInstanceLifetime protectFromScaleIn suspendedProcesses[] terminationPolicies[] waitForCapacityTimeout
            waitForElbCapacity minElbCapacity""",
            BEHAVIOUR: "defaultCooldown defaultInstanceWarmup healthCheckGracePeriod healthCheckType",
            "a limit: what is scaled within it bills by the hour": "maxSize",
            "metrics of a group cost nothing": "enabledMetrics[] metricsGranularity",
            "what is launched from it is priced where the preview has it": "launchTemplate.id launchTemplate.name "
            "launchConfiguration",
        },
        {
            _RESERVED: "capacityReservationSpecification.*",
            "the template is taken as it is here: another version of it may differ": "launchTemplate.version",
        },
    ),
    TEMPLATE: Inputs(
        """instanceType placement.tenancy monitoring.enabled networkInterfaces[].associatePublicIpAddress
        instanceMarketOptions.marketType blockDeviceMappings[].ebs.volumeSize blockDeviceMappings[].ebs.volumeType
        blockDeviceMappings[].ebs.iops blockDeviceMappings[].ebs.throughput""",
        {
            NAMES: "name namePrefix description tagSpecifications.* blockDeviceMappings[].deviceName",
            PLACE: """networkInterfaces.* secondaryInterfaces.* networkPerformanceOptions.* privateDnsNameOptions.*
            securityGroupNames[] vpcSecurityGroupIds[] placement.affinity placement.availabilityZone placement.groupId
            placement.groupName placement.partitionNumber placement.spreadDomain""",
            ACCESS: """iamInstanceProfile.* keyName metadataOptions.* enclaveOptions.*
            blockDeviceMappings[].ebs.encrypted blockDeviceMappings[].ebs.kmsKeyId""",
            LIFE: """defaultVersion updateDefaultVersion disableApiStop disableApiTermination
            instanceInitiatedShutdownBehavior maintenanceOptions.* blockDeviceMappings[].ebs.deleteOnTermination""",
            _LAUNCH: """userData hibernationOptions.* kernelId ramDiskId blockDeviceMappings[].noDevice
            blockDeviceMappings[].virtualName blockDeviceMappings[].ebs.snapshotId""",
            _PROCESSOR: "cpuOptions.*",
            "a limit of what spot may cost": "instanceMarketOptions.spotOptions.*",
            "a group whose type they choose among has none, which is NOT PRICED": "instanceRequirements.*",
        },
        {
            _IMAGE: "imageId licenseSpecifications.*",
            _RESERVED: "capacityReservationSpecification.*",
            _CREDITS: "creditSpecification.*",
            "types of before 2014 bill it by the hour": "ebsOptimized",
            "a host of one's own bills where it is": "placement.hostId placement.hostResourceGroupArn",
            _FILLING: "blockDeviceMappings[].ebs.volumeInitializationRate",
        },
    ),
    SUBNET: Inputs(
        "mapPublicIpOnLaunch",
        {
            PLACE: """vpcId availabilityZone availabilityZoneId cidrBlock ipv6CidrBlock ipv6Native ipv6NetmaskLength
            ipv4NetmaskLength assignIpv6AddressOnCreation enableDns64 enableLniAtDeviceIndex outpostArn
            enableResourceNameDnsARecordOnLaunch enableResourceNameDnsAaaaRecordOnLaunch customerOwnedIpv4Pool
            privateDnsHostnameTypeOnLaunch mapCustomerOwnedIpOnLaunch""",
        },
        {"a pool of IPAM's advanced tier bills by the address": "ipv4IpamPoolId ipv6IpamPoolId"},
    ),
    "aws:ec2/vpc:Vpc": Inputs(
        "instanceTenancy",
        {
            PLACE: """cidrBlock ipv4NetmaskLength ipv6CidrBlock ipv6CidrBlockNetworkBorderGroup ipv6NetmaskLength
            assignGeneratedIpv6CidrBlock enableDnsHostnames enableDnsSupport enableNetworkAddressUsageMetrics""",
        },
        {"a pool of IPAM's advanced tier bills by the address": "ipv4IpamPoolId ipv6IpamPoolId"},
    ),
    "aws:ebs/volume:Volume": Inputs(
        "size type iops throughput",
        {PLACE: "availabilityZone", ACCESS: "encrypted kmsKeyId", BEHAVIOUR: "multiAttachEnabled snapshotId"},
        {
            _SNAPSHOTS: "finalSnapshot",
            "volumes of an outpost have prices of their own": "outpostArn",
            _FILLING: "volumeInitializationRate",
        },
    ),
}
