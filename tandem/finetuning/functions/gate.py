"""Lambda handler of the gate step: compares a run's evaluation with its gate."""

import json
from collections.abc import Mapping
from typing import Any

from tandem.finetuning.gate import failing
from tandem.runtime.telemetry import log

from .records import read, run_of


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
    """`{"run", "evaluation": S3 prefix}` -> `{"passed", "reasons", "metrics"}`."""
    bucket, _, prefix = event["evaluation"].removeprefix("s3://").partition("/")
    evaluation = json.loads(read(bucket, f"{prefix.rstrip('/')}/evaluation.json"))
    run = run_of(event["run"])
    reasons = failing(evaluation, run)
    log("gate", run=run.name, passed=not reasons, reasons=reasons, metrics=evaluation["metrics"])
    # One text for the state machine, which can name it as the cause of a failed run.
    return {"passed": not reasons, "reasons": "; ".join(reasons), "metrics": evaluation["metrics"]}
