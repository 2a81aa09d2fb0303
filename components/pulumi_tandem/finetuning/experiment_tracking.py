"""MLflow app or tracking server that training jobs log to."""

from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import iam, sagemaker

from ..foundation.data_bucket import DataBucket
from ..foundation.names import named, physical_name
from ..foundation.outputs import register
from ..foundation.policy import Statement, allow, policy_document, trust
from ..foundation.tags import Tags

APP, SERVER, NONE = "app", "server", "none"
# An app has one permission for all of its interface.
LOG_TO_APP = ("sagemaker:CallMlflowAppApi",)
LOG_TO_SERVER = tuple(
    f"sagemaker-mlflow:{action}"
    for action in (
        "CreateExperiment",
        "GetExperiment",
        "GetExperimentByName",
        "CreateRun",
        "GetRun",
        "UpdateRun",
        "LogBatch",
        "LogMetric",
        "LogParam",
        "LogInputs",
        "SetTag",
    )
)


class ExperimentTrackingArgs(TypedDict):
    """Arguments of `ExperimentTracking`."""

    tracking: str
    """`app` (serverless MLflow, no hourly charge), `server` (a small MLflow server, about $470 a month while it exists)
    or the URL of an MLflow of your own."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class ExperimentTracking(pulumi.ComponentResource):
    """MLflow app or tracking server that training jobs log to, its artifacts below `mlflow/` of the artifact bucket.

    Creates the app or server, and its role with a policy; for a URL, nothing.

    Idle cost: none for the app (AWS announcement, December 2025), $0.642 an hour for a small server (eu-west-2,
    second-hand, 2026).
    """

    tracking_uri: pulumi.Output[str]
    """What MLflow clients take as their tracking URI: the ARN, or the URL."""
    log_statements: list[Statement]
    """IAM statements for who logs to it; none for a URL."""

    def __init__(
        self, name: str, artifacts: DataBucket, args: ExperimentTrackingArgs, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("tandem:index:ExperimentTracking", name, {}, opts)
        child, tags = pulumi.ResourceOptions(parent=self), args.get("tags") or {}
        if args["tracking"] in (APP, SERVER):
            role = iam.Role(f"{name}-role", assume_role_policy=trust("sagemaker.amazonaws.com"), tags=tags, opts=child)
            permissions = iam.RolePolicy(
                f"{name}-permissions",
                role=role.id,
                policy=policy_document(
                    [
                        allow(["s3:ListBucket"], artifacts.bucket_arn, StringLike={"s3:prefix": "mlflow/*"}),
                        allow(
                            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                            pulumi.Output.concat(artifacts.bucket_arn, "/mlflow/*"),
                        ),
                    ]
                ),
                opts=child,
            )
            store = pulumi.Output.format("s3://{0}/mlflow", artifacts.bucket_name)
            settled, physical = pulumi.ResourceOptions(depends_on=[permissions]), physical_name(name, 63)
            if args["tracking"] == APP:
                self.tracking_uri = sagemaker.MlflowApp(
                    name,
                    name=physical,
                    artifact_store_uri=store,
                    role_arn=role.arn,
                    tags=tags,
                    opts=pulumi.ResourceOptions.merge(named(self), settled),
                ).arn
            else:
                self.tracking_uri = sagemaker.MlflowTrackingServer(
                    name,
                    tracking_server_name=physical,
                    artifact_store_uri=store,
                    role_arn=role.arn,
                    tracking_server_size="Small",
                    tags=tags,
                    opts=pulumi.ResourceOptions.merge(named(self, "tracking_server_name"), settled),
                ).arn
            self.log_statements = [allow(LOG_TO_APP if args["tracking"] == APP else LOG_TO_SERVER, self.tracking_uri)]
        else:
            self.tracking_uri, self.log_statements = pulumi.Output.from_input(args["tracking"]), []
        register(self)
