"""S3 bucket for documents, data sets and artifacts: versioned, encrypted, private."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_aws import s3

from .arns import bucket_arn
from .outputs import register
from .policy import only_tls, policy_document
from .retention import Retention, holding_data
from .tags import Tags

NONCURRENT_DAYS, ABANDONED_DAYS = 30, 7


class DataBucketArgs(TypedDict):
    """Arguments of `DataBucket`."""

    retention: Retention
    """`keep` protects the bucket; `erase` empties and deletes it at destroy."""
    existing: NotRequired[pulumi.Input[str]]
    """Name of a bucket that is there: nothing is made, set or deleted."""
    rewritten: NotRequired[Sequence[str]]
    """Prefixes whose objects are replaced all the time, such as checkpoints: what is superseded or abandoned below them
    expires after a day."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class DataBucket(pulumi.ComponentResource):
    """S3 bucket: versioned, encrypted (SSE-S3), private, TLS only, its changes sent to EventBridge.

    Creates a bucket and its six configurations. Superseded versions expire after 30 days, abandoned uploads after 7,
    below `rewritten` both after one; a deletion's marker goes with the last version that it hides. Or one that is there
    already, of which nothing is changed.

    Idle cost: storage only ($0.023 per GB and month in us-east-1).
    """

    bucket_name: pulumi.Output[str]
    """Name of the bucket."""
    bucket_arn: pulumi.Output[str]
    """ARN of the bucket."""

    def __init__(self, name: str, args: DataBucketArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:DataBucket", name, {}, opts)
        if "existing" in args:
            self.bucket_name = pulumi.Output.from_input(args["existing"])
            self.bucket_arn = bucket_arn(self.bucket_name, self)
        else:
            self._made(name, args)
        register(self)

    def _made(self, name: str, args: DataBucketArgs) -> None:
        child = pulumi.ResourceOptions(parent=self)
        bucket = s3.Bucket(
            name,
            force_destroy=args["retention"] is Retention.ERASE,
            tags=args.get("tags"),
            opts=holding_data(self, args["retention"]),
        )
        private = s3.BucketPublicAccessBlock(
            f"{name}-private",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=child,
        )
        versioning = s3.BucketVersioning(
            f"{name}-versioning", bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=child
        )
        s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.id,
            # Where two rules hold, the shorter time does (S3 user guide, "Conflicts in lifecycle configurations").
            rules=[
                _expiring("superseded", "", NONCURRENT_DAYS, ABANDONED_DAYS),
                *(_expiring(f"rewritten-{prefix.rstrip('/')}", prefix, 1, 1) for prefix in args.get("rewritten", ())),
            ],
            # S3 wants versioning settled before a rule on noncurrent versions.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )
        s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.id,
            policy=policy_document([only_tls([bucket.arn, pulumi.Output.concat(bucket.arn, "/*")], "s3:*")]),
            # Two writes to one bucket's policies at a time answer 409 OperationAborted.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[private]),
        )
        s3.BucketNotification(f"{name}-events", bucket=bucket.id, eventbridge=True, opts=child)

        self.bucket_name, self.bucket_arn = bucket.id, bucket.arn


def _expiring(name: str, prefix: str, superseded_days: int, abandoned_days: int) -> Any:
    return {
        "id": name,
        "status": "Enabled",
        "filter": {"prefix": prefix},
        "noncurrent_version_expiration": {"noncurrent_days": superseded_days},
        # Of what was deleted, once its versions are gone: a marker without any is listed for ever else.
        "expiration": {"expired_object_delete_marker": True},
        "abort_incomplete_multipart_upload": {"days_after_initiation": abandoned_days},
    }
