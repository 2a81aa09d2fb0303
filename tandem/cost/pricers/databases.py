"""RDS, Aurora and ElastiCache."""

from datetime import UTC, date, datetime
from decimal import Decimal

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, PLACE, Inputs
from ..model import Number, Resource
from .inputs import count, number, text

RDS = "AmazonRDS"
CACHE = "AmazonElastiCache"
CLUSTER = "aws:rds/cluster:Cluster"
AURORA, OPTIMIZED = "aurora-postgresql", "aurora-iopt1"
# Of gp3 from 400 GB on, with PostgreSQL (RDS User Guide, "Amazon RDS DB instance storage"); below it can't be set.
IOPS, THROUGHPUT = 12_000, 500
STANDARD_SUPPORT: dict[str, tuple[tuple[int, date], ...]] = {
    # RDS User Guide, "Amazon RDS Extended Support charges", which has 11 and 12; of 13 endoflife.date has days up to
    # this one (amazon-rds-postgresql, amazon-aurora-postgresql), and AWS's own wasn't found: it may be a month later.
    "postgres": ((11, date(2024, 2, 29)), (12, date(2025, 2, 28)), (13, date(2026, 1, 31))),
    # ElastiCache User Guide, "ElastiCache Extended Support" and its charges.
    "redis": ((5, date(2026, 1, 31)), (6, date(2027, 1, 31))),
}
"""Engine -> major version, that one and older ones -> last day of its standard support: extended support bills then."""


def instance(resource: Resource, bill: Bill) -> None:
    """A database of RDS: its hours, its storage, and a public address."""
    engine = text(resource, "engine", "") or "its source"
    if engine != "postgres":
        bill.not_priced(
            f"a database of engine {engine}: hours and storage: there are rows for postgres only", Number.IDLE
        )
        return
    kind, twice = text(resource, "instanceClass"), resource.get("multiAz", False)
    if twice:
        bill.not_priced(f"hours of {kind} in two zones (multiAz): there are rows for one zone only", Number.IDLE)
    else:
        bill.hours(f"{kind}, PostgreSQL", RDS, f"postgres:{kind}")
    _storage(resource, bill, "multi-az" if twice else "single-az")
    if resource.get("dedicatedLogVolume", False):
        bill.not_priced("a volume for its log alone, of a size that RDS chooses", Number.IDLE)
    _secret(resource, bill)
    if resource.get("publiclyAccessible", False):
        bill.hours("public IPv4 address", "AmazonVPC", "ipv4:hours")
    _postgres_support(resource, bill)


def _support(resource: Resource, engine: str, bill: Bill) -> None:
    """Extended support of a version, for which there is no row; a new one is in standard support."""
    ends = STANDARD_SUPPORT.get(engine)
    if not ends or resource.get("engineVersion") is None:
        return
    version = text(resource, "engineVersion")
    major = version.partition(".")[0]
    if not major.isdecimal():
        bill.not_priced(f"engineVersion is {version!r}: whether it is in extended support can't be told", Number.IDLE)
        return
    until = next((day for last, day in ends if int(major) <= last), None)
    if until is None:
        bill.note(f"{engine} {version}: the end of its standard support isn't known here; extended support bills then")
    elif datetime.now(UTC).date() <= until:
        bill.note(f"{engine} {version} leaves standard support after {until}: extended support bills from then on")
    else:
        bill.not_priced(
            f"extended support of {engine} {version}, since {until}, beside its hours: there is no row for it",
            Number.IDLE,
        )


def _postgres_support(resource: Resource, bill: Bill) -> None:
    """The same of RDS, which upgrades the version by itself where extended support is turned off."""
    if not text(resource, "engineLifecycleSupport", "").endswith("-disabled"):
        _support(resource, "postgres", bill)


def _secret(resource: Resource, bill: Bill) -> None:
    if resource.get("manageMasterUserPassword", False):
        bill.charge(Number.IDLE, "its password, a secret", "AWSSecretsManager", "secret", 1)


def _storage(resource: Resource, bill: Bill, zones: str) -> None:
    size, iops = number(resource, "allocatedStorage"), number(resource, "iops", 0)
    kind = text(resource, "storageType", "io1" if iops else "gp2")
    if kind not in ("gp2", "gp3"):
        bill.not_priced(f"{size:f} GB of {kind}, and its IOPS: there are rows for gp2 and gp3 only", Number.IDLE)
        return
    bill.charge(Number.IDLE, f"{kind} storage", RDS, f"storage:{kind}:{zones}", size)
    if kind == "gp3" and iops > IOPS:
        bill.charge(Number.IDLE, f"IOPS beyond {IOPS}", RDS, f"iops:gp3:{zones}", iops - IOPS)
    if kind == "gp3" and number(resource, "storageThroughput", 0) > THROUGHPUT:
        bill.not_priced(f"throughput beyond {THROUGHPUT} MiB/s: there is no row for it", Number.IDLE)


def cluster(resource: Resource, bill: Bill) -> None:
    """An Aurora cluster bills what it holds and its I/O; its instances bill by themselves."""
    engine = text(resource, "engine")
    if engine != AURORA or resource.get("engineMode", "") not in ("", "provisioned"):
        bill.not_priced(f"a cluster of engine {engine}: hours, storage and I/O: there are rows for {AURORA} only")
    elif _optimized(resource):
        bill.not_priced("what it holds, which no usage assumption counts: I/O-Optimized has no row for it", Number.IDLE)
    else:
        rate = bill.rate(RDS, "aurora-postgresql:storage")
        bill.not_priced(f"what it holds, which no usage assumption counts: {rate}", Number.IDLE)
        bill.note(f"its I/O bills {bill.rate(RDS, 'aurora-postgresql:io')}")
    _secret(resource, bill)
    if engine == AURORA:
        _postgres_support(resource, bill)


def _optimized(of: Resource) -> bool:
    return bool(of.get("storageType", "") == OPTIMIZED)


def cluster_instance(resource: Resource, bill: Bill) -> None:
    """An instance of Aurora: its hours, or its cluster's least compute units where it is serverless."""
    engine, kind = text(resource, "engine"), text(resource, "instanceClass")
    if engine != AURORA:
        bill.not_priced(f"hours of {kind} of engine {engine}: there are rows for {AURORA} only", Number.IDLE)
        return
    of = resource.source("clusterIdentifier", CLUSTER)
    if of is None:
        bill.not_priced(
            f"hours of {kind}: its cluster, whose storage decides the price, isn't in this preview", Number.IDLE
        )
    elif kind == "db.serverless":
        key = "aurora-postgresql:acu-io-optimized" if _optimized(of) else "aurora-postgresql:acu"
        least = number(of, "serverlessv2ScalingConfiguration.minCapacity")
        if least:
            bill.hours(f"{least:f} compute units at least", RDS, key, least)
        else:
            bill.free("it pauses while nobody asks (minCapacity is 0)")
        bill.note(f"compute units above its minimum bill {bill.rate(RDS, key)}")
    elif _optimized(of):
        bill.not_priced(f"hours of {kind} under I/O-Optimized: there is no row for them", Number.IDLE)
    else:
        bill.hours(f"{kind}, Aurora PostgreSQL", RDS, f"aurora-postgresql:{kind}")
    if resource.get("publiclyAccessible", False):
        bill.hours("public IPv4 address", "AmazonVPC", "ipv4:hours")


def cache(resource: Resource, bill: Bill) -> None:
    """A cache of single nodes."""
    if resource.shown("replicationGroupId") is not None:
        bill.not_priced("a further node of a replication group, which says its type and engine", Number.IDLE)
    else:
        _nodes(resource, text(resource, "engine"), number(resource, "numCacheNodes", 1), bill)


def replication_group(resource: Resource, bill: Bill) -> None:
    """The nodes of a cache with replicas: those of each shard, or all that it says."""
    if count(resource, "nodeGroupConfigurations"):
        bill.not_priced("its nodes, whose number is set for each shard (nodeGroupConfigurations)", Number.IDLE)
        return
    shards, replicas = resource.get("numNodeGroups"), resource.get("replicasPerNodeGroup")
    if shards is None and replicas is None:
        nodes = number(resource, "numCacheClusters", 1)
    else:
        nodes = number(resource, "numNodeGroups", 1) * (1 + number(resource, "replicasPerNodeGroup", 0))
    _nodes(resource, text(resource, "engine", "redis"), nodes, bill)


def _nodes(resource: Resource, engine: str, nodes: Decimal, bill: Bill) -> None:
    kind = text(resource, "nodeType")
    if engine in ("redis", "valkey"):
        bill.hours(f"{nodes:f} x {kind}, {engine}", CACHE, f"{engine}:{kind}", nodes)
    else:
        bill.not_priced(f"{nodes:f} nodes of {kind}, {engine}: there are rows for redis and valkey only", Number.IDLE)
    _support(resource, engine, bill)


def serverless_cache(resource: Resource, bill: Bill) -> None:
    """A serverless cache bills what it holds by the hour, and processing units."""
    engine = text(resource, "engine")
    storage, units = (bill.rate(CACHE, f"{engine}:serverless:{what}") for what in ("storage", "ecpu"))
    bill.not_priced(f"what it holds, which no usage assumption counts: {storage}", Number.IDLE)
    bill.not_priced(f"what it is asked, in processing units, which nobody assumes: {units}", Number.QUERIES)


PRICERS: dict[str, Pricer] = {
    "aws:rds/instance:Instance": instance,
    CLUSTER: cluster,
    "aws:rds/clusterInstance:ClusterInstance": cluster_instance,
    "aws:elasticache/cluster:Cluster": cache,
    "aws:elasticache/replicationGroup:ReplicationGroup": replication_group,
    "aws:elasticache/serverlessCache:ServerlessCache": serverless_cache,
}

_BACKUPS = "backups beyond the size of the database bill by the GB"
_INSIGHTS = "what is kept of performance beyond seven days bills by the vCPU"
_LOGS = "logs bill by the GB"
_OF_CLUSTER = "its cluster's version decides, which says whether it is out of standard support"
_MONITORING = "metrics of the operating system bill as logs do"
_MADE = "made from another database, it holds what that one did"
INPUTS: dict[str, Inputs] = {
    "aws:rds/instance:Instance": Inputs(
        """engine instanceClass multiAz allocatedStorage storageType iops storageThroughput publiclyAccessible
        manageMasterUserPassword dedicatedLogVolume engineVersion engineLifecycleSupport""",
        {
            NAMES: "identifier identifierPrefix dbName username",
            PLACE: """availabilityZone dbSubnetGroupName vpcSecurityGroupIds[] networkType port domain
            domainAuthSecretArn domainDnsIps[] domainFqdn domainIamRoleName domainOu customerOwnedIpEnabled""",
            ACCESS: """password passwordWo passwordWoVersion iamDatabaseAuthenticationEnabled kmsKeyId caCertIdentifier
            masterUserSecretKmsKeyId storageEncrypted customIamInstanceProfile monitoringRoleArn
            performanceInsightsKmsKeyId""",
            LIFE: """allowMajorVersionUpgrade applyImmediately autoMinorVersionUpgrade backupWindow copyTagsToSnapshot
            deleteAutomatedBackups deletionProtection finalSnapshotIdentifier maintenanceWindow skipFinalSnapshot
            upgradeStorageConfig blueGreenUpdate.* warningEventCategories[]""",
            BEHAVIOUR: "characterSetName ncharCharacterSetName optionGroupName parameterGroupName timezone",
            "a limit: what it grows to bills then": "maxAllocatedStorage",
            _MADE: "replicaMode replicateSourceDb restoreToPointInTime.* s3Import.* snapshotIdentifier",
        },
        {
            _BACKUPS: "backupRetentionPeriod backupTarget",
            _INSIGHTS: "databaseInsightsMode performanceInsightsEnabled performanceInsightsRetentionPeriod",
            _LOGS: "enabledCloudwatchLogsExports[]",
            _MONITORING: "monitoringInterval",
            "other engines' licences may bill by the hour": "licenseModel",
        },
    ),
    CLUSTER: Inputs(
        """engine engineMode storageType serverlessv2ScalingConfiguration.minCapacity manageMasterUserPassword
        engineVersion engineLifecycleSupport""",
        {
            NAMES: "clusterIdentifier clusterIdentifierPrefix databaseName masterUsername dbSystemId",
            PLACE: """availabilityZones[] clusterMembers[] dbSubnetGroupName vpcSecurityGroupIds[] networkType port
            domain domainIamRoleName""",
            ACCESS: """masterPassword masterPasswordWo masterPasswordWoVersion masterUserSecretKmsKeyId
            iamDatabaseAuthenticationEnabled iamRoles[] kmsKeyId storageEncrypted
            caCertificateIdentifier monitoringRoleArn performanceInsightsKmsKeyId""",
            LIFE: """allowMajorVersionUpgrade applyImmediately autoMinorVersionUpgrade copyTagsToSnapshot
            deleteAutomatedBackups deletionProtection finalSnapshotIdentifier preferredBackupWindow
            preferredMaintenanceWindow skipFinalSnapshot warningEventCategories[]""",
            BEHAVIOUR: """dbClusterParameterGroupName dbInstanceParameterGroupName enableHttpEndpoint
            enableLocalWriteForwarding clusterScalabilityType""",
            "limits cost nothing": "serverlessv2ScalingConfiguration.maxCapacity "
            "serverlessv2ScalingConfiguration.secondsUntilAutoPause",
            "parts of clusters that are NOT PRICED": "scalingConfiguration.* allocatedStorage iops "
            "dbClusterInstanceClass publiclyAccessible",
            _MADE: "restoreToPointInTime.* s3Import.* snapshotIdentifier sourceRegion replicationSourceIdentifier",
        },
        {
            _BACKUPS: "backupRetentionPeriod backtrackWindow",
            _INSIGHTS: "databaseInsightsMode performanceInsightsEnabled performanceInsightsRetentionPeriod",
            _LOGS: "enabledCloudwatchLogsExports[]",
            _MONITORING: "monitoringInterval",
            "writes that are copied to other regions bill by the million": "globalClusterIdentifier "
            "enableGlobalWriteForwarding",
        },
    ),
    "aws:rds/clusterInstance:ClusterInstance": Inputs(
        "engine instanceClass publiclyAccessible",
        {
            NAMES: "identifier identifierPrefix",
            PLACE: "clusterIdentifier availabilityZone dbSubnetGroupName",
            ACCESS: "caCertIdentifier customIamInstanceProfile monitoringRoleArn performanceInsightsKmsKeyId",
            LIFE: """applyImmediately autoMinorVersionUpgrade copyTagsToSnapshot forceDestroy preferredBackupWindow
            preferredMaintenanceWindow promotionTier warningEventCategories[]""",
            BEHAVIOUR: "dbParameterGroupName",
            _OF_CLUSTER: "engineVersion",
        },
        {
            _INSIGHTS: "performanceInsightsEnabled performanceInsightsRetentionPeriod",
            _MONITORING: "monitoringInterval",
        },
    ),
    "aws:elasticache/cluster:Cluster": Inputs(
        "engine engineVersion nodeType numCacheNodes replicationGroupId",
        {
            NAMES: "clusterId",
            PLACE: """availabilityZone azMode ipDiscovery networkType port preferredAvailabilityZones[]
            securityGroupIds[] subnetGroupName""",
            ACCESS: "transitEncryptionEnabled",
            LIFE: "applyImmediately autoMinorVersionUpgrade finalSnapshotIdentifier maintenanceWindow snapshotWindow",
            BEHAVIOUR: "notificationTopicArn parameterGroupName",
            _MADE: "snapshotArns snapshotName",
        },
        {
            "snapshots bill by the GB": "snapshotRetentionLimit",
            _LOGS: "logDeliveryConfigurations.*",
            "nodes of an outpost have prices of their own": "outpostMode preferredOutpostArn",
        },
    ),
    "aws:elasticache/replicationGroup:ReplicationGroup": Inputs(
        "engine engineVersion nodeType numNodeGroups replicasPerNodeGroup numCacheClusters nodeGroupConfigurations.*",
        {
            NAMES: "replicationGroupId description",
            PLACE: """ipDiscovery networkType port preferredCacheClusterAzs[] securityGroupIds[] securityGroupNames[]
            subnetGroupName multiAzEnabled""",
            ACCESS: """atRestEncryptionEnabled authToken authTokenUpdateStrategy authTokenWo authTokenWoVersion kmsKeyId
            transitEncryptionEnabled transitEncryptionMode userGroupIds[]""",
            LIFE: "applyImmediately autoMinorVersionUpgrade finalSnapshotIdentifier maintenanceWindow snapshotWindow",
            BEHAVIOUR: "automaticFailoverEnabled clusterMode notificationTopicArn parameterGroupName",
            "types that have it have prices of their own": "dataTieringEnabled",
            _MADE: "snapshotArns[] snapshotName",
        },
        {
            "snapshots bill by the GB": "snapshotRetentionLimit",
            _LOGS: "logDeliveryConfigurations.*",
            "what is copied between regions bills by the GB": "globalReplicationGroupId",
            "what is written to last may bill": "durability",
        },
    ),
    "aws:elasticache/serverlessCache:ServerlessCache": Inputs(
        "engine",
        {
            NAMES: "name description",
            PLACE: "networkType securityGroupIds[] subnetIds[]",
            ACCESS: "kmsKeyId userGroupId",
            LIFE: "dailySnapshotTime snapshotArnsToRestores[]",
            BEHAVIOUR: "majorEngineVersion",
            "limits of what is NOT PRICED": "cacheUsageLimits.*",
        },
        {"snapshots bill by the GB": "snapshotRetentionLimit"},
    ),
}
