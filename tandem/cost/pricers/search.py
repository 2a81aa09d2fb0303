"""OpenSearch, serverless and domains."""

from ..bill import Bill, Pricer
from ..model import Number, Resource
from .inputs import number, text

SERVICE = "AmazonES"
NEXTGEN = "no dated source has the price of NextGen's compute units"


def collection(resource: Resource, bill: Bill) -> None:
    """A collection in a group scales to zero; one without bills compute units all month (Classic)."""
    if resource.get("collectionGroupName"):
        bill.charge(Number.IDLE, "compute units while idle", SERVICE, "floor:nextgen", 1)
        bill.not_priced(f"compute units while it is asked or written to: {NEXTGEN}", Number.QUERIES)
    else:
        # Half a unit each for indexing and search, and the same again as standby (OpenSearch Service developer guide).
        units = 1 if resource.get("standbyReplicas", "ENABLED") == "DISABLED" else 2
        bill.hours("compute units (Classic), asked or not", SERVICE, "ocu:classic", units)
        bill.note("Classic collections with the same encryption key share compute units: several may cost less")
    bill.counted_with("storage", "index_gigabytes")


def collection_group(resource: Resource, bill: Bill) -> None:
    """The limits of its collections; a minimum above zero bills all month."""
    if resource.get("generation") != "NEXTGEN":
        bill.not_priced("a group of the generation Classic bills compute units all the time: set generation to NEXTGEN")
        return
    least = sum(number(resource, f"capacityLimits.0.min{kind}CapacityInOcu", 0) for kind in ("Indexing", "Search"))
    if least:
        bill.not_priced(f"{least} compute units all month: {NEXTGEN}")
    else:
        bill.free("its collections scale to zero; their compute units are NOT PRICED with them")


def domain(resource: Resource, bill: Bill) -> None:
    """Instances, dedicated masters and their volumes."""
    nodes = number(resource, "clusterConfig.instanceCount", 1)
    kind = text(resource, "clusterConfig.instanceType", "m4.large.search")  # the provider's default
    bill.hours(f"{nodes} x {kind}", SERVICE, f"ondemand:{kind}", nodes)
    if resource.get("clusterConfig.dedicatedMasterEnabled", False):
        masters = number(resource, "clusterConfig.dedicatedMasterCount", 3)
        kind = text(resource, "clusterConfig.dedicatedMasterType")
        bill.hours(f"{masters} x {kind}, masters", SERVICE, f"ondemand:{kind}", masters)
    if resource.get("clusterConfig.warmEnabled", False) or resource.get("clusterConfig.nodeOptions"):
        bill.not_priced("warm, cold and coordinator nodes")
    if resource.get("ebsOptions.ebsEnabled", False):
        size = number(resource, "ebsOptions.volumeSize") * nodes
        volume = text(resource, "ebsOptions.volumeType")
        bill.charge(Number.IDLE, f"{volume} volumes", SERVICE, f"storage:{volume}", size)
        if number(resource, "ebsOptions.iops", 0) > 3000 or number(resource, "ebsOptions.throughput", 0) > 125:
            bill.not_priced("IOPS and throughput of its volumes beyond what is included")


PRICERS: dict[str, Pricer] = {
    "aws:opensearch/serverlessCollection:ServerlessCollection": collection,
    "aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup": collection_group,
    "aws:opensearch/domain:Domain": domain,
}
