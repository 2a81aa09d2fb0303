"""OpenSearch domain as the vector store: instances that are always running."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pulumi
import pulumi_aws as aws
from pulumi_aws import opensearch
from tandem_contract.checks import Checks
from tandem_contract.fields import Field

from ...foundation.alarms import Comparison, alarm
from ...foundation.names import named, physical_name
from ...foundation.policy import allow
from ...foundation.retention import holding_data
from ..ledger import Ledger
from .base import Grant, Permission, VectorStore, VectorStoreArgs

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
# Action and path of the requests that `tandem.rag.stores.opensearch` makes, by what they are for.
REQUESTS = {
    Permission.READ: ("es:ESHttpPost", "*/_search"),
    Permission.WRITE: ("es:ESHttpPost", "*/_bulk"),
    Permission.CREATE_INDEX: ("es:ESHttpPut", "*"),
}


def check(checks: Checks, args: Mapping[str, Any]) -> None:
    """Whether the instances take the disk."""
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


def watches(instances: int, gigabytes: int) -> Iterator[Watch]:
    """The alarms of a domain of so many instances with disks of so many GB.

    They are those of AWS's list that can ring here (OpenSearch Service guide, "Recommended CloudWatch alarms", read
    2026-11-30): there are no dedicated masters, no warm nodes and no key of one's own, and a handful of shards; that
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


class DomainVectorStoreArgs(VectorStoreArgs):
    """Arguments of `DomainVectorStore`."""

    store_instance: str
    """OpenSearch instance type."""
    store_instances: int
    """How many; from two on they are spread over zones, three at most."""
    store_gigabytes: int
    """Disk of each instance (gp3)."""


class DomainVectorStore(VectorStore):
    """OpenSearch domain and its first index.

    Creates the domain, which takes AWS 15 to 30 minutes, the alarms that AWS recommends for it, and a function that
    runs once a deployment and ensures that the index of this embedder, dimension and chunking exists, as for
    `ServerlessVectorStore`.

    The endpoint is reachable from the internet, by TLS 1.2 with forward secrecy or better, and every request must be
    signed by a role whose own policy allows it: there is no resource policy, and none is needed in the same account
    (AWS document `ac`, "When policies collide"). Encryption at rest is with AWS's own key, and between nodes by TLS.
    AWS updates the service's software itself, at night.

    Idle cost: instances and disks, all month. One r7g.medium.search with 20 GB is 730 hours of $0.089 and 20 GB of
    $0.122, $67.41; in its memory are about 900,000 chunks of 512 dimensions (OpenSearch documentation, "Memory
    estimation": 1.1 x (4 x dimensions + 8 x 16) bytes a vector, in a quarter of 8 GB). Nine alarms cost $0.90, and from
    two instances on there is a tenth.
    """

    domain_arn: pulumi.Output[str]
    """ARN of the domain."""

    def __init__(
        self, name: str, ledger: Ledger, args: DomainVectorStoreArgs, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("tandem:index:DomainVectorStore", name, {}, opts)
        cluster: opensearch.DomainClusterConfigArgsDict = {
            "instance_type": args["store_instance"],
            "instance_count": args["store_instances"],
        }
        if args["store_instances"] > 1:
            cluster["zone_awareness_enabled"] = True
            cluster["zone_awareness_config"] = {"availability_zone_count": min(args["store_instances"], 3)}
        domain = opensearch.Domain(
            f"{name}-domain",
            domain_name=physical_name(name, 28),
            engine_version=ENGINE,
            cluster_config=cluster,
            ebs_options={"ebs_enabled": True, "volume_type": "gp3", "volume_size": args["store_gigabytes"]},
            encrypt_at_rest={"enabled": True},
            node_to_node_encryption={"enabled": True},
            domain_endpoint_options={"enforce_https": True, "tls_security_policy": "Policy-Min-TLS-1-2-PFS-2023-10"},
            off_peak_window_options={"enabled": True},
            software_update_options={"auto_software_update_enabled": True},
            tags=args.get("tags"),
            opts=pulumi.ResourceOptions.merge(named(self, "domain_name"), holding_data(self, args["retention"])),
        )
        self.domain_arn = domain.arn
        # AWS names the host alone, a stand-in of AWS the URL.
        self.endpoint = domain.endpoint.apply(lambda host: host if "://" in host else f"https://{host}")
        self.index_name = self._ensured_index(name, ledger, args, "es")
        account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=self)).account_id
        for watch in watches(args["store_instances"], args["store_gigabytes"]):
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
                topic_arn=args.get("alarm_topic_arn"),
                tags=args.get("tags"),
                parent=self,
            )
        self.register_outputs({"domainArn": self.domain_arn, "endpoint": self.endpoint, "indexName": self.index_name})

    def grant(self, *permissions: Permission) -> Grant:
        """The requests that a role may make: a domain in the same account asks IAM alone."""
        requests = [REQUESTS[permission] for permission in permissions]
        return Grant([allow([action], pulumi.Output.concat(self.domain_arn, "/", path)) for action, path in requests])
