"""What the account and region say about a cluster before it is made: zones, offers, quotas, versions, subnets."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple, TypeVar

import pulumi
import pulumi_aws as aws
from tandem_contract.checks import Checks, shown
from tandem_contract.instance_types import INSTANCE_TYPES
from tandem_contract.kubernetes_versions import ENDED, EXTENDED, SUPPORT, support_of

from ..foundation.region import invoke_options
from .capacity import Capacity, capacities, pools_of

NO_CONTROL_PLANE = {"use1-az3", "usw1-az2", "cac1-az3"}
"""Zone ids in which EKS takes no subnets (EKS user guide, "Subnet requirements for clusters")."""
QUOTAS = {
    # EC2's quotas by vCPU (Service Quotas, "Running On-Demand ... instances" and "All ... Spot Instance Requests").
    ("g", False): "L-DB2E81BA",
    ("g", True): "L-3819A6DF",
    ("p", False): "L-417A185B",
    ("p4", True): "L-7212CCBC",
    ("p5", True): "L-C4BD4855",
}
SPOT_ROLE = "AWSServiceRoleForEC2Spot"
ANYWHERE = "0.0.0.0/0"
ADDRESSES_A_NODE = 12
"""What the VPC plugin keeps as `cluster_addons` sets it: ten for Pods and two warm ones, the node's own among them."""
CONTROL_PLANE_ADDRESSES = 6
"""That EKS wants free in each subnet (EKS user guide, "Subnet requirements for clusters")."""
Answer = TypeVar("Answer")


class Subnet(NamedTuple):
    """A subnet that is there."""

    zone: str
    free: int


class Existing(NamedTuple):
    """A cluster that is there."""

    endpoint: str
    authority: str
    subnet_ids: list[str]
    security_group_id: str
    version: str
    open: bool
    """Whether its endpoint is reachable from anywhere."""


class Account(NamedTuple):
    """The answers. What nobody answered is None, and isn't checked."""

    zones: list[str]
    """In which EKS has control planes, by name."""
    offers: Mapping[str, set[str]] | None
    """Zones that offer an instance type."""
    quotas: Mapping[str, float | None]
    """vCPUs by quota."""
    support: str | None
    """Of the version of Kubernetes, as in `kubernetes_versions`."""
    spot_role: bool | None
    subnets: Mapping[str, Subnet | None]
    existing: Existing | None


def quota_of(capacity: Capacity) -> str:
    """The code of the quota that counts these nodes; empty where several do, or a reservation holds them."""
    families = {name[:2] if capacity.spot and name[0] == "p" else name[0] for name in capacity.instance_types}
    if capacity.reserved or len(families) > 1:
        return ""
    return QUOTAS[(families.pop(), capacity.spot)]


def ask(args: Mapping[str, Any], opts: pulumi.ResourceOptions | None) -> Account:
    """Ask AWS what these arguments depend on."""
    options = invoke_options(opts)
    wanted = capacities(args)
    types = sorted({name for each in wanted for name in each.instance_types})
    zones = aws.get_availability_zones(
        state="available", filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}], opts=options
    )
    offers = _answer(
        "in which zones instances are offered",
        lambda: aws.ec2.get_instance_type_offerings(
            location_type="availability-zone", filters=[{"name": "instance-type", "values": types}], opts=options
        ),
        when=bool(types),
    )
    codes = sorted({quota_of(each) for each in wanted} - {""})
    roles = _answer(
        "the service-linked role for spot",
        lambda: aws.iam.get_roles(name_regex=SPOT_ROLE, path_prefix="/aws-service-role/", opts=options),
        when=any(each.spot for each in wanted),
    )
    plain = [each for each in args["subnet_ids"] if isinstance(each, str)]
    return Account(
        zones=sorted(
            name for name, id_ in zip(zones.names, zones.zone_ids, strict=True) if id_ not in NO_CONTROL_PLANE
        ),
        offers=None if offers is None else _by_type(offers.instance_types, offers.locations),
        quotas={code: _quota(code, options) for code in codes},
        support=_support(args["versions"]["kubernetes"], options),
        spot_role=None if roles is None else bool(roles.names),
        subnets={each: _subnet(each, options) for each in plain},
        existing=_existing(args["existing_cluster"], options),
    )


def _answer(what: str, question: Callable[[], Answer], *, when: bool = True) -> Answer | None:
    """The answer; None, and a warning, where there is none: who may not ask may still deploy."""
    if not when:
        return None
    try:
        return question()
    except Exception as error:
        pulumi.log.warn(f"Not checked, since AWS doesn't say it here: {what} ({str(error).splitlines()[0]})")
        return None


def _by_type(types: Iterable[str], zones: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, zone in zip(types, zones, strict=True):
        found.setdefault(name, set()).add(zone)
    return found


def _quota(code: str, options: pulumi.InvokeOptions) -> float | None:
    answer = _answer(
        f"the quota {code} of EC2",
        lambda: aws.servicequotas.get_service_quota(service_code="ec2", quota_code=code, opts=options),
    )
    return None if answer is None else answer.value


def _support(version: str, options: pulumi.InvokeOptions) -> str:
    answer = _answer(
        "until when EKS supports a version", lambda: aws.eks.get_cluster_versions(include_all=True, opts=options)
    )
    for each in answer.cluster_versions if answer else ():
        if each.cluster_version == version:
            return each.version_status.lower().partition("_")[0].replace("unsupported", ENDED)
    return support_of(version, date.today())


def _subnet(subnet: str, options: pulumi.InvokeOptions) -> Subnet | None:
    answer = _answer(f"subnet {subnet}", lambda: aws.ec2.get_subnet(id=subnet, opts=options))
    return None if answer is None else Subnet(answer.availability_zone, answer.available_ip_address_count)


def _existing(name: str, options: pulumi.InvokeOptions) -> Existing | None:
    answer = _answer(f"cluster {name}", lambda: aws.eks.get_cluster(name=name, opts=options), when=bool(name))
    if answer is None:
        return None
    network = answer.vpc_config
    return Existing(
        answer.endpoint,
        answer.certificate_authorities[0].data,
        list(network.subnet_ids),
        network.cluster_security_group_id,
        answer.version,
        bool(network.endpoint_public_access) and ANYWHERE in network.public_access_cidrs,
    )


def check_account(checks: Checks, args: Mapping[str, Any], account: Account) -> None:
    """Adds what the account or region can't give."""
    if args["existing_cluster"] and account.existing is None:
        remedy = "Look at its name, its region and your permission `eks:DescribeCluster`."
        checks.add("existing_cluster", f"{shown(args['existing_cluster'])} isn't described by EKS", remedy)
    if not (args["existing_cluster"] or args["existing_kubeconfig"]):
        _check_support(checks, args, account)
        _check_zones(checks, args, account)
        _check_subnets(checks, args, account)
    if args["existing_kubeconfig"]:
        return
    _check_offers(checks, args, account)
    _check_quotas(checks, args, account)
    if account.spot_role is False:
        remedy = "Once in the account: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
        checks.add("spot", f"needs the service-linked role {SPOT_ROLE}, which isn't there", remedy)


def _check_support(checks: Checks, args: Mapping[str, Any], account: Account) -> None:
    version = args["versions"]["kubernetes"]
    newer = [each for each in SUPPORT if support_of(each, date.today()) not in (ENDED, EXTENDED)]
    if account.support == ENDED:
        checks.refuse("versions.kubernetes", version, "a version that EKS supports", f"Take {' or '.join(newer)}.")
    elif account.support == EXTENDED and not args["extended_support"]:
        allowed = "a version in standard support; EKS would upgrade the cluster by itself"
        remedy = f"Take {' or '.join(newer)}, or set `extended_support`, which costs $0.60 an hour instead of $0.10."
        checks.refuse("versions.kubernetes", version, allowed, remedy)


def _check_zones(checks: Checks, args: Mapping[str, Any], account: Account) -> None:
    for zone in args["zones"]:
        if zone not in account.zones:
            allowed = "a zone of this region in which EKS has control planes"
            checks.refuse("zones", zone, allowed, f"Take of {', '.join(account.zones)}.")


def _check_subnets(checks: Checks, args: Mapping[str, Any], account: Account) -> None:
    known = {name: each for name, each in account.subnets.items() if each}
    if not known or len(known) < len(args["subnet_ids"]):
        return
    if len({each.zone for each in known.values()}) < 2:
        checks.add("subnet_ids", "are all in one zone", "EKS wants two zones or more: name a subnet of another too.")
    for name, each in known.items():
        if each.free < CONTROL_PLANE_ADDRESSES:
            remedy = f"EKS wants {CONTROL_PLANE_ADDRESSES} in each: take a larger subnet."
            checks.add("subnet_ids", f"{name} has {each.free} free addresses", remedy)
    nodes = 3 + sum(each.nodes for each in capacities(args))
    needed, free = nodes * ADDRESSES_A_NODE, sum(each.free for each in known.values())
    if free < needed:
        problem = f"have {free} free addresses, and {nodes} nodes at most take {needed}"
        checks.add("subnet_ids", problem, "Name larger subnets, or lower `gpus` and `maximum`.")


def zones_of(args: Mapping[str, Any], account: Account) -> list[str]:
    """The zones that the cluster has subnets in; none where nobody knows."""
    if args["existing_cluster"]:
        return []
    if args["subnet_ids"]:
        return sorted({each.zone for each in account.subnets.values() if each})
    return sorted(args["zones"] or account.zones[:3])


def in_one_zone(pool: Mapping[str, Any], args: Mapping[str, Any], account: Account) -> Mapping[str, Any]:
    """The pool, with `one_zone` in the first of its zones that offers all its types.

    Chosen here, since affinity among a job's Pods would leave it to Karpenter, which may let the first node be in
    either of two zones and start the second in a third (sigs.k8s.io/karpenter 1.14.1, `nextDomainAffinity`).
    """
    if not pool["one_zone"]:
        return pool
    offers = {} if account.offers is None else account.offers
    offered = [offers[name] for name in pool["instance_types"] if name in offers]
    for zone in pool["zones"] or zones_of(args, account):
        if all(zone in each for each in offered):
            return {**pool, "zones": [zone]}
    pulumi.log.warn(f"Pool {pool['name']}: `one_zone` has no zone that is known to offer its types: name it in `zones`")
    return pool


def _check_offers(checks: Checks, args: Mapping[str, Any], account: Account) -> None:
    here = zones_of(args, account)
    for key, places in (("node_groups", args["node_groups"]), ("node_pools", pools_of(args))):
        for number, place in enumerate(places):
            inside = checks.under(f"{key}[{number}]")
            for zone in place["zones"]:
                if here and zone not in here:
                    inside.refuse("zones", zone, "a zone with a subnet of the cluster", f"Take of {', '.join(here)}.")
            wanted = set(place["zones"] or here)
            if account.offers is None or not wanted:
                continue
            for name in place["instance_types"]:
                offered = account.offers.get(name, set())
                if not wanted & offered:
                    where = f"It is offered in {', '.join(sorted(offered))}." if offered else "This region hasn't it."
                    problem = f"{name} is offered in none of its zones ({', '.join(sorted(wanted))})"
                    inside.add("instance_types", problem, f"{where} Take another type, or set `zones`.")


def _check_quotas(checks: Checks, args: Mapping[str, Any], account: Account) -> None:
    """Whether EC2's quotas allow all nodes at once; else jobs that their own quota admits wait for nodes for ever."""
    for code, quota in account.quotas.items():
        counted = [each for each in capacities(args) if quota_of(each) == code]
        needed = sum(each.vcpus for each in counted)
        if quota is not None and needed > quota:
            kind = "spot" if counted[0].spot else "on-demand"
            names = ", ".join(each.name for each in counted)
            families = counted[0].instance_types[0][0].upper()
            least = min(INSTANCE_TYPES[name].vcpus for each in counted for name in each.instance_types)
            request = "aws service-quotas request-service-quota-increase --service-code ec2"
            fewer = "; or have fewer GPUs." if quota >= least else " (not even one node fits)."
            remedy = f"Ask for more: {request} --quota-code {code} --desired-value {needed}{fewer}"
            problem = f"may take {needed} vCPUs of {kind} {families} instances, and the account's quota is {quota:g}"
            checks.add(names, problem, remedy)
