"""Who writes the answers: a hosted model, or a tuned one with the hosted one behind it."""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import ClientError

from .embed import invoke
from .retry import Deadline, Transient, Unavailable, retry
from .signed_http import NETWORK_ERRORS

MAX_TOKENS = 300
RETRY_SECONDS = 15.0
PAUSE_SECONDS = 30.0


class Written(NamedTuple):
    """A text, and the model that wrote it."""

    text: str
    model: str


class Writer(Protocol):
    """Writes texts."""

    def write(self, instructions: str, prompt: str, deadline: Deadline) -> Written:
        """A text that is never empty. Raises `Unavailable`."""
        ...


class HostedWriter:
    """A Bedrock model."""

    def __init__(self, client: Any, model: str):
        self._client, self._model = client, model

    def write(self, instructions: str, prompt: str, deadline: Deadline) -> Written:
        """Have the model write. Raises `Unavailable`."""
        request = {
            "modelId": self._model,
            "system": [{"text": instructions}],
            "messages": [{"role": "user", "content": [{"text": prompt}]}],
            "inferenceConfig": {"temperature": 0, "maxTokens": MAX_TOKENS},
        }

        def converse() -> str:
            answer = invoke(lambda: self._client.converse(**request))
            text = "".join(part.get("text", "") for part in answer["output"]["message"]["content"]).strip()
            if not text:
                raise Transient(f"{self._model} returned no text (stop reason {answer.get('stopReason')})")
            return text

        # A refusal comes at once and is worth another try; a model that was silent for long would only be asked again
        # behind its own abandoned answer.
        return Written(retry(converse, deadline.within(RETRY_SECONDS), tries=4), self._model)


class TunedWriter:
    """A SageMaker endpoint that takes OpenAI's chat requests, as vLLM's and LMI's containers do.

    `component` is its inference component, where it scales to zero.
    """

    def __init__(self, client: Any, endpoint: str, component: str = ""):
        self._client, self._endpoint = client, endpoint
        self._to = {"EndpointName": endpoint} | ({"InferenceComponentName": component} if component else {})

    def write(self, instructions: str, prompt: str, deadline: Deadline) -> Written:
        """Have the endpoint write, once: who waits has another model. Raises `Unavailable`."""
        if not deadline.remaining():
            raise Unavailable("no time left")
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": prompt}]
        body = json.dumps({"messages": messages, "max_tokens": MAX_TOKENS, "temperature": 0})
        try:
            answer = self._client.invoke_endpoint(**self._to, ContentType="application/json", Body=body)
            text = str(json.loads(answer["Body"].read())["choices"][0]["message"]["content"]).strip()
        except (ClientError, *NETWORK_ERRORS, ValueError, LookupError, TypeError) as error:
            # Also no endpoint, none of its instances, an answer of another shape: whatever the reason, it can't speak.
            raise Unavailable(f"endpoint {self._endpoint}: {error}") from error
        if not text:
            raise Unavailable(f"endpoint {self._endpoint} returned no text")
        return Written(text, self._endpoint)


class FallbackWriter:
    """The first writer while it can, else the second; after a failure the first has a pause of 30 seconds.

    `say` is told of each failure.
    """

    def __init__(self, first: Writer, second: Writer, say: Callable[[str], None]):
        self._first, self._second, self._say = first, second, say
        self._paused_until = 0.0

    def write(self, instructions: str, prompt: str, deadline: Deadline) -> Written:
        """Have one of them write. Raises `Unavailable` when neither can."""
        if time.monotonic() >= self._paused_until:
            try:
                return self._first.write(instructions, prompt, deadline)
            except Unavailable as error:
                self._paused_until = time.monotonic() + PAUSE_SECONDS
                self._say(str(error))
        return self._second.write(instructions, prompt, deadline)
