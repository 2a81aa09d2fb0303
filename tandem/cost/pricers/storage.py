"""Buckets, tables, images: what they hold is an assumption, so the usage parameter counts it."""

from ..bill import Bill, Pricer
from ..model import Resource


def bucket(_: Resource, bill: Bill) -> None:
    """A bucket, or an object in one."""
    bill.counted_with("storage", "documents_gigabytes", "datasets_gigabytes", "artifacts_gigabytes")


def vectors(_: Resource, bill: Bill) -> None:
    """S3 Vectors: storage and queries."""
    bill.not_priced("S3 Vectors: no dated source has its prices")


def table(resource: Resource, bill: Bill) -> None:
    """A table on demand holds and bills its storage; with provisioned capacity it bills hours that aren't counted."""
    if resource.get("billingMode", "PROVISIONED") != "PAY_PER_REQUEST":
        bill.not_priced("provisioned read and write capacity: there are no rows for it; PAY_PER_REQUEST has some")
    if resource.get("replicas"):
        bill.not_priced("replicas in other regions")
    bill.counted_with("storage", "ledger_gigabytes")


def repository(_: Resource, bill: Bill) -> None:
    """A private repository of images."""
    bill.counted_with("storage", "images_gigabytes")


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
}
