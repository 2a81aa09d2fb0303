"""Network of a cluster: private subnets, one way out, S3 without it."""

import ipaddress
from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import ec2, vpc

from ..foundation.outputs import register
from ..foundation.region import region_for
from ..foundation.tags import Tags


class ClusterNetworkArgs(TypedDict):
    """Arguments of `ClusterNetwork`."""

    cidr: str
    """IPv4 block, /16 to /17 for three zones."""
    zones: list[str]
    """Availability zones, two or three."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class ClusterNetwork(pulumi.ComponentResource):
    """VPC with a private subnet in each zone, one NAT gateway, and a gateway endpoint for S3.

    Creates the VPC, a private subnet a zone, a public one for the NAT gateway with its address, the internet gateway,
    route tables, and the endpoint, by which data sets, checkpoints and models don't pass the NAT gateway. Where the
    NAT gateway's zone fails, nodes of the others have no way out: images aren't pulled, what runs goes on.

    Idle cost: the NAT gateway, $0.045 an hour ($32.85 a month) and $0.045 a GB, and its address, $0.005 an hour ($3.65;
    us-east-1).
    """

    vpc_id: pulumi.Output[str]
    """Id of the VPC."""

    def __init__(self, name: str, args: ClusterNetworkArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:ClusterNetwork", name, {}, opts)
        child, tags = pulumi.ResourceOptions(parent=self), args.get("tags") or {}

        def named(suffix: str) -> Tags:
            return {**tags, "Name": f"{name}-{suffix}" if suffix else name}

        network = ec2.Vpc(
            name,
            cidr_block=args["cidr"],
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=named(""),
            opts=child,
        )
        gateway = ec2.InternetGateway(f"{name}-internet", vpc_id=network.id, tags=named("internet"), opts=child)
        public_block, private_blocks = blocks(args["cidr"], len(args["zones"]))
        public = ec2.Subnet(
            f"{name}-public",
            vpc_id=network.id,
            cidr_block=public_block,
            availability_zone=args["zones"][0],
            tags=named("public"),
            opts=child,
        )
        outside = ec2.RouteTable(f"{name}-public", vpc_id=network.id, tags=named("public"), opts=child)
        # Routes of their own, not in the table: the gateway endpoint writes into the tables too.
        route = ec2.Route(
            f"{name}-public",
            route_table_id=outside.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=child,
        )
        ec2.RouteTableAssociation(f"{name}-public", subnet_id=public.id, route_table_id=outside.id, opts=child)
        address = ec2.Eip(
            f"{name}-nat",
            domain="vpc",
            tags=named("nat"),
            # An address is released only once it has no way to the internet left.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway]),
        )
        nat = ec2.NatGateway(
            f"{name}-nat",
            allocation_id=address.id,
            subnet_id=public.id,
            tags=named("nat"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[route]),
        )
        inside = ec2.RouteTable(f"{name}-private", vpc_id=network.id, tags=named("private"), opts=child)
        ec2.Route(
            f"{name}-private",
            route_table_id=inside.id,
            destination_cidr_block="0.0.0.0/0",
            nat_gateway_id=nat.id,
            opts=child,
        )
        self.subnets: dict[str, pulumi.Output[str]] = {}
        for zone, block in zip(args["zones"], private_blocks, strict=True):
            subnet = ec2.Subnet(
                f"{name}-{zone}",
                vpc_id=network.id,
                cidr_block=block,
                availability_zone=zone,
                tags={**named(zone), "kubernetes.io/role/internal-elb": "1"},
                opts=child,
            )
            ec2.RouteTableAssociation(f"{name}-{zone}", subnet_id=subnet.id, route_table_id=inside.id, opts=child)
            self.subnets[zone] = subnet.id
        region = region_for(self)
        ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=network.id,
            service_name=pulumi.Output.format("com.amazonaws.{0}.s3", region),
            vpc_endpoint_type="Gateway",
            route_table_ids=[inside.id],
            tags=named("s3"),
            opts=child,
        )
        self.vpc_id = network.id
        register(self)


def blocks(cidr: str, zones: int) -> tuple[str, list[str]]:
    """The block of the public subnet, a /24, and those of the private ones: a quarter of the network each."""
    quarters = list(ipaddress.IPv4Network(cidr).subnets(prefixlen_diff=2))
    public = next(quarters[3].subnets(new_prefix=max(24, quarters[3].prefixlen)))
    return str(public), [str(each) for each in quarters[:zones]]


def adapter_group(
    name: str, subnet: pulumi.Input[str], tags: Tags, parent: pulumi.Resource
) -> tuple[ec2.SecurityGroup, list[pulumi.Resource]]:
    """A security group for nodes with the Elastic Fabric Adapter that lets all through to itself, and its rules.

    Both ways are said, since the adapter's traffic has no other way (EC2 User Guide, "Get started with EFA").
    """
    child, invoke = pulumi.ResourceOptions(parent=parent), pulumi.InvokeOutputOptions(parent=parent)
    group = ec2.SecurityGroup(
        name,
        vpc_id=ec2.get_subnet_output(id=subnet, opts=invoke).vpc_id,
        description="Nodes with the Elastic Fabric Adapter, among themselves",
        tags=tags,
        opts=child,
    )
    rules: list[pulumi.Resource] = [
        rule(
            name,
            security_group_id=group.id,
            referenced_security_group_id=group.id,
            ip_protocol="-1",
            tags=tags,
            opts=child,
        )
        for rule in (vpc.SecurityGroupIngressRule, vpc.SecurityGroupEgressRule)
    ]
    return group, rules
