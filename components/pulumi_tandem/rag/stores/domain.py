"""OpenSearch domain as the vector store: instances that are always running."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pulumi
import pulumi_aws as aws
from pulumi_aws import opensearch
from tandem_contract.checks import Checks, shown
from tandem_contract.fields import Field

from ...arguments import DomainVectorStoreArgs
from ...foundation.alarms import Comparison, alarm
from ...foundation.arguments import valid
from ...foundation.existing import check_not_ours, check_owner, described, given
from ...foundation.house_rules import under_house_rules
from ...foundation.names import named, physical_name
from ...foundation.outputs import register
from ...foundation.policy import allow
from ...foundation.region import invoke_options
from ...foundation.retention import holding_data
from ...foundation.tags import environment_tags
from ..fields import ALARM_TOPIC
from .base import EVERY_INDEX, Grant, Permission, StoreAccess, VectorStore, indices_of, looking, store_table

FIELDS = {
    "store_instance": Field(
        "r7g.medium.search",
        "OpenSearch instance type of store `domain`. The default has room for some 900,000 chunks of 512 dimensions in "
        "its memory.",
        pattern=r"[a-z0-9]+\.[a-z0-9]+\.search",
        allowed="an OpenSearch instance type",
        remedy="For example r7g.medium.search.",
        cost="The default costs $65 a month.",
    ),
    "store_instances": Field(
        1,
        "How many instances store `domain` has, spread over zones; from three on it stays up when a zone fails.",
        low=1,
        high=9,
        unit="instances",
        remedy="3 stay up when a zone fails.",
    ),
    "store_gigabytes": Field(
        20,
        "Disk of each instance of store `domain`; small instances take less than the most.",
        low=10,
        high=1024,
        unit="GB",
        remedy="20 is the usual start.",
        cost="The default costs $2.44 a month.",
    ),
    "existing_domain": Field(
        "",
        "Name of a domain of your own for store `domain`, reachable from the internet, in place of one that is made. "
        "Indices that begin with the ledger's name are made in it, and no others touched (docs/bring-your-own.md).",
        pattern="[a-z][a-z0-9-]{2,27}",
        allowed="the name of a domain: 3 to 28 small letters, digits and hyphens",
        remedy="`aws opensearch list-domain-names` has them.",
        output=True,
    ),
}
"""What an environment with this store is given besides."""
# OpenSearch Service developer guide, "EBS volume size quotas", read 2026-11-30. What isn't here is AWS's to refuse.
WITHOUT_GP3 = frozenset(
    ("t2", "m3", "m4", "c4", "r3", "r4", "i2", "i3", "i4g", "i4i", "i7i", "i8g", "im4gn", "oi2", "r6gd", "r7gd", "r8gd")
)
"""Families of instances that take no gp3 volume: they have disks of their own, or are older."""
LEAST_GIGABYTES = dict.fromkeys(("or1", "or2", "om2"), 20)
"""Least disk by family, where it isn't ten."""
MOST_GIGABYTES = {
    "t3.small": 100,
    "t3.medium": 200,
    **{f"{family}.large": 256 for family in ("c5", "c6g", "c7g", "c7i", "c8g")},
    **{f"{family}.xlarge": 512 for family in ("c5", "c6g", "c7g", "c7i", "c8g")},
    **{f"{family}.medium": 512 for family in ("m7g", "m8g")},
    **{f"{family}.large": 768 for family in ("m7g", "m7i", "m8g", "om2")},
    **{f"{family}.medium": 768 for family in ("r7g", "r8g", "or1", "or2")},
}
"""Most disk by type, where it is less than the field's."""
ENGINE = "OpenSearch_3.5"
OLDEST = (2, 17)
"""Of an existing domain. What indices are made with is served by 2.17; with older ones nothing was tried."""
# Action, and path behind an index, of the requests that `tandem.rag.stores.opensearch` makes, by what they are for.
REQUESTS = {
    Permission.READ: ("es:ESHttpPost", "/_search"),
    Permission.WRITE: ("es:ESHttpPost", "/_bulk"),
    Permission.CREATE_INDEX: ("es:ESHttpPut", ""),
    Permission.DROP_INDEX: ("es:ESHttpDelete", ""),
}


def check(checks: Checks, args: Mapping[str, Any]) -> None:
    """Whether the instances take the disk, and are to be made."""
    check_not_ours(checks, args, "existing_domain", FIELDS, ("store_instance", "store_instances", "store_gigabytes"))
    if args["store_instance"] is None:
        return
    instance = args["store_instance"].removesuffix(".search")
    family, gigabytes = instance.partition(".")[0], args["store_gigabytes"]
    if family in WITHOUT_GP3:
        remedy = f"For example {FIELDS['store_instance'].default}."
        checks.refuse("store_instance", args["store_instance"], "an instance type that takes gp3 volumes", remedy)
    elif gigabytes is not None:
        low, high = LEAST_GIGABYTES.get(family, 0), MOST_GIGABYTES.get(instance, FIELDS["store_gigabytes"].high)
        if not low <= gigabytes <= (high or gigabytes):
            allowed = f"{low or 10} to {high} GB with {args['store_instance']}"
            checks.refuse("store_gigabytes", gigabytes, allowed, "Choose one of these, or another `store_instance`.")


def look(checks: Checks, args: Mapping[str, Any], opts: pulumi.ResourceOptions | None) -> None:
    """Whether an existing domain is there, can be reached, encrypts, and is nobody else's."""
    name, key = args["existing_domain"], "existing_domain"
    if not given(name):
        return
    found = described(
        checks,
        key,
        name,
        f"domain {name}",
        lambda: opensearch.get_domain(domain_name=name, opts=invoke_options(opts)),
        "es:DescribeDomain, es:DescribeDomainConfig and es:ListTags",
        "engine_version",
        "vpc_options",
        "encryption_at_rests",
        "advanced_security_options",
    )
    if not found:
        return
    version = re.fullmatch(r"OpenSearch_(\d+)\.(\d+)", found.engine_version)
    if not version or (int(version[1]), int(version[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        checks.add(key, f"{shown(name)} is {found.engine_version}", f"Upgrade it to OpenSearch {oldest} or newer.")
    if any(each.subnet_ids for each in found.vpc_options):
        remedy = "The functions run outside of it: take one with a public endpoint."
        checks.add(key, f"{shown(name)} is inside a VPC", remedy)
    if not any(each.enabled for each in found.encryption_at_rests):
        checks.add(
            key, f"{shown(name)} isn't encrypted at rest", "`aws opensearch update-domain-config` can turn it on."
        )
    check_owner(checks, key, name, found.tags)
    if any(each.enabled for each in found.advanced_security_options):
        pulumi.log.warn(
            f"Domain {name} has fine-grained access control, which nobody can look into: map the functions' roles "
            "there, by a pattern of their path, to a role that may do what docs/bring-your-own.md says."
        )


class Watch(NamedTuple):
    """One alarm of a domain."""

    suffix: str
    metric: str
    statistic: str
    comparison: Comparison
    threshold: float
    period_seconds: int
    periods: int
    what: str


AT_LEAST, AT_MOST, BELOW = "GreaterThanOrEqualToThreshold", "LessThanOrEqualToThreshold", "LessThanThreshold"


def watches(instances: int, gigabytes: int, *, own_key: bool = False) -> Iterator[Watch]:
    """The alarms of a domain of so many instances with disks of so many GB, encrypted by a key of one's own or AWS's.

    They are those of AWS's list that can ring here (OpenSearch Service guide, "Recommended CloudWatch alarms", read
    2026-11-30): there are no dedicated masters and no warm nodes, and a handful of shards; that
    requests fail or queue up is what the query API's alarms tell. The k-NN circuit breaker is ours to add: vectors
    beyond its memory are read from disk (same guide, "k-NN metrics").
    """
    full = gigabytes * 1024 / 4
    yield Watch(
        "red", "ClusterStatus.red", "Maximum", AT_LEAST, 1, 60, 1, "chunks can't be read: a primary shard is lost."
    )
    if instances > 1:
        # One instance has no place for a replica, and is yellow all its life.
        yield Watch(
            "yellow",
            "ClusterStatus.yellow",
            "Maximum",
            AT_LEAST,
            1,
            60,
            5,
            "a replica shard has had no place for 5 min.",
        )
    yield Watch(
        "disk", "FreeStorageSpace", "Minimum", AT_MOST, full, 60, 1, "a disk has a quarter left: raise storeGigabytes."
    )
    yield Watch(
        "blocked",
        "ClusterIndexWritesBlocked",
        "Maximum",
        AT_LEAST,
        1,
        300,
        1,
        "writes are refused: disk or memory is full.",
    )
    yield Watch("nodes", "Nodes", "Minimum", BELOW, instances, 86400, 1, "an instance was missing within the last day.")
    yield Watch(
        "snapshot", "AutomatedSnapshotFailure", "Maximum", AT_LEAST, 1, 60, 1, "no snapshot was taken for 36 hours."
    )
    yield Watch("processor", "CPUUtilization", "Maximum", AT_LEAST, 80, 900, 3, "processors have been busy for 45 min.")
    yield Watch("heap", "JVMMemoryPressure", "Maximum", AT_LEAST, 95, 60, 3, "the Java heap is nearly full.")
    yield Watch(
        "old-heap", "OldGenJVMMemoryPressure", "Maximum", AT_LEAST, 80, 60, 3, "the Java heap fills up for good."
    )
    yield Watch(
        "vectors", "KNNCircuitBreakerTriggered", "Maximum", AT_LEAST, 1, 60, 1,
        "vectors have outgrown the memory: take a larger storeInstance.",
    )  # fmt: skip
    if own_key:
        yield Watch("key", "KMSKeyError", "Maximum", AT_LEAST, 1, 60, 1, "its KMS key is disabled.")
        yield Watch(
            "key-gone",
            "KMSKeyInaccessible",
            "Maximum",
            AT_LEAST,
            1,
            60,
            1,
            "its KMS key is deleted, or no longer lets it.",
        )


DOMAIN = store_table("DomainVectorStore", {**FIELDS, "alarm_topic_arn": ALARM_TOPIC}, check)


class DomainAccess(StoreAccess):
    """Access to a domain, which asks IAM alone in the same account: the requests that a role may make."""

    def grant(self, *permissions: Permission) -> Grant:
        requests = [REQUESTS[permission] for permission in permissions]
        indices = pulumi.Output.concat(self.arn, "/", self.indices)
        return Grant([allow([action], pulumi.Output.concat(indices, path)) for action, path in requests])


class DomainVectorStore(VectorStore):
    """OpenSearch domain and its first index.

    Creates the domain, which takes AWS 15 to 30 minutes, the alarms that AWS recommends for it, and a function that
    runs once a deployment and ensures that the index of this embedder, dimension and chunking exists, as for
    `ServerlessVectorStore`.

    The endpoint is reachable from the internet, by TLS 1.2 with forward secrecy or better, and every request must be
    signed by a role whose own policy allows it: there is no resource policy, and none is needed in the same account
    (AWS document `ac`, "When policies collide"). Encryption at rest is with AWS's own key or `kms_key_arn`, and between
    nodes by TLS. AWS updates the service's software itself, at night. Of an existing domain nothing is changed, its
    alarms are its owner's, and functions may do what they do to this ledger's indices alone.

    Idle cost: instances and disks, all month. One r7g.medium.search with 20 GB is 730 hours of $0.089 and 20 GB of
    $0.122, $67.41; in its memory are about 900,000 chunks of 512 dimensions (OpenSearch documentation, "Memory
    estimation": 1.1 x (4 x dimensions + 8 x 16) bytes a vector, in a quarter of 8 GB). Nine alarms cost $0.90, and from
    two instances on there is a tenth.

    Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    def __init__(self, name: str, args: DomainVectorStoreArgs, opts: pulumi.ResourceOptions | None = None):
        """Registers it and all that it is made of under `name`."""
        settings = valid("DomainVectorStore", name, DOMAIN, args, looking(look, opts), opts=opts)
        super().__init__("tandem:index:DomainVectorStore", name, {}, under_house_rules(opts, settings))
        settings["tags"] = environment_tags(name, settings["tags"])
        existing, indices = settings["existing_domain"], EVERY_INDEX
        if existing != "":
            indices = indices_of(settings["ledger_table"])
            here = pulumi.InvokeOutputOptions(parent=self)
            domain = opensearch.get_domain_output(domain_name=existing, opts=here)
        else:
            domain = self._domain(name, settings)
            self._watch(name, domain, settings)
        # AWS names the host alone, a stand-in of AWS the URL.
        self.endpoint = domain.endpoint.apply(lambda host: host if "://" in host else f"https://{host}")
        self._ensured_index(name, settings, DomainAccess(domain.domain_name, domain.arn, indices), "es")
        register(self)

    def _domain(self, name: str, settings: Mapping[str, Any]) -> opensearch.Domain:
        cluster: opensearch.DomainClusterConfigArgsDict = {
            "instance_type": settings["store_instance"],
            "instance_count": settings["store_instances"],
        }
        if settings["store_instances"] > 1:
            cluster["zone_awareness_enabled"] = True
            cluster["zone_awareness_config"] = {"availability_zone_count": min(settings["store_instances"], 3)}
        encryption: opensearch.DomainEncryptAtRestArgsDict = {"enabled": True}
        if key := settings["kms_key_arn"]:
            encryption["kms_key_id"] = key
        return opensearch.Domain(
            f"{name}-domain",
            domain_name=physical_name(name, 28),
            engine_version=ENGINE,
            cluster_config=cluster,
            ebs_options={"ebs_enabled": True, "volume_type": "gp3", "volume_size": settings["store_gigabytes"]},
            encrypt_at_rest=encryption,
            node_to_node_encryption={"enabled": True},
            domain_endpoint_options={"enforce_https": True, "tls_security_policy": "Policy-Min-TLS-1-2-PFS-2023-10"},
            off_peak_window_options={"enabled": True},
            software_update_options={"auto_software_update_enabled": True},
            tags=settings["tags"],
            opts=pulumi.ResourceOptions.merge(named(self, "domain_name"), holding_data(self, settings["retention"])),
        )

    def _watch(self, name: str, domain: opensearch.Domain, settings: Mapping[str, Any]) -> None:
        account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=self)).account_id
        for watch in watches(
            settings["store_instances"], settings["store_gigabytes"], own_key=settings["kms_key_arn"] != ""
        ):
            alarm(
                f"{name}-domain-{watch.suffix}",
                namespace="AWS/ES",
                metric=watch.metric,
                dimensions={"DomainName": domain.domain_name, "ClientId": account},
                statistic=watch.statistic,
                threshold=watch.threshold,
                comparison=watch.comparison,
                period_seconds=watch.period_seconds,
                periods=watch.periods,
                description=f"The OpenSearch domain of {name}: {watch.what}",
                topic_arn=settings["alarm_topic_arn"],
                tags=settings["tags"],
                parent=self,
            )
