"""What answers chat messages: a model behind an OpenAI-compatible URL, or behind a SageMaker endpoint."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tandem.rag.retry import Deadline, Transient, retry

Messages = Sequence[Mapping[str, str]]
# Takes messages as the Chat Completions API has them, returns the text of the answer.
Target = Callable[[Messages], str]

RETRIED = {408, 409, 425, 429}
JSON = "application/json"


class TargetError(Exception):
    """The target refused the request or answered nonsense: asking again would not help."""


class OpenAiTarget:
    """A model behind an OpenAI-compatible API; `url` is the base, e.g. `https://api.openai.com/v1`.

    A call raises `tandem.rag.retry.Unavailable` when there is no answer within `seconds`, `TargetError` on refusal.
    """

    def __init__(self, url: str, model: str, key: str | None = None, *, max_tokens: int = 256, seconds: float = 120):
        if not url.startswith(("http://", "https://")):
            raise ValueError(
                f"url is {url!r}: give the base of an OpenAI-compatible API, e.g. http://localhost:8000/v1"
            )
        self._url, self._model, self._max_tokens = f"{url.rstrip('/')}/chat/completions", model, max_tokens
        self._headers = {"Content-Type": JSON} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._seconds = seconds

    def __call__(self, messages: Messages) -> str:
        """The answer."""
        deadline = Deadline(self._seconds)
        body = _body(messages, self._max_tokens) | {"model": self._model}
        request = urllib.request.Request(self._url, json.dumps(body).encode(), self._headers)  # noqa: S310 - checked

        def ask() -> bytes:
            try:
                with urllib.request.urlopen(request, timeout=max(deadline.remaining(), 0.1)) as response:  # noqa: S310
                    return response.read()
            except urllib.error.HTTPError as error:
                text = f"{self._url} answered {error.code}: {error.read()[:500].decode(errors='replace')}"
                if error.code in RETRIED or error.code >= 500:
                    raise Transient(text) from error
                raise TargetError(text) from error
            except OSError as error:  # no connection, reset, timed out
                raise Transient(f"{self._url}: {error}") from error

        return _answer(retry(ask, deadline), self._url)


class EndpointTarget:
    """A model behind a SageMaker endpoint that speaks OpenAI's chat format, as vLLM's and LMI's containers do.

    `client` is boto3's or botocore's `sagemaker-runtime`; `component` is the inference component of an endpoint that
    scales to zero. Raises as `OpenAiTarget` does.
    """

    def __init__(self, client: Any, endpoint: str, *, component: str = "", max_tokens: int = 256, seconds: float = 120):
        self._client, self._endpoint, self._max_tokens, self._seconds = client, endpoint, max_tokens, seconds
        self._to = {"EndpointName": endpoint} | ({"InferenceComponentName": component} if component else {})

    def __call__(self, messages: Messages) -> str:
        """The answer."""
        from botocore.exceptions import BotoCoreError, ClientError

        from tandem.rag.clients import is_transient

        body = json.dumps(_body(messages, self._max_tokens)).encode()

        def ask() -> bytes:
            try:
                answer = self._client.invoke_endpoint(**self._to, ContentType=JSON, Accept=JSON, Body=body)
                return answer["Body"].read()
            except (BotoCoreError, ClientError) as error:
                kind = Transient if is_transient(error) else TargetError
                raise kind(f"endpoint {self._endpoint}: {error}") from error

        return _answer(retry(ask, Deadline(self._seconds)), f"endpoint {self._endpoint}")


def _body(messages: Messages, max_tokens: int) -> dict[str, Any]:
    return {"messages": [dict(message) for message in messages], "max_tokens": max_tokens, "temperature": 0}


def _answer(content: bytes, subject: str) -> str:
    try:
        answer = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError) as error:
        raise TargetError(f"{subject} answered no chat completion: {content[:200].decode(errors='replace')}") from error
    return answer or ""
