"""Lambda handler of the queue: indexes documents that were added, changed or deleted."""

import json
import os
from collections.abc import Iterable
from typing import Any

from tandem_contract.fields import from_environment
from tandem_contract.names import Metric, Variable
from tandem_contract.settings import INGEST_SETTINGS

from tandem.rag.ingest import Ingester, Outcome
from tandem.runtime.clients import client
from tandem.runtime.retry import Deadline, full_jitter
from tandem.runtime.telemetry import log, metric

from .shared import ledger, open_embedder, open_index

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5, 900
MARGIN_SECONDS = 10.0  # to report what happened before the function is ended
SOURCES = ("aws.s3", "tandem.sweep")
REASON_CHARACTERS = 1000


class Undeliverable(Exception):
    """A message that names no document of ours."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Make index and ledger equal to each document that the batch names; report the messages to be tried again.

    A message that no retry can help, and one at its last attempt, goes to the dead-letter queue with its `reason`, and
    is done: of what SQS itself moves there nobody learns why.
    """
    deadline = Deadline(context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS)
    documents = _by_document(event["Records"])
    reasons: dict[str, str] = {}
    try:
        for document, outcome in _ingester().converge_all(list(documents), deadline) if documents else ():
            try:
                _report(document, documents[document][0], outcome)
                del documents[document]
            except Exception as error:  # whatever it is, the queue tries again, and gives up after its maximum
                reasons[document] = f"{type(error).__name__}: {error}"
                log("document failed", document=document, error=reasons[document])
    except Exception as error:
        reasons = dict.fromkeys(documents, f"{type(error).__name__}: {error}") | reasons
        log("documents failed", documents=list(documents), error=f"{type(error).__name__}: {error}")
    failed = [
        record
        for document, records in documents.items()
        for record in records
        if not _given_up(record, document, reasons.get(document, ""))
    ]
    for record in failed:
        _postpone(record)
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}


def _by_document(records: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The batch's messages by document, so that each is worked on once; those that name none are dead-lettered."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        try:
            found.setdefault(_document(record["body"]), []).append(record)
        except Undeliverable as error:
            _dead_letter(record, str(error))
    return found


def _document(body: str) -> str:
    """The key that a message names. EventBridge gives keys as they are, not URL-encoded."""
    try:
        message = json.loads(body)
        source, detail = message["source"], message["detail"]
        bucket, key = detail["bucket"]["name"], detail["object"]["key"]
    except (ValueError, KeyError, TypeError) as error:
        raise Undeliverable(f"not an S3 event of EventBridge ({type(error).__name__}: {error})") from error
    if source not in SOURCES or bucket != os.environ[Variable.DOCUMENTS_BUCKET] or not isinstance(key, str) or not key:
        raise Undeliverable(f"an event of source {source!r} about bucket {bucket!r}, key {key!r}: not one of ours")
    return key


def _ingester() -> Ingester:
    limit = from_environment(INGEST_SETTINGS)["max_document_megabytes"]
    bucket = os.environ[Variable.DOCUMENTS_BUCKET]
    return Ingester(client("s3"), bucket, ledger(), open_index, open_embedder, limit)


def _report(document: str, record: dict[str, Any], outcome: Outcome | Exception) -> None:
    """Say what became of a document, and to whom it matters; raises what stopped it."""
    if isinstance(outcome, Exception):
        raise outcome
    status = outcome.status + (" with warnings" if outcome.warnings and outcome.status == "indexed" else "")
    facts = {"chunks": outcome.chunks, "reason": outcome.reason, "warnings": outcome.warnings}
    log("document " + status, document=document, **facts)
    if outcome.status == "unfinished":
        # A message of its own: going on is no failure, and shouldn't count as one.
        client("sqs").send_message(QueueUrl=os.environ[Variable.QUEUE_URL], MessageBody=record["body"])
    if outcome.status == "rejected":
        _dead_letter(record, outcome.reason, document)
    if outcome.lag_seconds is not None:
        metric(
            Metric.INDEX_LAG, round(outcome.lag_seconds * 1000), "Milliseconds", os.environ[Variable.DOCUMENTS_BUCKET]
        )


def _given_up(record: dict[str, Any], document: str, reason: str) -> bool:
    """Whether that was the last attempt, and the message is in the dead-letter queue."""
    if int(record["attributes"]["ApproximateReceiveCount"]) < int(os.environ[Variable.MAX_RECEIVES]):
        return False
    try:
        _dead_letter(record, reason, document)
    except Exception as error:  # SQS moves it, without a reason
        log("message not dead-lettered", document=document, error=f"{type(error).__name__}: {error}")
        return False
    return True


def _dead_letter(record: dict[str, Any], reason: str, document: str = "") -> None:
    """Copy a message to the dead-letter queue as it came, so that it can be redriven when its cause is mended."""
    printable = "".join(character if character.isprintable() else " " for character in reason)
    attributes = {"reason": printable[:REASON_CHARACTERS], "document": document}
    client("sqs").send_message(
        QueueUrl=os.environ[Variable.DEAD_LETTER_QUEUE_URL],
        MessageBody=record["body"],
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
        },
    )
    log("message dead-lettered", document=document, reason=reason)


def _postpone(record: dict[str, Any]) -> None:
    """Show the message again after a pause that doubles with each receive, instead of the visibility time-out."""
    receives = int(record["attributes"]["ApproximateReceiveCount"])
    pause = full_jitter(receives - 1, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
    try:
        client("sqs").change_message_visibility(
            QueueUrl=os.environ[Variable.QUEUE_URL],
            ReceiptHandle=record["receiptHandle"],
            VisibilityTimeout=max(FIRST_PAUSE_SECONDS, round(pause)),
        )
    except Exception as error:  # it comes back anyway, only later
        log("message not postponed", error=f"{type(error).__name__}: {error}")
