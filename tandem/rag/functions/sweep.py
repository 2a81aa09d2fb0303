"""Lambda handler of the sweep: runs on a schedule and repairs the index."""

import os
from typing import Any

from tandem_contract.names import Metric, Variable

from tandem.rag.index_version import NO_ACTIVE
from tandem.rag.sweep import Sweep
from tandem.runtime.clients import client
from tandem.runtime.retry import Deadline
from tandem.runtime.telemetry import log, metric

from .shared import ledger, open_index

MARGIN_SECONDS = 15.0


def handler(event: dict[str, Any] | None, context: Any) -> dict[str, Any]:
    """Compare bucket, ledger and index, and return the sweep's `Summary`.

    The payload `{"full": true}` has it look at the index even if the ledger is as it was.
    """
    bucket = os.environ[Variable.DOCUMENTS_BUCKET]
    version = ledger().active()
    if version is None:
        return {"stopped": NO_ACTIVE}
    sweep = Sweep(
        s3=client("s3"),
        bucket=bucket,
        sqs=client("sqs"),
        queue_url=os.environ[Variable.QUEUE_URL],
        ledger=ledger(),
        index=open_index(version),
        version=version,
        deadline=Deadline(context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS),
    )
    summary = sweep.run(full=bool((event or {}).get("full")))
    log("swept", **summary.public())
    if not summary.stopped:
        # One that ended early may not have seen the oldest, and would call a bucket fresh that it hasn't read: it says
        # nothing, as one that raises, and the alarm takes silence for a fault (components/pulumi_tandem/rag/sweep.py).
        metric(Metric.OLDEST_UNINDEXED, round(summary.oldest_unindexed_seconds), "Seconds", bucket)
    return summary.public()
