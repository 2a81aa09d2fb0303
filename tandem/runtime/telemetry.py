"""Log lines and metrics, both as JSON on standard output, which Lambda sends to CloudWatch."""

import json
import time
from typing import Any

from tandem_contract.names import Metric


def log(event: str, **fields: Any) -> None:
    """Write one structured log line."""
    print(json.dumps({"event": event, **fields}, ensure_ascii=False, default=str), flush=True)


def metric(name: str, value: float, unit: str, of: str, dimension: str = Metric.BUCKET) -> None:
    """Write a metric of a documents bucket, or of another thing, in the embedded metric format.

    CloudWatch reads it from the log. It bills in the hours in which it is written, $0.30 for a whole month of them.
    """
    definition = {"Namespace": Metric.NAMESPACE, "Dimensions": [[dimension]], "Metrics": [{"Name": name, "Unit": unit}]}
    line = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [definition]},
        dimension: of,
        name: value,
    }
    print(json.dumps(line), flush=True)
