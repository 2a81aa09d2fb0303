"""Lambda handler of the query API: answers POST /query."""

import base64
import functools
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tandem_contract.embedders import min_score
from tandem_contract.errors import Unavailable
from tandem_contract.fields import from_environment
from tandem_contract.names import Metric, Variable
from tandem_contract.settings import QUERY_SETTINGS

from tandem.models.bedrock import BedrockChat
from tandem.rag.answer import gate, generate
from tandem.rag.question import Invalid, Question, parse
from tandem.rag.retrieve import Passage, Retriever, Timings, parse_filters
from tandem.rag.writers import ModelWriter, Writer
from tandem.runtime.clients import client, is_transient
from tandem.runtime.retry import Deadline
from tandem.runtime.telemetry import log, metric

from .shared import ledger, open_embedder, open_index

# API Gateway gives up after 29 seconds; by then the caller must know that waiting helps.
ANSWER_SECONDS = 25.0
RETRY_AFTER_SECONDS = 10
EXCERPT_CHARACTERS = 300
SILENT = {
    "embed": "The embedding model",
    "search": "Search, which takes up to 30 seconds to wake,",
    "ledger": "The index's ledger",
    "rerank": "The model that reranks",
    "generate": "The model that writes",
}
"""Who gave no answer, by phase."""

# Requests are answered in a thread of its own, so that whatever is silent, the caller hears in time.
_pool = ThreadPoolExecutor(4)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of the REST API (proxy integration)."""
    start = time.monotonic()
    left = min(ANSWER_SECONDS, context.get_remaining_time_in_millis() / 1000 - 1)
    deadline = Deadline(left)
    entry: dict[str, Any] = {"request": getattr(context, "aws_request_id", "")}
    timings = Timings()
    try:
        question = parse(_body(event), int(os.environ[Variable.TOP_K]))
        # The work itself stops a little earlier and says what was silent.
        content = _pool.submit(_answer, question, timings, Deadline(left - 1)).result(deadline.remaining())
        content["timings_ms"]["total"] = round((time.monotonic() - start) * 1000, 1)
        status = 200
        entry |= {name: content[name] for name in ("refused", "reason", "index", "model", "usage", "timings_ms")}
    except Invalid as error:
        status, content = 400, {"error": str(error)}
    except Exception as error:  # a caller never sees a stack trace
        entry["detail"] = f"{type(error).__name__}: {error}"
        if isinstance(error, Unavailable | TimeoutError) or is_transient(error):
            message = f"{SILENT.get(timings.last, 'The service')} gave no answer yet. Try again."
            entry["timings_ms"] = timings.values()
            waited = {"retry_after": RETRY_AFTER_SECONDS, "timings_ms": entry["timings_ms"]}
            status, content = 503, {"error": message, **waited}
        else:
            message = f"Internal error; the function's log tells more about request {entry['request']!r}."
            status, content = 500, {"error": getattr(error, "told", "") or message}
    log("query", status=status, milliseconds=round((time.monotonic() - start) * 1000), **entry)
    return _response(status, content)


@functools.cache
def _retriever() -> Retriever:
    reranker = None
    if model := _settings()["reranker"]:
        from tandem.models.rerank import open_reranker  # here: without a reranker no cold start pays for it

        reranker = open_reranker(model, client)
    return Retriever(ledger(), open_index, open_embedder, reranker)


@functools.cache
def _settings() -> dict[str, Any]:
    return from_environment(QUERY_SETTINGS)


@functools.cache
def _writer() -> Writer:
    settings = _settings()
    hosted = ModelWriter(BedrockChat(client("bedrock-runtime"), settings["generator"]))
    if endpoint := settings["endpoint_name"]:
        # Here: without an endpoint no cold start pays for them.
        from tandem.models.endpoint import EndpointChat
        from tandem.models.errors import NobodyThere
        from tandem.rag.fallback_writer import FallbackWriter
        from tandem.runtime.circuit_breaker import CircuitBreaker

        # Asked once: who waits has another model.
        chat = EndpointChat(client("sagemaker-runtime"), endpoint, settings["inference_component"])
        tuned = ModelWriter(chat, tries=1)
        circuit = CircuitBreaker(NobodyThere, lambda state: log("circuit", state=state, endpoint=endpoint))
        return FallbackWriter(tuned, hosted, circuit, lambda reason: log("fallback", reason=reason))
    return hosted


def _answer(question: Question, timings: Timings, deadline: Deadline) -> dict[str, Any]:
    found = _retriever().retrieve(question.text, question.top_k, parse_filters(question.filters), deadline, timings)
    passages, settings = found.passages, _settings()
    # Of the index that was searched: after a change of the embedder the former one may still answer.
    least = min_score(found.version.embedder) if settings["min_score"] == "" else settings["min_score"]
    reason = gate(passages, least)
    content: dict[str, Any] = {"answer": None, "passages": [], "citations": [], "model": None, "usage": None}
    content["retrieved"] = [_place(passage) | {"exact": passage.exact} for passage in passages]
    notes = list(found.notes)
    if question.generate and not reason:
        with timings.phase("generate"):
            answer = generate(_writer(), question.text, passages, deadline)
        reason = answer.reason
        content["answer"], content["model"] = answer.text, answer.model
        content["usage"] = answer.usage and answer.usage._asdict()
        content["passages"] = [_excerpt(answer.passages, marker) for marker in range(1, len(answer.passages) + 1)]
        content["citations"] = [_excerpt(answer.passages, marker) for marker in answer.markers]
        notes += answer.notes
        if endpoint := settings["endpoint_name"]:
            # Its sum is what the hosted model wrote, its count is all answers, its average the share (query_api.py).
            metric(Metric.FALLBACK, int(answer.model != endpoint), "Count", endpoint, Metric.ENDPOINT)
    if not question.generate:
        content["passages"] = [_passage(passages, marker) for marker in range(1, len(passages) + 1)]
    content |= {"refused": reason is not None, "reason": reason, "notes": notes}
    return content | {
        "embedder": found.version.embedder,
        "min_score": least,
        "index": found.version.index,
        "timings_ms": dict.fromkeys(SILENT, 0) | timings.values(),
    }


def _place(passage: Passage) -> dict[str, Any]:
    return {name: getattr(passage, name) for name in ("document", "page", "heading", "score")}


def _excerpt(passages: Sequence[Passage], marker: int) -> dict[str, Any]:
    text = " ".join(passages[marker - 1].text.split())
    if len(text) > EXCERPT_CHARACTERS:
        text = text[: EXCERPT_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"
    return {"marker": marker, **_place(passages[marker - 1]), "excerpt": text}


def _passage(passages: Sequence[Passage], marker: int) -> dict[str, Any]:
    return {"marker": marker, **_place(passages[marker - 1]), "text": passages[marker - 1].text}


def _body(event: dict[str, Any]) -> str:
    body = event.get("body") or ""
    return base64.b64decode(body).decode(errors="replace") if event.get("isBase64Encoded") else body


def _response(status: int, content: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if "retry_after" in content:
        headers["Retry-After"] = str(content["retry_after"])
    return {"statusCode": status, "headers": headers, "body": json.dumps(content, ensure_ascii=False)}
