"""Lambda handler of the register step: registers a tuned model for approval."""

import json
import os
from collections.abc import Mapping
from typing import Any

from tandem_contract.names import Variable

from tandem.finetuning.recipe import served_tokens
from tandem.finetuning.registry import register
from tandem.runtime.clients import client

from .records import read, run_of


def handler(event: Mapping[str, Any], context: Any) -> dict[str, str]:
    """`{"run", "model": S3 prefix, "metrics"}` -> `{"model_package": ARN}`; the same run gives the same package."""
    model = event["model"].rstrip("/") + "/"  # which a prefix has to end in
    run = run_of(event["run"])
    bucket, _, prefix = model.removeprefix("s3://").partition("/")
    config = json.loads(read(bucket, f"{prefix}config.json"))
    context = (config.get("text_config") or config).get("max_position_embeddings")
    # As LMI takes vLLM's `max_model_len` (LMI's guide, "vLLM"): as long as what was evaluated.
    environment = {"OPTION_MAX_MODEL_LEN": str(served_tokens(run.recipe, context))}
    container = {
        "Image": os.environ[Variable.SERVING_IMAGE],
        "Environment": environment | json.loads(os.environ[Variable.SERVING_ENVIRONMENT]),
        "ModelDataSource": {"S3DataSource": {"S3Uri": model, "S3DataType": "S3Prefix", "CompressionType": "None"}},
    }
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
