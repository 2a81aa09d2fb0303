"""Step Functions' tasks that the emulator lacks: SageMaker's, as `sagemaker:createTrainingJob[.sync]` and `aws-sdk`."""

import json
import time
from contextvars import ContextVar
from typing import Any

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError
from ministack.services import stepfunctions as service

Json = dict[str, Any]

POLL_SECONDS = 1.0

_execution: ContextVar[Json] = ContextVar("execution")
_execute_task = service._execute_task


def install() -> None:
    """Add the tasks; call before the emulator takes requests."""
    patched: Any = service
    patched._execute_task = execute_task
    patched._SERVICE_DISPATCH["arn:aws:states:::sagemaker:createTrainingJob"] = create_training_job
    patched._SERVICE_DISPATCH["arn:aws:states:::aws-sdk:sagemaker:"] = call_sdk


def execute_task(state: Json, given: Any, execution: Json, context: Json) -> Any:
    """The emulator's, noting which execution it is for."""
    _execution.set(execution)
    return _execute_task(state, given, execution, context)


def create_training_job(resource: str, parameters: Json) -> Json:
    """Start the job; with `.sync` wait until it ends, and stop it when the execution has ended before."""
    created = _call("CreateTrainingJob", parameters)
    if not resource.endswith(".sync"):
        return created
    name, asked_to_stop = {"TrainingJobName": parameters["TrainingJobName"]}, False
    while True:
        time.sleep(POLL_SECONDS)
        try:
            job = _call("DescribeTrainingJob", name)
        except EndpointConnectionError:  # SageMaker is just being started again
            continue
        if job["TrainingJobStatus"] == "Completed":
            return job
        if job["TrainingJobStatus"] in ("Failed", "Stopped"):
            raise service._ExecutionError("States.TaskFailed", json.dumps(job))
        if _execution.get()["status"] != "RUNNING" and not asked_to_stop:
            asked_to_stop = True
            _call("StopTrainingJob", name)


def call_sdk(resource: str, parameters: Json) -> Json:
    """`aws-sdk:sagemaker:createModel` and the like."""
    operation = resource.rpartition(":")[2]
    return _call(operation[0].upper() + operation[1:], parameters, sdk=True)


def _call(operation: str, parameters: Json, sdk: bool = False) -> Json:
    """What SageMaker answers; the two integrations write times, and errors without a name of their own, differently."""
    try:
        answer = getattr(boto3.client("sagemaker"), xform_name(operation))(**parameters)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        named = ("SageMaker" if sdk else "AmazonSageMaker") if code == "ValidationException" else code
        error_name = f"SageMaker.{named.removesuffix('Exception')}Exception"
        raise service._ExecutionError(error_name, error.response["Error"]["Message"]) from None
    except (ParamValidationError, AttributeError) as error:
        raise service._ExecutionError("States.Runtime", str(error)) from None
    answer.pop("ResponseMetadata")
    moment = (lambda time: f"{time:%FT%T}Z") if sdk else (lambda time: round(time.timestamp() * 1000))
    return json.loads(json.dumps(answer, default=moment))
