"""S3 bucket for documents, data sets and artifacts: versioned, encrypted, private."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_aws import s3
from tandem_contract.checks import Checks
from tandem_contract.fields import Field, Table

from ..arguments import DataBucketArgs
from ..choices import Retention
from .arguments import NOTHING, valid
from .arns import bucket_arn
from .existing import BUCKET, check_bucket, check_house, check_not_ours
from .house_rules import KMS_KEY, under_house_rules
from .outputs import register
from .policy import only_tls, policy_document
from .retention import holding_data, retention_of
from .tags import TAGS, environment_tags

NONCURRENT_DAYS, ABANDONED_DAYS = 30, 7


DATA_BUCKET = Table(
    "DataBucketArgs",
    "Arguments of `DataBucket`; every one has a default.",
    {
        "existing_bucket": Field(
            "",
            "Name of a bucket that is there, in place of one that is made: nothing of it is set or deleted.",
            **BUCKET,
        ),
        "rewritten": Field(
            [],
            "Prefixes whose objects are replaced all the time, such as checkpoints: what is superseded or abandoned "
            "below them expires after a day.",
            pattern=".*/",
            allowed="a prefix that ends with a slash",
            remedy='For example ["runs/"].',
        ),
        "retention": retention_of("the bucket and what is in it"),
        "kms_key_arn": KMS_KEY,
        "tags": TAGS,
    },
    lambda checks, args, _given: check_not_ours(checks, args, "existing_bucket", DATA_BUCKET.fields, ("rewritten",)),
)


class DataBucket(pulumi.ComponentResource):
    """S3 bucket: versioned, encrypted (SSE-S3), private, TLS only, its changes sent to EventBridge.

    Creates a bucket and its six configurations. Superseded versions expire after 30 days, abandoned uploads after 7,
    below `rewritten` both after one; a deletion's marker goes with the last version that it hides. Or one that is there
    already, of which nothing is changed.

    Idle cost: storage only ($0.023 per GB and month in us-east-1).

    Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    bucket_name: pulumi.Output[str]
    """Name of the bucket."""
    bucket_arn: pulumi.Output[str]
    """ARN of the bucket."""

    def __init__(self, name: str, args: DataBucketArgs = NOTHING, opts: pulumi.ResourceOptions | None = None):
        """Registers it and all that it is made of under `name`; every argument has a default."""

        def look(checks: Checks, values: dict[str, Any]) -> None:
            check_house(checks, values, opts)
            check_bucket(checks, "existing_bucket", values, opts)

        settings = valid("DataBucket", name, DATA_BUCKET, args, look, opts=opts)
        super().__init__("tandem:index:DataBucket", name, {}, under_house_rules(opts, settings))
        if settings["existing_bucket"] != "":
            self.bucket_name = pulumi.Output.from_input(settings["existing_bucket"])
            self.bucket_arn = bucket_arn(self.bucket_name, self)
        else:
            self._made(name, settings)
        register(self)

    def _made(self, name: str, settings: Mapping[str, Any]) -> None:
        child = pulumi.ResourceOptions(parent=self)
        bucket = s3.Bucket(
            name,
            force_destroy=settings["retention"] == Retention.ERASE,
            tags=environment_tags(name, settings["tags"]),
            opts=holding_data(self, settings["retention"]),
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
                *(_expiring(f"rewritten-{prefix.rstrip('/')}", prefix, 1, 1) for prefix in settings["rewritten"]),
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
