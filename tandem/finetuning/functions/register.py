"""Lambda handler of the register step: registers a tuned model for approval."""

import json
import os
from collections.abc import Mapping
from typing import Any

from tandem_contract.names import Variable

from tandem.finetuning.registry import register
from tandem.runtime.clients import client

from .records import run_of


def handler(event: Mapping[str, Any], context: Any) -> dict[str, str]:  # noqa: ARG001
    """`{"run", "model": S3 prefix, "metrics"}` -> `{"model_package": ARN}`; the same run gives the same package."""
    model = event["model"].rstrip("/") + "/"  # which a prefix has to end in
    container = {
        "Image": os.environ[Variable.SERVING_IMAGE],
        "Environment": json.loads(os.environ[Variable.SERVING_ENVIRONMENT]),
        "ModelDataSource": {"S3DataSource": {"S3Uri": model, "S3DataType": "S3Prefix", "CompressionType": "None"}},
    }
    run = run_of(event["run"])
    arn = register(
        client("sagemaker"),
        os.environ[Variable.MODEL_PACKAGE_GROUP],
        run,
        backend=run.runs_at,
        model_reference=model,
        metrics=event["metrics"],
        container=container,
    )
    return {"model_package": arn}
