"""Buckets, tables, images, file systems: what they hold is an assumption, so the usage parameter counts it."""

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, USED, Inputs
from ..model import Number, Resource
from .inputs import number


def bucket(_: Resource, bill: Bill) -> None:
    """A bucket, or an object in one."""
    bill.counted_with("storage", "documents_gigabytes", "datasets_gigabytes", "artifacts_gigabytes")


def vectors(_: Resource, bill: Bill) -> None:
    """S3 Vectors: storage and queries."""
    bill.not_priced("S3 Vectors: GB kept and written, queries, TB that they read: no dated source has their prices")


def table(resource: Resource, bill: Bill) -> None:
    """A table on demand holds and bills its storage; with provisioned capacity it bills hours that aren't counted."""
    if resource.get("billingMode", "PROVISIONED") != "PAY_PER_REQUEST":
        bill.not_priced("provisioned read and write capacity: there are no rows for it; PAY_PER_REQUEST has some")
    if (kind := resource.get("tableClass", "STANDARD")) != "STANDARD":
        bill.not_priced(f"storage of class {kind}: there are rows for the standard one only", Number.IDLE)
    if resource.get("replicas"):
        bill.not_priced("replicas in other regions")
    bill.counted_with("storage", "ledger_gigabytes")


def repository(_: Resource, bill: Bill) -> None:
    """A private repository of images."""
    bill.counted_with("storage", "images_gigabytes")


def file_system(resource: Resource, bill: Bill) -> None:
    """A file system (EFS): throughput that is provisioned bills beside what it holds, which nobody assumes."""
    kept = "storage:standard" if resource.shown("availabilityZoneName") is None else "storage:one-zone"
    bill.not_priced(
        f"what it holds, which no usage assumption counts: {bill.rate('AmazonEFS', kept)}, less in colder classes",
        Number.IDLE,
    )
    mode = resource.get("throughputMode", "bursting")
    if mode == "provisioned":
        throughput = number(resource, "provisionedThroughputInMibps")
        bill.charge(Number.IDLE, "provisioned throughput", "AmazonEFS", "throughput:provisioned", throughput)
        bill.note("the throughput that its storage includes bills nothing, so this may be too much")
    elif mode == "elastic":
        bill.not_priced("GB that are read and written (elastic throughput): there are no rows for them", Number.QUERIES)


def replication(_: Resource, bill: Bill) -> None:
    """The rules of what S3 copies; the copies are another bucket's."""
    bill.free("a setting of what bills elsewhere")
    bill.note("what replication copies bills as requests, traffic between regions, and storage in the other bucket")


PRICERS: dict[str, Pricer] = {
    "aws:s3/bucket:Bucket": bucket,
    "aws:s3/bucketV2:BucketV2": bucket,
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": replication,
    "aws:s3/bucketObject:BucketObject": bucket,
    "aws:s3/bucketObjectv2:BucketObjectv2": bucket,
    "aws:s3/vectorsVectorBucket:VectorsVectorBucket": vectors,
    "aws:s3/vectorsIndex:VectorsIndex": vectors,
    "aws:dynamodb/table:Table": table,
    "aws:ecr/repository:Repository": repository,
    "aws:efs/fileSystem:FileSystem": file_system,
}

_CLASSES = "storage of other classes has other prices: all is counted as the standard one"
_COPIES = "copies, their requests and the traffic between regions bill where the copies are"
_BUCKET = Inputs(
    free={
        NAMES: "bucket bucketNamespace bucketPrefix",
        ACCESS: """acl grants.* policy corsRules.* serverSideEncryptionConfiguration.*
        serverSideEncryptionConfigurations.* objectLockConfiguration.* objectLockEnabled requestPayer""",
        LIFE: "forceDestroy",
        BEHAVIOUR: "website.* websites.*",
        "deletes what would bill": """lifecycleRules[].abortIncompleteMultipartUploadDays lifecycleRules[].enabled
        lifecycleRules[].expiration.* lifecycleRules[].expirations.* lifecycleRules[].id lifecycleRules[].prefix
        lifecycleRules[].tags.* lifecycleRules[].noncurrentVersionExpiration.*
        lifecycleRules[].noncurrentVersionExpirations.*""",
        USED: "logging.* loggings.*",
        "what it keeps, older versions too, is counted with usage": "versioning.* versionings.*",
    },
    ignored={
        _CLASSES: "lifecycleRules[].transitions.* lifecycleRules[].noncurrentVersionTransitions.*",
        _COPIES: "replicationConfiguration.* replicationConfigurations.*",
        "accelerated transfers bill by the GB": "accelerationStatus",
    },
)
_OBJECT = Inputs(
    free={
        NAMES: "key bucket metadata.* overrideProvider.*",
        ACCESS: "acl bucketKeyEnabled kmsKeyId serverSideEncryption objectLockLegalHoldStatus objectLockMode "
        "objectLockRetainUntilDate",
        LIFE: "forceDestroy etag sourceHash checksumAlgorithm",
        BEHAVIOUR: "cacheControl contentDisposition contentEncoding contentLanguage contentType websiteRedirect",
        "what it holds is counted with usage": "content contentBase64 source",
    },
    ignored={_CLASSES: "storageClass"},
)
_VECTORS = "part of S3 Vectors, which is NOT PRICED"
INPUTS: dict[str, Inputs] = {
    "aws:s3/bucket:Bucket": _BUCKET,
    "aws:s3/bucketV2:BucketV2": _BUCKET,
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": Inputs(
        free={"what is copied is a note, and bills in the other bucket": "*"},
    ),
    "aws:s3/bucketObject:BucketObject": _OBJECT,
    "aws:s3/bucketObjectv2:BucketObjectv2": _OBJECT,
    "aws:s3/vectorsVectorBucket:VectorsVectorBucket": Inputs(
        free={NAMES: "vectorBucketName", ACCESS: "encryptionConfigurations.*", LIFE: "forceDestroy"},
    ),
    "aws:s3/vectorsIndex:VectorsIndex": Inputs(
        free={
            NAMES: "indexName vectorBucketName",
            ACCESS: "encryptionConfigurations.*",
            _VECTORS: "dataType dimension distanceMetric metadataConfiguration.*",
        },
    ),
    "aws:dynamodb/table:Table": Inputs(
        "billingMode replicas.* tableClass",
        {
            NAMES: """name attributes.* hashKey rangeKey globalSecondaryIndexes[].name globalSecondaryIndexes[].hashKey
            globalSecondaryIndexes[].rangeKey globalSecondaryIndexes[].keySchemas.* localSecondaryIndexes[].name
            localSecondaryIndexes[].rangeKey""",
            ACCESS: "serverSideEncryption.*",
            LIFE: "deletionProtectionEnabled ttl.*",
            "part of provisioned capacity, which is NOT PRICED": """readCapacity writeCapacity
            globalSecondaryIndexes[].readCapacity globalSecondaryIndexes[].writeCapacity""",
            "limits cost nothing": "onDemandThroughput.* globalSecondaryIndexes[].onDemandThroughput.*",
            "what it keeps, with its backup, is counted with usage": "pointInTimeRecovery.*",
            "part of replicas, which are NOT PRICED": "globalTableWitness.*",
        },
        {
            "an index bills what it holds and each write to it": "globalSecondaryIndexes.* localSecondaryIndexes.*",
            "reads of a stream bill by the request": "streamEnabled streamViewType",
            "capacity that is warmed bills once": "warmThroughput.*",
            "an import or a restoration bills once, by the GB": """importTable.* restoreBackupArn restoreDateTime
            restoreSourceName restoreSourceTableArn restoreToLatestTime""",
        },
    ),
    "aws:efs/fileSystem:FileSystem": Inputs(
        "availabilityZoneName throughputMode provisionedThroughputInMibps",
        {
            NAMES: "creationToken",
            ACCESS: "encrypted kmsKeyId",
            LIFE: "protection.*",
            BEHAVIOUR: "performanceMode",
            "moves what it holds, which is NOT PRICED": "lifecyclePolicies.*",
        },
    ),
    "aws:ecr/repository:Repository": Inputs(
        free={
            NAMES: "name",
            ACCESS: "encryptionConfigurations.*",
            LIFE: "forceDelete imageTagMutability imageTagMutabilityExclusionFilters.*",
            "basic scans cost nothing; enhanced ones bill with Inspector": "imageScanningConfiguration.*",
        },
    ),
}
