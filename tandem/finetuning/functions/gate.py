"""Lambda handler of the gate step: compares a run's evaluation with its gate."""

import json
import os
from collections.abc import Mapping
from typing import Any

from tandem_contract.names import Variable
from tandem_contract.run_record import Run, record_key

from tandem.finetuning.gate import failing
from tandem.runtime.clients import client
from tandem.runtime.telemetry import log


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
    """`{"run", "evaluation": S3 prefix}` -> `{"passed", "reasons", "metrics"}`."""
    bucket, _, prefix = event["evaluation"].removeprefix("s3://").partition("/")
    evaluation = json.loads(read(bucket, f"{prefix.rstrip('/')}/evaluation.json"))
    run = Run.from_json(read(os.environ[Variable.ARTIFACT_BUCKET], record_key(event["run"])))
    reasons = failing(evaluation, run)
    log("gate", run=run.name, passed=not reasons, reasons=reasons, metrics=evaluation["metrics"])
    # One text for the state machine, which can name it as the cause of a failed run.
    return {"passed": not reasons, "reasons": "; ".join(reasons), "metrics": evaluation["metrics"]}


def read(bucket: str, key: str) -> bytes:
    """The content of an object."""
    return client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
