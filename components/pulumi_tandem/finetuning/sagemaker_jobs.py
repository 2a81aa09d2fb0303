"""SageMaker's training jobs as what trains and evaluates: their role, and what it takes to start them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_aws import iam
from tandem_contract.names import Variable

from ..foundation.arns import account_arn
from ..foundation.policy import Statement, allow, policy_document, trust
from .images import may_pull
from .jobs import Given, Jobs, data_of_jobs
from .sagemaker_steps import sagemaker_steps

WRITE_LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")


def sagemaker_jobs(
    given: Given,
    images: Mapping[str, pulumi.Input[str]],
    pulled: Sequence[str],
    repository_arn: pulumi.Input[str] | None,
    more: Sequence[Any],
) -> Jobs:
    """The jobs' role, the function that plans them, and the states that start them.

    `images` are by `train`, `evaluate`; `pulled` are the same as they were given. `more` is what jobs may besides.
    """
    # sagemaker:ListTrainingJobs has no resource to name (service authorization reference).
    attempts = [
        allow(["sagemaker:ListTrainingJobs"], "*"),
        allow(["sagemaker:DescribeTrainingJob"], account_arn("sagemaker", "training-job/*", given.parent)),
    ]
    plan = given.function("plan", [given.records, given.manifests, *attempts], given.environment)
    role = iam.Role(
        f"{given.name}-job-role",
        assume_role_policy=trust("sagemaker.amazonaws.com"),
        tags=given.tags,
        opts=pulumi.ResourceOptions(parent=given.parent),
    )
    logs = account_arn("logs", "log-group:/aws/sagemaker/TrainingJobs*", given.parent)
    statements = [
        *data_of_jobs(given.datasets.bucket_arn, given.artifacts.bucket_arn),
        allow([*WRITE_LOGS, "logs:DescribeLogStreams"], logs),
        # These two have no resource to name; the first is limited by its namespace.
        allow(["cloudwatch:PutMetricData"], "*", StringLike={"cloudwatch:namespace": "/aws/sagemaker/*"}),
        allow(["ecr:GetAuthorizationToken"], "*"),
        may_pull(pulled, repository_arn, given.parent),
        # For a key of one's own SageMaker wants this too (API reference, OutputDataConfig).
        *(
            [allow(["kms:Encrypt"], given.environment[Variable.KMS_KEY])]
            if Variable.KMS_KEY in given.environment
            else ()
        ),
        *more,
    ]
    iam.RolePolicy(
        f"{given.name}-job-permissions",
        role=role.id,
        policy=policy_document(statements),
        opts=pulumi.ResourceOptions(parent=given.parent),
    )
    steps = sagemaker_steps(plan=plan.function_arn, role_arn=role.arn, images=images, envelope=given.envelope)
    return Jobs(steps, [plan], _starting(given, role), role.arn)


def _starting(given: Given, job_role: iam.Role) -> list[Statement]:
    """What the state machine needs to start and stop jobs."""
    jobs, envelope = account_arn("sagemaker", "training-job/*", given.parent), given.envelope
    longest = max(envelope["max_runtime_seconds"], envelope["evaluation_max_runtime_seconds"])
    instances = sorted({envelope["instance_type"], envelope["evaluation_instance_type"]})
    return [
        # The envelope, once more: what the definition can't exceed, an edited definition can't either.
        allow(
            ["sagemaker:CreateTrainingJob"],
            jobs,
            **{
                # Without a value "all values" would be true.
                "Null": {"sagemaker:InstanceTypes": "false"},
                "ForAllValues:StringEquals": {"sagemaker:InstanceTypes": instances},
                "NumericLessThanEquals": {"sagemaker:MaxRuntimeInSeconds": str(longest)},
            },
        ),
        allow(["sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"], jobs),
        allow(["sagemaker:AddTags", "sagemaker:ListTags"], jobs),
        allow(["iam:PassRole"], job_role.arn, StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"}),
        # How `.sync` hears of a job's end (Step Functions guide, "IAM policies for SageMaker").
        allow(
            ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
            account_arn("events", "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule", given.parent),
        ),
    ]
