"""State machine definition (Amazon States Language) of the training pipeline."""

from collections.abc import Mapping
from typing import Any, NamedTuple

FUNCTION_ERRORS = ["Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"]
FUNCTION_ERRORS += ["Lambda.TooManyRequestsException"]


class Steps(NamedTuple):
    """The states that train and evaluate.

    They lead to `Gate`, with the model's address at `$.trained.model` and the evaluation's at
    `$.evaluated.evaluation`.
    """

    start: str
    """The first of them."""
    states: dict[str, Any]
    seconds: int
    """Longest that all of them may take."""


def in_partition(text: str, partition: str) -> str:
    """A definition's JSON with the service integrations of a partition: written is that of the commercial regions.

    Step Functions guide, "Integrating services": `arn:PARTITION:states:REGION:ACCOUNT:SERVICE:API`, both empty.
    """
    return text.replace('"arn:aws:states:::', f'"arn:{partition}:states:::')


def definition(*, functions: Mapping[str, Any], steps: Steps) -> dict[str, Any]:
    """Train, evaluate, gate, register; `functions` are ARNs by `gate`, `register`; outputs are welcome."""
    return {
        "Comment": 'Fine-tunes a model; the input is {"run": NAME}',
        "TimeoutSeconds": steps.seconds + 3600,
        "StartAt": steps.start,
        "States": {
            **steps.states,
            "Gate": call(
                functions["gate"], {"run.$": "$.run", "evaluation.$": "$.evaluated.evaluation"}, "$.gate", "Passed?"
            ),
            "Passed?": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.gate.value.passed", "BooleanEquals": True, "Next": "Register"}],
                "Default": "GateFailed",
            },
            "GateFailed": {"Type": "Fail", "Error": "GateFailed", "CausePath": "$.gate.value.reasons"},
            "Register": call(
                functions["register"],
                {"run.$": "$.run", "model.$": "$.trained.model", "metrics.$": "$.gate.value.metrics"},
                "$.registered",
            ),
        },
    }


def call(function: Any, payload: Mapping[str, Any], result: str, following: str = "") -> dict[str, Any]:
    """A state that calls a function: its answer is then at `value` of the path `result`."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload": payload},
        "ResultSelector": {"value.$": "$.Payload"},
        "ResultPath": result,
        "Retry": [
            {
                "ErrorEquals": FUNCTION_ERRORS,
                "IntervalSeconds": 2,
                "MaxAttempts": 4,
                "BackoffRate": 2,
                "JitterStrategy": "FULL",
            }
        ],
        **({"Next": following} if following else {"End": True}),
    }
