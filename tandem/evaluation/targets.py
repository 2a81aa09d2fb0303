"""Evaluation targets: a model alone, or a RAG stack."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tandem_contract.errors import TandemError

from tandem.models.chat import ChatModel
from tandem.runtime.retry import Deadline, retry

from .refusals import is_refusal
from .runs import Reply

Ask = Callable[[str], Reply]
"""Takes a question; a `TandemError` is a reply's `error`. The reply's `question` and times are the runner's."""

BUSY_TRIES = 10_000  # what ends them is the time


def asking(model: ChatModel, system: str | None = None, *, max_tokens: int = 256, seconds: float = 120) -> Ask:
    """A model that takes a question, after a system message; it refuses by the mark that RAG's prompt asks for.

    What may help is tried again: as long as there are `seconds` left where the service says that it is busy, else a few
    times.
    """
    before = [{"role": "system", "content": system}] if system else []

    def ask(question: str) -> Reply:
        deadline = Deadline(seconds)
        messages = [*before, {"role": "user", "content": question}]
        answer = retry(lambda: model.chat(messages, max_tokens, deadline), deadline, busy_tries=BUSY_TRIES)
        read, written = answer.usage or (None, None)
        return Reply(
            text=answer.text,
            refused=is_refusal(answer.text),
            model=answer.model,
            answered_by=answer.answered_by or None,
            fingerprint=answer.fingerprint or None,
            ended=answer.ended,
            thought=bool(answer.thought),
            input_tokens=read,
            output_tokens=written,
        )

    return ask


def of_query_api(response: Any) -> Reply:
    """The reply in a response of the query API; raises `TandemError` for one of another shape."""
    try:
        citations, usage = response["citations"], response.get("usage") or {}
        retrieved = response.get("retrieved")
        return Reply(
            text=_text(response["answer"]),
            refused=bool(response["refused"]),
            cited=_documents(citations),
            retrieved=None if retrieved is None else _documents(retrieved),
            model=response.get("model"),
            input_tokens=_count(usage.get("input_tokens")),
            output_tokens=_count(usage.get("output_tokens")),
            score=max((float(passage["score"]) for passage in retrieved or citations), default=None),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise TandemError(f"the response has another shape ({type(error).__name__}: {error})") from error


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"the text is {value!r}")
    return value and value.encode(errors="replace").decode()  # half a surrogate pair can't be stored


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _documents(places: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(place["document"]) for place in places))
