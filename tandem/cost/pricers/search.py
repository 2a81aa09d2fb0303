"""OpenSearch, serverless and domains."""

from datetime import UTC, date, datetime

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, PLACE, Inputs
from ..model import Number, Resource
from .inputs import number, text

SERVICE = "AmazonES"
NEXTGEN = "no dated source has the price of NextGen's compute units"

# endoflife.date, amazon-opensearch at 2eaab05 and amazon-elasticsearch as of 2026-09-01, after the service's guide
# (what-is.html, "choosing-version"); awslabs/aws-service-eol-data of 2026-09-13 has the same for those that ended.
STANDARD_SUPPORT: dict[str, date | None] = {
    f"{engine}_{version}": until
    for engine, versions, until in (
        ("Elasticsearch", "1.5 2.3 5.1 5.3 5.5 5.6 6.0 6.2 6.3 6.4 6.5 6.7 7.1 7.4 7.7 7.8", date(2025, 11, 7)),
        ("Elasticsearch", "6.8", None),
        ("Elasticsearch", "7.9 7.10", date(2027, 11, 7)),
        ("OpenSearch", "1.0 1.1 1.2 2.3 2.5 2.7 2.9", date(2025, 11, 7)),
        ("OpenSearch", "1.3 2.11 2.13 2.15 2.17 2.19 3.1 3.2 3.3", None),
    )
    for version in versions.split()
}
"""Version of an engine -> the day on which its standard support ends and extended support begins to bill; None: none
was announced."""


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
    if resource.get("vectorOptions.0.serverlessVectorAcceleration", "DISABLED") != "DISABLED":
        bill.not_priced("acceleration of vectors, whose compute units bill while an index is built", Number.IDLE)
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
    if resource.get("aimlOptions.s3VectorsEngine.enabled", False):
        bill.not_priced("vectors that it keeps in S3 Vectors", Number.IDLE)
    if resource.get("aimlOptions.serverlessVectorAcceleration.enabled", False):
        bill.not_priced("acceleration of vectors, whose compute units bill while an index is built", Number.IDLE)
    if resource.get("engineVersion") is not None:
        _support(text(resource, "engineVersion"), bill)


def _support(version: str, bill: Bill) -> None:
    """Extended support bills for each node by its size ("normalized instance hours"), for which there is no row."""
    if version not in STANDARD_SUPPORT:
        newest = list(STANDARD_SUPPORT)[-1]
        if not _is_newer(version, newest):
            bill.not_priced(f"{version}: no row says whether it is in extended support", Number.IDLE)
        return
    until = STANDARD_SUPPORT[version]
    if until is None:
        bill.note(f"{version}: no end of its standard support was announced; after it extended support bills")
    elif datetime.now(UTC).date() < until:
        bill.note(f"{version} leaves standard support on {until}: extended support bills from then on")
    else:
        bill.not_priced(
            f"extended support of {version}, since {until}: it bills by the normalized instance hour, for which there "
            "is no row",
            Number.IDLE,
        )


def _is_newer(version: str, than: str) -> bool:
    """Whether it is a later release of the same engine, as `OpenSearch_3.5` is than `OpenSearch_3.3`."""
    (engine, _, own), (other, _, its) = version.partition("_"), than.partition("_")
    numbers = [part.split(".") for part in (own, its)]
    if engine != other or not all(part.isdecimal() for parts in numbers for part in parts):
        return False
    return [int(part) for part in numbers[0]] > [int(part) for part in numbers[1]]


PRICERS: dict[str, Pricer] = {
    "aws:opensearch/serverlessCollection:ServerlessCollection": collection,
    "aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup": collection_group,
    "aws:opensearch/domain:Domain": domain,
}

INPUTS: dict[str, Inputs] = {
    "aws:opensearch/serverlessCollection:ServerlessCollection": Inputs(
        "collectionGroupName standbyReplicas vectorOptions[].serverlessVectorAcceleration",
        {NAMES: "name description", ACCESS: "encryptionConfigs.*", BEHAVIOUR: "type"},
    ),
    "aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup": Inputs(
        "generation capacityLimits[].minIndexingCapacityInOcu capacityLimits[].minSearchCapacityInOcu",
        {
            NAMES: "name description",
            "limits cost nothing": "capacityLimits[].maxIndexingCapacityInOcu capacityLimits[].maxSearchCapacityInOcu",
            "its collections say whether they have replicas": "standbyReplicas",
        },
    ),
    "aws:opensearch/domain:Domain": Inputs(
        """clusterConfig.instanceCount clusterConfig.instanceType clusterConfig.dedicatedMasterEnabled
        clusterConfig.dedicatedMasterCount clusterConfig.dedicatedMasterType clusterConfig.warmEnabled
        clusterConfig.nodeOptions.* ebsOptions.ebsEnabled ebsOptions.volumeSize ebsOptions.volumeType ebsOptions.iops
        ebsOptions.throughput aimlOptions.s3VectorsEngine.enabled aimlOptions.serverlessVectorAcceleration.enabled
        engineVersion""",
        {
            NAMES: "domainName",
            PLACE: """vpcOptions.* ipAddressType domainEndpointOptions.* clusterConfig.zoneAwarenessConfig.*
            clusterConfig.zoneAwarenessEnabled""",
            ACCESS: """accessPolicies advancedSecurityOptions.* cognitoOptions.* encryptAtRest.* identityCenterOptions.*
            nodeToNodeEncryption.*""",
            LIFE: "deploymentStrategyOptions.* offPeakWindowOptions.* snapshotOptions.* softwareUpdateOptions.*",
            BEHAVIOUR: """advancedOptions.* autoTuneOptions.* clusterConfig.multiAzWithStandbyEnabled
            aimlOptions.naturalLanguageQueryGenerationOptions.*""",
            "parts of warm and cold nodes, which are NOT PRICED": """clusterConfig.warmCount clusterConfig.warmType
            clusterConfig.coldStorageOptions.*""",
        },
        {"logs bill by the GB": "logPublishingOptions.*"},
    ),
}
