"""States of a fine-tuning run that trains and evaluates as SageMaker training jobs."""

import math
from collections.abc import Mapping
from typing import Any

from tandem_contract.envelope import FINISHING_SECONDS, PENDING_SECONDS

from .training_state_machine import Steps, call


def sagemaker_steps(*, plan: Any, role_arn: Any, images: Mapping[str, Any], envelope: Mapping[str, Any]) -> Steps:
    """Plan, train, plan, evaluate.

    `plan` is a function's ARN; `images` are by `train`, `evaluate`; outputs are welcome. What a job may cost (instance,
    count, time, attempts) is written here from the envelope; an execution's input can't change it.
    """
    train, evaluate = (_job(step, role_arn, images, envelope) for step in ("train", "evaluate"))
    return Steps(
        start="PlanTraining",
        seconds=envelope["attempts"] * train["TimeoutSeconds"] + evaluate["TimeoutSeconds"],
        states={
            "PlanTraining": call(plan, {"run.$": "$.run", "step": "train"}, "$.job", "Trained?"),
            # A resumed run may have failed after its training.
            "Trained?": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.job.value.trained", "IsPresent": True, "Next": "TakeTrained"}],
                "Default": "Train",
            },
            "TakeTrained": {
                "Type": "Pass",
                "InputPath": "$.job.value.trained",
                "ResultPath": "$.trained",
                "Next": "PlanEvaluation",
            },
            "Train": {
                **train,
                "ResultSelector": {"model.$": "$.ModelArtifacts.S3ModelArtifacts", "status.$": "$.TrainingJobStatus"},
                "ResultPath": "$.trained",
                "Catch": [
                    # Planning again decides whether another attempt is worth it and within the envelope.
                    {"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.failure", "Next": "PlanAnother"},
                    *train["Catch"],
                ],
                "Next": "PlanEvaluation",
            },
            "PlanAnother": call(plan, {"run.$": "$.run", "step": "train", "failure.$": "$.failure"}, "$.job", "Train"),
            "PlanEvaluation": call(
                plan, {"run.$": "$.run", "step": "evaluate", "trained.$": "$.trained"}, "$.job", "Evaluate"
            ),
            "Evaluate": {
                **evaluate,
                "ResultSelector": {"evaluation.$": "$.ModelArtifacts.S3ModelArtifacts"},
                "ResultPath": "$.evaluated",
                "Next": "Gate",
            },
            # A job outlives the task that waited for it, and would bill once it gets its instance.
            "StopJob": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:sagemaker:stopTrainingJob",
                "Parameters": {"TrainingJobName.$": "$.job.value.TrainingJobName"},
                "ResultPath": None,
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
        # Throttling, mostly; a job's name lets it start but once.
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
