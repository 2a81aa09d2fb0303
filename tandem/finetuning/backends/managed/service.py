"""Managed service, by its key: starts a run's job once, follows it, and sends questions to its models."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tandem_contract.errors import Unavailable
from tandem_contract.run_record import Run
from urllib3.filepost import encode_multipart_formdata

from tandem.models.chat import Completion
from tandem.models.errors import Refused
from tandem.models.openai import OpenAiApi, OpenAiChat
from tandem.runtime.http import JSON
from tandem.runtime.retry import Deadline, retry
from tandem.runtime.secret import Key

from .dialects import RUNNING, SUCCEEDED, Dialect, Status, check

TRIES = 6
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 30.0, 60.0
REQUEST_SECONDS, UPLOAD_SECONDS = 120.0, 1800.0

Result = TypeVar("Result")


class Service:
    """The service of a dialect. Its methods may run in threads; each raises `Refused` or `Unavailable`.

    `url` replaces the dialect's own, for a compatible service. What is busy or away is asked again, six times in all.
    """

    def __init__(self, dialect: Dialect, key: Key, url: str | None = None) -> None:
        self.dialect = dialect
        self._api = OpenAiApi(url or dialect.url, key, dialect.title)
        self._chats: dict[str, OpenAiChat] = {}  # each remembers what its model refused

    def check(self, run: Run, train: bytes) -> None:
        """Refuse what can't be done before anything is sent; raises `Mistakes`."""
        check(self.dialect, run.recipe, len(train.splitlines()))

    def start(self, run: Run, train: bytes, validation: bytes) -> str:
        """Upload the rows (canonical JSONL) and create the run's job; return its id.

        A run has one job: where there is one already, in whatever state, that is returned and nothing is uploaded.
        """
        self.check(run, train)
        if job := self._retried(lambda: self.dialect.find(self._get, run.name)):
            return job
        body = self.dialect.job(run.recipe) | self.dialect.mark(run.name)
        for name, data in {"training": train, "validation": validation}.items():
            body[f"{name}_file"] = self._upload(f"{run.name}-{name}.jsonl", data)

        def create() -> str:
            # A request whose answer was lost may have been carried out: look before each try.
            found = self.dialect.find(self._get, run.name)
            return found or self._id(self._send("POST", self.dialect.jobs, body), "job")

        return self._retried(create)

    def status(self, job: str) -> Status:
        """How a job is doing; one is at its end when its model has a name."""
        now = self._retried(lambda: self.dialect.read(self._get, job))
        if now.state == SUCCEEDED and not now.model:
            return replace(now, state=RUNNING, message=f"{now.message} (the service names no model yet)")
        return now

    def cancel(self, job: str) -> Status:
        """Ask the service to stop a job, and return how it is doing: it may run on for a moment."""
        self._retried(lambda: self._send("POST", f"{self.dialect.jobs}/{job}/cancel"))
        return self.status(job)

    def answer(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        max_tokens: int,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> Completion:
        """What a model says to a conversation; no text is `Refused`."""
        chat = self._chats.setdefault(model, OpenAiChat(self._api, model, extensions=self.dialect.extensions))
        said = self._retried(lambda: chat.chat(messages, max_tokens, Deadline(REQUEST_SECONDS), tools))
        if why := said.missing:
            raise Refused(f"{model} gave no text ({why})")
        return said

    def _upload(self, name: str, data: bytes) -> str:
        fields = {**self.dialect.file_fields(name), "file": (name, data, "application/jsonl")}
        body, kind = encode_multipart_formdata(fields)
        return self._id(
            self._retried(lambda: self._send("POST", self.dialect.upload, body, kind, UPLOAD_SECONDS)), "file"
        )

    def _id(self, answer: Any, what: str) -> str:
        found = answer.get("id") if isinstance(answer, Mapping) else None
        if not isinstance(found, str) or not found:
            raise Refused(f"{self.dialect.title} made a {what} and told no id: {str(answer)[:200]}")
        return found

    def _get(self, path: str) -> Any:
        return self._send("GET", path)

    def _send(self, method: str, path: str, body: Any = b"", kind: str = JSON, seconds: float = REQUEST_SECONDS) -> Any:
        return self._api.call(method, path, body, timeout=seconds, content_type=kind)

    def _retried(self, operation: Callable[[], Result]) -> Result:
        try:
            return retry(
                operation,
                Deadline(math.inf),
                tries=TRIES,
                base=PAUSE_SECONDS,
                cap=LONGEST_PAUSE_SECONDS,
                longest_wait=LONGEST_WAIT_SECONDS,
            )
        except Unavailable as error:
            raise Unavailable(f"{error} ({TRIES} tries): try again later, nothing is lost.") from error
