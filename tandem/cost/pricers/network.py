"""Gateways, addresses, endpoints, load balancers."""

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, PLACE, Inputs
from ..model import Number, Resource
from .inputs import count, text

SERVICE = "AmazonVPC"


def nat_gateway(resource: Resource, bill: Bill) -> None:
    """A NAT gateway bills by the hour, and by the GB, which isn't counted."""
    bill.hours("NAT gateway", "AmazonEC2", "nat:hours")
    if resource.get("availabilityMode", "zonal") != "zonal":
        # Its usage has names of its own in the price list, of which no dated source has the prices.
        zones = count(resource, "availabilityZoneAddresses")
        which = (
            f"of {zones} zones" if zones else "of those that the network grows into, and the addresses that AWS adds"
        )
        bill.not_priced(f"a regional NAT gateway bills in each zone that it is in: the second and more {which}")
    data = bill.table.price("AmazonEC2", "nat:data")
    bill.note(f"a NAT gateway for each zone multiplies this; each GB through it bills ${data.usd} more")


def address(_: Resource, bill: Bill) -> None:
    """A public IPv4 address bills whether in use or not."""
    bill.hours("public IPv4 address", SERVICE, "ipv4:hours")


def endpoint(resource: Resource, bill: Bill) -> None:
    """An interface endpoint bills by the hour in each of its subnets' zones."""
    kind = resource.get("vpcEndpointType", "Gateway")
    if kind == "Gateway":
        bill.free("gateway endpoints cost nothing")
    elif kind != "Interface":
        bill.not_priced(f"an endpoint of type {kind}")
    elif zones := count(resource, "subnetIds") or count(resource, "subnetConfigurations"):
        bill.hours(f"interface endpoint in {zones} zones", SERVICE, "endpoint:hours", zones)
        data = bill.table.price(SERVICE, "endpoint:data")
        bill.note(f"each GB through it bills ${data.usd} more")
    else:
        bill.not_priced("an interface endpoint whose subnets are associated elsewhere")


BALANCERS = {"application": ("alb:hours", "alb:lcu"), "network": ("nlb:hours", "nlb:lcu")}


def load_balancer(resource: Resource, bill: Bill) -> None:
    """An application or network load balancer, and a public address for each of its subnets."""
    kind = text(resource, "loadBalancerType", "application")
    if kind not in BALANCERS:
        bill.not_priced(
            f"a load balancer of type {kind}: it bills hours and capacity units, for which there are no rows"
        )
        return
    hours, unit = BALANCERS[kind]
    bill.hours(f"{kind} load balancer", "AWSELB", hours)
    bill.note(f"traffic bills ${bill.table.price('AWSELB', unit).usd} for each capacity unit and hour more")
    if reserved := resource.get("minimumLoadBalancerCapacity.capacityUnits"):
        bill.not_priced(f"{reserved} capacity units that are held ready: there is no row for them", Number.IDLE)
    if not resource.get("internal", False) and resource.get("ipAddressType") != "dualstack-without-public-ipv4":
        mappings = range(count(resource, "subnetMappings"))
        given = [at for at in mappings if resource.shown(f"subnetMappings.{at}.allocationId") is not None]
        if subnets := (count(resource, "subnets") or len(mappings)) - len(given):
            bill.hours(f"public IPv4 addresses in {subnets} subnets", SERVICE, "ipv4:hours", subnets)
        elif not given:
            bill.not_priced("its public IPv4 addresses: its subnets aren't among the inputs")


PRICERS: dict[str, Pricer] = {
    "aws:ec2/natGateway:NatGateway": nat_gateway,
    "aws:ec2/eip:Eip": address,
    "aws:ec2/vpcEndpoint:VpcEndpoint": endpoint,
    "aws:lb/loadBalancer:LoadBalancer": load_balancer,
    "aws:alb/loadBalancer:LoadBalancer": load_balancer,
}

_BROUGHT = "addresses that you bring cost nothing, so this may be too much"
_BALANCER = Inputs(
    """loadBalancerType internal ipAddressType minimumLoadBalancerCapacity.capacityUnits subnets[]
    subnetMappings[].allocationId subnetMappings.*""",
    {
        NAMES: "name namePrefix",
        PLACE: "securityGroups[] customerOwnedIpv4Pool dnsRecordClientRoutingPolicy secondaryIpsAutoAssignedPerSubnet "
        "enablePrefixForIpv6SourceNat enforceSecurityGroupInboundRulesOnPrivateLinkTraffic",
        LIFE: "enableDeletionProtection",
        BEHAVIOUR: """clientKeepAlive desyncMitigationMode dropInvalidHeaderFields enableHttp2 enableWafFailOpen
        idleTimeout enableTlsVersionAndCipherSuiteHeaders enableXffClientPort enableZonalShift preserveHostHeader
        xffHeaderProcessingMode enableCrossZoneLoadBalancing""",
    },
    {
        "its logs bill as storage of their bucket": "accessLogs.* connectionLogs.* healthCheckLogs.*",
        _BROUGHT: "ipamPools.*",
    },
)
INPUTS: dict[str, Inputs] = {
    "aws:ec2/natGateway:NatGateway": Inputs(
        "availabilityMode availabilityZoneAddresses.*",
        {
            PLACE: "subnetId vpcId privateIp secondaryPrivateIpAddressCount secondaryPrivateIpAddresses[]",
            "its addresses bill where they are made": "allocationId secondaryAllocationIds[]",
            "a private one bills the same": "connectivityType",
        },
    ),
    "aws:ec2/eip:Eip": Inputs(
        free={PLACE: "associateWithPrivateIp domain instance networkBorderGroup networkInterface"},
        ignored={
            _BROUGHT: "address customerOwnedIpv4Pool ipamPoolId publicIpv4Pool",
        },
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Inputs(
        "vpcEndpointType subnetIds[] subnetConfigurations.*",
        {
            PLACE: """vpcId serviceName serviceNetworkArn resourceConfigurationArn routeTableIds[] securityGroupIds[]
            ipAddressType privateDnsEnabled dnsOptions.*""",
            ACCESS: "policy autoAccept",
        },
        {"data between regions bills more by the GB": "serviceRegion"},
    ),
    "aws:lb/loadBalancer:LoadBalancer": _BALANCER,
    "aws:alb/loadBalancer:LoadBalancer": _BALANCER,
}
