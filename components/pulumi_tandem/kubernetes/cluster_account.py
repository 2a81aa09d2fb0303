"""What the account and region say about a cluster before it is made: zones, offers, quotas, versions, subnets."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import pulumi
import pulumi_aws as aws
from tandem_contract.checks import Checks, shown
from tandem_contract.instance_types import INSTANCE_TYPES
from tandem_contract.kubernetes_versions import ENDED, EXTENDED, SUPPORT, support_of

from ..foundation.answers import answer
from ..foundation.region import invoke_options
from .capacity import Capacity, capacities, pools_of
from .existing_cluster import Existing, check_existing, existing_cluster
from .versions import ADDONS, NODE_AGENTS, OBSERVABILITY

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
ADDRESSES_A_NODE = 12
"""What the VPC plugin keeps as `cluster_addons` sets it: ten for Pods and two warm ones, the node's own among them."""
LEAVING = timedelta(days=60)
"""Before a version leaves standard support, from when on that is said."""
CONTROL_PLANE_ADDRESSES = 6
"""That EKS wants free in each subnet (EKS user guide, "Subnet requirements for clusters")."""


class Subnet(NamedTuple):
    """A subnet that is there."""

    zone: str
    free: int


class Account(NamedTuple):
    """The answers. What nobody answered is None, and isn't checked."""

    zones: list[str] | None
    """In which EKS has control planes, by name."""
    offers: Mapping[str, set[str]] | None
    """Zones that offer an instance type."""
    quotas: Mapping[str, float | None]
    """vCPUs by quota."""
    support: str | None
    """Of the version of Kubernetes, as in `kubernetes_versions`."""
    addons: Mapping[str, str]
    """EKS's default version of each add-on for the cluster's version, where none is given."""
    spot_role: bool | None
    subnets: Mapping[str, Subnet | None]
    """Those that nodes are in, as far as their ids are known."""
    existing: Existing | None
    conflict: str
    """The admin who deploys, and has an access entry from EKS; empty where there is none."""


def quota_of(capacity: Capacity) -> str:
    """The code of the quota that counts these nodes; empty where several do, or a reservation holds them."""
    families = {name[:2] if capacity.spot and name[0] == "p" else name[0] for name in capacity.instance_types}
    if capacity.reserved or len(families) > 1:
        return ""
    return QUOTAS[(families.pop(), capacity.spot)]


def ask(args: Mapping[str, Any], cluster: str, opts: pulumi.ResourceOptions | None) -> Account:
    """Ask AWS what these arguments depend on; `cluster` is what the name of a new one begins with."""
    options = invoke_options(opts)
    wanted = capacities(args)
    types = sorted({name for each in wanted for name in each.instance_types})
    zones = answer(
        "which zones there are",
        lambda: aws.get_availability_zones(
            state="available", filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}], opts=options
        ),
        "names",
        "zone_ids",
    )
    offers = answer(
        "in which zones instances are offered",
        lambda: aws.ec2.get_instance_type_offerings(
            location_type="availability-zone", filters=[{"name": "instance-type", "values": types}], opts=options
        ),
        "instance_types",
        "locations",
        when=bool(types),
    )
    codes = sorted({quota_of(each) for each in wanted} - {""})
    roles = answer(
        "the service-linked role for spot",
        lambda: aws.iam.get_roles(name_regex=SPOT_ROLE, path_prefix="/aws-service-role/", opts=options),
        "names",
        when=any(each.spot for each in wanted),
    )
    existing = existing_cluster(args["existing_cluster"], options)
    return Account(
        zones=None
        if zones is None
        else sorted(name for name, id_ in zip(zones.names, zones.zone_ids, strict=True) if id_ not in NO_CONTROL_PLANE),
        offers=None if offers is None else _by_type(offers.instance_types, offers.locations),
        quotas={code: _quota(code, options) for code in codes},
        support=_support(args["versions"]["kubernetes"], options),
        addons=_addons(args, options),
        spot_role=None if roles is None else bool(roles.names),
        subnets={each: _subnet(each, options) for each in subnets_of(args, existing) if isinstance(each, str)},
        existing=existing,
        conflict=_conflict(args["admins"], cluster, options),
    )


def _by_type(types: Iterable[str], zones: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, zone in zip(types, zones, strict=True):
        found.setdefault(name, set()).add(zone)
    return found


def _quota(code: str, options: pulumi.InvokeOptions) -> float | None:
    found = answer(
        f"the quota {code} of EC2",
        lambda: aws.servicequotas.get_service_quota(service_code="ec2", quota_code=code, opts=options),
        "value",
    )
    return None if found is None else found.value


def _support(version: str, options: pulumi.InvokeOptions) -> str:
    found = answer(
        "until when EKS supports a version",
        lambda: aws.eks.get_cluster_versions(include_all=True, opts=options),
        "cluster_versions",
    )
    for each in found.cluster_versions if found else ():
        if each.cluster_version == version:
            return each.version_status.lower().partition("_")[0].replace("unsupported", ENDED)
    return support_of(version, date.today())


def _addons(args: Mapping[str, Any], options: pulumi.InvokeOptions) -> dict[str, str]:
    """EKS upgrades none with the cluster (its guide, "Update existing cluster to new Kubernetes version"): those that
    fall behind block a later upgrade."""
    if args["existing_cluster"] or args["existing_kubeconfig"]:
        return {}
    kubernetes, made = args["versions"]["kubernetes"], (*NODE_AGENTS, *ADDONS, OBSERVABILITY)
    found = {
        name: answer(
            f"the version of {name} for Kubernetes {kubernetes}",
            lambda name=name: aws.eks.get_addon_version(addon_name=name, kubernetes_version=kubernetes, opts=options),
            "version",
        )
        for name in made
        if name not in args["versions"]["addons"] and (name != OBSERVABILITY or args["metrics"] != "none")
    }
    return {name: each.version for name, each in found.items() if each}


def _subnet(subnet: str, options: pulumi.InvokeOptions) -> Subnet | None:
    found = answer(
        f"subnet {subnet}",
        lambda: aws.ec2.get_subnet(id=subnet, opts=options),
        "availability_zone",
        "available_ip_address_count",
    )
    return None if found is None else Subnet(found.availability_zone, found.available_ip_address_count)


def _conflict(admins: Sequence[Any], cluster: str, options: pulumi.InvokeOptions) -> str:
    """The admin who deploys and is about to create the cluster: EKS makes an access entry for them, and a second one
    fails, once the cluster is there after ten minutes."""
    named = [each for each in admins if isinstance(each, str)]
    caller = answer("who deploys", lambda: aws.get_caller_identity(opts=options), "arn", when=bool(named))
    found = [each for each in named if caller and _who(each) == _who(caller.arn)]
    clusters = answer("which clusters there are", lambda: aws.eks.get_clusters(opts=options), "names", when=bool(found))
    if clusters is None or any(each.startswith(f"{cluster}-") for each in clusters.names):
        return ""
    return found[0]


def _who(arn: str) -> tuple[str, str, str]:
    """Account, kind and name; a session is its role, whose path a session's ARN doesn't have."""
    account, _, rest = arn.split(":", 4)[4].partition(":")
    kind, *path = rest.split("/")
    return account, *(("role", path[0]) if kind == "assumed-role" else (kind, path[-1] if path else ""))


def check_account(checks: Checks, args: Mapping[str, Any], account: Account) -> None:
    """Adds what the account or region can't give."""
    if args["existing_cluster"]:
        check_existing(checks, args, account.existing)
    elif not args["existing_kubeconfig"]:
        _check_support(checks, args, account)
        _check_zones(checks, args, account)
        _check_subnets(checks, args, account)
    if account.conflict:
        remedy = "Remove it: who creates the cluster administers it in any case."
        checks.add("admins", f"{shown(account.conflict)} deploys, and gets its access entry from EKS", remedy)
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
    support, today = SUPPORT.get(version), date.today()
    if support and support.standard - LEAVING <= today < support.standard:
        what = "the control plane costs $0.60 an hour instead of $0.10 then"
        if not args["extended_support"]:
            what = f"EKS upgrades the cluster by itself then, and Karpenter {args['versions']['karpenter']} stops"
            what += ", unless it is made for the next version"
        when = f"Kubernetes {version} leaves EKS's standard support on {support.standard}"
        pulumi.log.warn(f"{when}: {what}. Raise `versions` before.")


def _check_zones(checks: Checks, args: Mapping[str, Any], account: Account) -> None:
    if account.zones is None:
        if not (args["zones"] or args["subnet_ids"]):
            checks.missing("zones", "AWS doesn't say which there are: name two or three.")
        return
    for zone in args["zones"]:
        if zone not in account.zones:
            allowed = "a zone of this region in which EKS has control planes"
            checks.refuse("zones", zone, allowed, f"Take of {', '.join(account.zones)}.")


def _check_subnets(checks: Checks, args: Mapping[str, Any], account: Account) -> None:
    known = {name: each for name, each in account.subnets.items() if each}
    if not known or not _all_known(args, account):
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


def subnets_of(args: Mapping[str, Any], existing: Existing | None) -> list[Any]:
    """The subnets that nodes are in, where they are there before: as given, or an existing cluster's."""
    return list(args["subnet_ids"] or (existing.subnet_ids if existing else ()))


def zones_of(args: Mapping[str, Any], account: Account) -> list[str]:
    """The zones in which nodes may be, as far as they are known."""
    if args["subnet_ids"] or args["existing_cluster"]:
        return sorted({each.zone for each in account.subnets.values() if each})
    return sorted(args["zones"] or (account.zones or [])[:3])


def _all_known(args: Mapping[str, Any], account: Account) -> bool:
    """Whether the zone of each subnet is known."""
    return sum(each is not None for each in account.subnets.values()) == len(subnets_of(args, account.existing))


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
    if args["existing_cluster"] and account.existing is None:
        return
    here, all_known = zones_of(args, account), _all_known(args, account)
    for key, places in (("node_groups", args["node_groups"]), ("node_pools", pools_of(args))):
        for number, place in enumerate(places):
            inside = checks.under(f"{key}[{number}]")
            for zone in place["zones"]:
                if here and zone not in here and all_known:
                    inside.refuse("zones", zone, "a zone with a subnet of the cluster", f"Take of {', '.join(here)}.")
                elif not all_known and zone not in here and key == "node_groups":
                    remedy = "Give `subnet_ids` as texts, and yourself the permission `ec2:DescribeSubnets`."
                    inside.add("zones", f"{zone} is in none of the subnets whose zones are known", remedy)
            wanted = set(place["zones"] or (here if all_known else ()))
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
