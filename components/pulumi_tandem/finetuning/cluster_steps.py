"""States of a fine-tuning run that trains and evaluates on a cluster, as jobs that a function starts and watches."""

import math
from collections.abc import Mapping
from typing import Any

from tandem_contract.envelope import FINISHING_SECONDS, QUEUE_SECONDS

from .training_state_machine import Steps, call

# An execution has room for 25,000 events (Step Functions guide, "Quotas"): a look takes 11 of them, in four states.
MOST_LOOKS = 2200
SOON_LOOKS = 400
"""Of each step, at the interval that was asked for; the rest has to last as long as the step may take."""
# A cluster that can't be reached for ten minutes is no reason to lose a run.
PATIENCE = {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 30, "MaxAttempts": 20, "BackoffRate": 1}
# The name of the error that another try may mend; others mean that the job won't be started, ever.
AWAY = {**PATIENCE, "ErrorEquals": ["Unavailable"]}


def cluster_steps(*, cluster: Any, envelope: Mapping[str, Any], poll_seconds: int) -> Steps:
    """Start training, look until it has ended, start the evaluation, look until that has.

    `cluster` is the function's ARN; an output is welcome. A job restarts its own Pods, within the envelope's attempts.
    """
    limits = {
        "Training": envelope["attempts"] * envelope["max_runtime_seconds"],
        "Evaluation": envelope["evaluation_max_runtime_seconds"],
    }
    limits = {step: seconds + QUEUE_SECONDS + FINISHING_SECONDS for step, seconds in limits.items()}
    rest = {step: max(0, seconds - SOON_LOOKS * poll_seconds) for step, seconds in limits.items()}
    later = max(poll_seconds, math.ceil(sum(rest.values()) / (MOST_LOOKS - len(limits) * SOON_LOOKS)))
    looks = {step: SOON_LOOKS + math.ceil(seconds / later) for step, seconds in rest.items()}
    started = {"action": "start", "run.$": "$.run"}
    return Steps(
        start="StartTraining",
        # A look itself takes a moment.
        seconds=2 * sum(limits.values()),
        states={
            "StartTraining": _start(cluster, {**started, "step": "train"}, "Trained?"),
            # A resumed run may have failed after its training, or after its evaluation.
            "Trained?": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.job.value.trained", "IsPresent": True, "Next": "TakeTrained"}],
                "Default": "CountTraining",
            },
            "TakeTrained": {
                "Type": "Pass",
                "InputPath": "$.job.value.trained",
                "ResultPath": "$.trained",
                "Next": "StartEvaluation",
            },
            **_look(cluster, "Training", "train", poll_seconds, later, looks["Training"]),
            "TrainingDone": {
                "Type": "Pass",
                "Parameters": {"model.$": "$.seen.value.model", "status.$": "$.seen.value.status"},
                "ResultPath": "$.trained",
                "Next": "StartEvaluation",
            },
            "StartEvaluation": _start(cluster, {**started, "step": "evaluate", "trained.$": "$.trained"}, "Evaluated?"),
            "Evaluated?": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.job.value.evaluated", "IsPresent": True, "Next": "TakeEvaluated"}],
                "Default": "CountEvaluation",
            },
            "TakeEvaluated": {
                "Type": "Pass",
                "Parameters": {"evaluation.$": "$.job.value.evaluated.model"},
                "ResultPath": "$.evaluated",
                "Next": "Gate",
            },
            **_look(cluster, "Evaluation", "evaluate", poll_seconds, later, looks["Evaluation"]),
            "EvaluationDone": {
                "Type": "Pass",
                "Parameters": {"evaluation.$": "$.seen.value.model"},
                "ResultPath": "$.evaluated",
                "Next": "Gate",
            },
            # A job outlives who looked after it, and would bill once it gets its nodes: each of these ends it first.
            "StopFailed": _stop(cluster, "JobFailed"),
            "JobFailed": {"Type": "Fail", "Error": "JobFailed", "CausePath": "$.seen.value.reason"},
            "StopLate": _stop(cluster, "TimedOut"),
            "TimedOut": {
                "Type": "Fail",
                "Error": "TimedOut",
                "Cause": f"The job did not end in its time and {QUEUE_SECONDS} s of waiting for quota and nodes; it "
                "was stopped. Its last state is in the run's record. Resume the run when there is capacity.",
            },
            "StopUnseen": _stop(cluster, "Unseen"),
            "Unseen": {"Type": "Fail", "Error": "ClusterUnreachable", "CausePath": "$.failure.Cause"},
        },
    )


def _start(cluster: Any, payload: Mapping[str, Any], following: str) -> dict[str, Any]:
    state = call(cluster, payload, "$.job", following)
    return {**state, "Retry": [AWAY, *state["Retry"]]}


def _look(cluster: Any, name: str, step: str, soon: int, later: int, most: int) -> dict[str, Any]:
    """Wait and look, from `Count...` on, `most` times; then `...Done`, or a stop. The first looks are `soon` seconds
    apart, the others `later`."""
    counted = {"step": step, "looks": 0, "seconds": soon}
    seen, looks = "$.seen.value.state", "$.waiting.looks"
    again = {"step.$": "$.waiting.step", "looks.$": f"States.MathAdd({looks}, 1)"}
    count = {"Type": "Pass", "ResultPath": "$.waiting", "Next": f"WaitFor{name}"}
    return {
        f"Count{name}": {**count, "Result": counted},
        f"WaitFor{name}": {"Type": "Wait", "SecondsPath": "$.waiting.seconds", "Next": f"Observe{name}"},
        f"Observe{name}": {
            **call(
                cluster,
                {"action": "observe", "run.$": "$.run", "step": step, "job.$": "$.job.value.job"},
                "$.seen",
                f"{name}Ended?",
            ),
            "Retry": [PATIENCE],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "StopUnseen"}],
        },
        f"{name}Ended?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": seen, "StringEquals": "succeeded", "Next": f"{name}Done"},
                {"Variable": seen, "StringEquals": "failed", "Next": "StopFailed"},
                {"Variable": looks, "NumericGreaterThanEquals": most, "Next": "StopLate"},
                {"Variable": looks, "NumericGreaterThanEquals": SOON_LOOKS, "Next": f"{name}GoesOnLong"},
            ],
            "Default": f"{name}GoesOn",
        },
        f"{name}GoesOn": {**count, "Parameters": again | {"seconds": soon}},
        f"{name}GoesOnLong": {**count, "Parameters": again | {"seconds": later}},
    }


def _stop(cluster: Any, following: str) -> dict[str, Any]:
    payload = {"action": "stop", "run.$": "$.run", "step.$": "$.waiting.step", "job.$": "$.job.value.job"}
    return {**call(cluster, payload, "$.stopped", following), "Retry": [PATIENCE]}
