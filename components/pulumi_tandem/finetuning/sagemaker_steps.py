"""States of a fine-tuning run that trains and evaluates as SageMaker training jobs."""

import math
from collections.abc import Mapping
from typing import Any

from tandem_contract.envelope import FINISHING_SECONDS, PENDING_SECONDS

from .training_state_machine import Steps, call

LOOKS = 400
"""At a job that goes on although its task has failed, in the time that it may take.

Each takes 9 of the 25,000 events of an execution (Step Functions guide, "Quotas").
"""
SOONEST_SECONDS = 60


def sagemaker_steps(*, plan: Any, role_arn: Any, images: Mapping[str, Any], envelope: Mapping[str, Any]) -> Steps:
    """Plan, train, plan, evaluate.

    `plan` is a function's ARN; `images` are by `train`, `evaluate`; outputs are welcome. What a job may cost (instance,
    count, time, attempts) is written here from the envelope; an execution's input can't change it.
    """
    train, evaluate = (_job(step, role_arn, images, envelope) for step in ("train", "evaluate"))
    started = {"run.$": "$.run", "step": "train"}
    evaluated = {"run.$": "$.run", "step": "evaluate", "trained.$": "$.trained"}
    return Steps(
        start="PlanTraining",
        seconds=envelope["attempts"] * (train["TimeoutSeconds"] + evaluate["TimeoutSeconds"]),
        states={
            **_attempts(plan, started, ("Training", "Train", "PlanEvaluation"), train, "trained"),
            **_attempts(plan, evaluated, ("Evaluation", "Evaluate", "Gate"), evaluate, "evaluated"),
            # A job outlives the task that waited for it, and would bill once it gets its instance.
            "StopJob": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:sagemaker:stopTrainingJob",
                "Parameters": {"TrainingJobName.$": "$.job.value.TrainingJobName"},
                "ResultPath": None,
                # One that has ended meanwhile refuses; the guard finds what else is left.
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "TimedOut"}],
                "Next": "TimedOut",
            },
            "TimedOut": {
                "Type": "Fail",
                "Error": "TimedOut",
                "Cause": f"The job did not end in its time and {PENDING_SECONDS} s of waiting for an instance; "
                "it was stopped. Resume the run when there is capacity, or choose another instance.",
            },
        },
    )


def _attempts(
    plan: Any, payload: Mapping[str, Any], names: tuple[str, str, str], job: Mapping[str, Any], result: str
) -> dict[str, Any]:
    """A step's states: plan, do, and after a failure plan again, which decides whether another attempt is worth it and
    within the envelope.

    A task may fail whose job goes on: the answer to its request was lost, and the retry met the job's own name. That
    job is followed to its end. `names` are what is planned, the task, and what follows; `result` is what the plan calls
    a complete step, and where it is kept.
    """
    what, task, following = names
    again = {**payload, "failure.$": "$.failure", "job.$": "$.job.value.TrainingJobName"}
    kept = {"trained": {"model": "model", "status": "status"}, "evaluated": {"evaluation": "model"}}[result]
    done = f"$.job.value.{result}"
    taken = {f"{name}.$": f"{done}.{field}" for name, field in kept.items()}
    return {
        f"Plan{what}": call(plan, payload, "$.job", f"{what}Planned?"),
        f"{what}Planned?": {
            "Type": "Choice",
            "Choices": [
                # A resumed run may have failed after this step.
                {"Variable": done, "IsPresent": True, "Next": f"Take{what}"},
                {"Variable": "$.job.value.running", "IsPresent": True, "Next": f"Follow{what}"},
            ],
            "Default": task,
        },
        f"Take{what}": {"Type": "Pass", "Parameters": taken, "ResultPath": f"$.{result}", "Next": following},
        task: {
            **job,
            "ResultSelector": {
                f"{name}.$": {"model": "$.ModelArtifacts.S3ModelArtifacts", "status": "$.TrainingJobStatus"}[field]
                for name, field in kept.items()
            },
            "ResultPath": f"$.{result}",
            "Catch": [
                {"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.failure", "Next": f"Plan{what}Again"},
                *job["Catch"],
            ],
            "Next": following,
        },
        f"Plan{what}Again": call(plan, again, "$.job", f"{what}Planned?"),
        f"Follow{what}": {
            "Type": "Wait",
            "Seconds": max(SOONEST_SECONDS, math.ceil(job["TimeoutSeconds"] / LOOKS)),
            "Next": f"LookAt{what}",
        },
        f"LookAt{what}": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sagemaker:describeTrainingJob",
            "Parameters": {"TrainingJobName.$": "$.job.value.TrainingJobName"},
            "ResultSelector": {"Error": "Ended", "Cause.$": "$.TrainingJobStatus"},
            "ResultPath": "$.failure",
            "Retry": [
                {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 30, "MaxAttempts": 20, "BackoffRate": 1}
            ],
            "Next": f"{what}Ended?",
        },
        f"{what}Ended?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.failure.Cause", "StringEquals": status, "Next": f"Follow{what}"}
                for status in ("InProgress", "Stopping")
            ],
            "Default": f"Plan{what}Again",
        },
    }


def _job(step: str, role_arn: Any, images: Mapping[str, Any], envelope: Mapping[str, Any]) -> dict[str, Any]:
    prefix = "evaluation_" if step == "evaluate" else ""
    seconds, spot = envelope[f"{prefix}max_runtime_seconds"], step == "train" and envelope["spot"]
    limits = {"MaxRuntimeInSeconds": seconds}
    if spot:
        limits["MaxWaitTimeInSeconds"] = seconds + PENDING_SECONDS
    code = "/opt/ml/input/data/code/tandem.pyz"
    parameters = {
        "TrainingJobName.$": "$.job.value.TrainingJobName",
        "RoleArn": role_arn,
        "AlgorithmSpecification": {
            "TrainingImage": images[step],
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", code],
            "ContainerArguments": [step],
        },
        "InputDataConfig.$": "$.job.value.InputDataConfig",
        "OutputDataConfig.$": "$.job.value.OutputDataConfig",
        "CheckpointConfig.$": "$.job.value.CheckpointConfig",
        "ResourceConfig": {
            "InstanceType": envelope[f"{prefix}instance_type"],
            "InstanceCount": envelope["instance_count"] if step == "train" else 1,
            "VolumeSizeInGB": math.ceil(envelope["volume_gb"]),
        },
        "StoppingCondition": limits,
        "EnableManagedSpotTraining": spot,
        "Environment.$": "$.job.value.Environment",
        "Tags.$": "$.job.value.Tags",
    }
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
        "Parameters": parameters,
        "TimeoutSeconds": seconds + PENDING_SECONDS + FINISHING_SECONDS,
        # Throttling, mostly. A job's name lets it start but once: where an answer was lost, this meets `ResourceInUse`.
        "Retry": [
            {
                "ErrorEquals": ["SageMaker.AmazonSageMakerException"],
                "IntervalSeconds": 5,
                "MaxAttempts": 4,
                "BackoffRate": 2,
                "JitterStrategy": "FULL",
            }
        ],
        "Catch": [{"ErrorEquals": ["States.Timeout"], "ResultPath": "$.failure", "Next": "StopJob"}],
    }
