"""A managed service through its key: starts a run's job once, follows it, and asks its models."""

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from tandem_contract.errors import TandemError
from tandem_contract.run_record import Run

from tandem.runtime.http import NETWORK_ERRORS
from tandem.runtime.retry import Transient, full_jitter

from .dialects import Dialect, Status, check

TRIES = 6
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
TIMEOUTS = (10, 120)  # to connect; for each wait for data, and an answer comes in one piece
VISIBLE_ASCII = re.compile(r"[!-~]+")  # what a header can carry
NO_CREDIT = "insufficient_quota"  # a 429 that waiting doesn't mend

Result = TypeVar("Result")


class ServiceError(TandemError):
    """The service can't or won't do what was asked; the text says why, and the remedy.

    `status` is that of its HTTP answer (0: none) and `code` its own word for what is wrong ("": none).
    """

    def __init__(self, text: str, status: int = 0, code: str = ""):
        super().__init__(text)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Key:
    """An API key, and the secret that it came from; only `secret_id` is ever shown."""

    secret_id: str
    value: str = field(repr=False)


class _Busy(Transient):
    """Asks for another try, after `wait` seconds at least."""

    def __init__(self, text: str, status: int = 0, wait: float = 0):
        super().__init__(text)
        self.status, self.wait = status, wait


def api_key(client: Any, secret_id: str) -> Key:
    """The key in a secret of AWS Secrets Manager: the secret's text, or `api_key` in it if it is JSON.

    `client` is botocore's for Secrets Manager. Raises `ServiceError`; other errors of AWS are botocore's.
    """
    try:
        text = client.get_secret_value(SecretId=secret_id).get("SecretString")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        command = f"aws secretsmanager create-secret --name {secret_id} --secret-string file://key.txt"
        raise ServiceError(f"There is no secret {secret_id!r}: put the service's key into it, `{command}`.") from error
    value = _key(text or "")
    if not VISIBLE_ASCII.fullmatch(value):  # the text itself is never shown
        raise ServiceError(f"The secret {secret_id!r} is neither a key nor JSON with a key under `api_key`.")
    return Key(secret_id, value)


def _key(text: str) -> str:
    if not text.lstrip().startswith("{"):
        return text.strip()
    try:
        return str(json.loads(text).get("api_key", ""))
    except ValueError:
        return ""


class Service:
    """The service of a dialect. Its methods may run in threads; each raises `ServiceError`.

    `url` replaces the dialect's own, for a compatible service. What is busy or away is asked again, six times in all.
    """

    def __init__(self, dialect: Dialect, key: Key, url: str | None = None) -> None:
        self.dialect = dialect
        self.key = key
        self.url = (url or dialect.url).rstrip("/")
        self._http = URLLib3Session(
            verify=os.environ.get("AWS_CA_BUNDLE") or True,
            proxies=get_environ_proxies(self.url),
            timeout=TIMEOUTS,
            socket_options=((6, 1, 1),),
        )

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
            return self.dialect.find(self._get, run.name) or self._once("POST", self.dialect.jobs, body)["id"]

        return self._retried(create)

    def status(self, job: str) -> Status:
        """How a job is doing."""
        return self._retried(lambda: self.dialect.read(self._get, job))

    def cancel(self, job: str) -> Status:
        """Ask the service to stop a job, and return how it is doing: it may run on for a moment."""
        self._retried(lambda: self._once("POST", f"{self.dialect.jobs}/{job}/cancel"))
        return self.status(job)

    def answer(self, model: str, messages: Sequence[Mapping[str, str]], max_tokens: int) -> str:
        """What a model says to a conversation."""
        body = {"model": model, "messages": messages, self.dialect.length: max_tokens, "temperature": 0}
        choice = self._retried(lambda: self._once("POST", "/chat/completions", body))["choices"][0]
        if not (text := choice["message"].get("content")):
            raise ServiceError(f"{model} gave no text (finish_reason: {choice.get('finish_reason')})")
        return text

    def _upload(self, name: str, data: bytes) -> str:
        boundary = secrets.token_hex(16)
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in self.dialect.file_fields(name).items()
        ]
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        parts.append(f"{head}Content-Type: application/jsonl\r\n\r\n")
        body = b"".join([*(part.encode() for part in parts), data, f"\r\n--{boundary}--\r\n".encode()])
        kind = f"multipart/form-data; boundary={boundary}"
        return self._retried(lambda: self._once("POST", self.dialect.upload, body, kind))["id"]

    def _get(self, path: str) -> Any:
        return self._once("GET", path)

    def _retried(self, operation: Callable[[], Result]) -> Result:
        for attempt in range(TRIES):
            try:
                return operation()
            except _Busy as error:
                last, wait = error, max(error.wait, full_jitter(attempt, PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
            if attempt + 1 < TRIES:
                time.sleep(wait)
        # Outside of the handler: what a network error leads back to holds the request, and so the key.
        text = f"{self.dialect.title} can't answer now ({last}; {TRIES} tries): try again later, nothing is lost."
        raise ServiceError(text, last.status)

    def _once(self, method: str, path: str, body: Any = b"", kind: str = "application/json") -> Any:
        """One request; JSON of its answer. Raises `_Busy` or `ServiceError`."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": kind, "User-Agent": "tandem", "Authorization": f"Bearer {self.key.value}"}
        try:
            response = self._http.send(AWSRequest(method, self.url + path, headers, data).prepare())
        except NETWORK_ERRORS as error:
            raise _Busy(self._shown(str(error))) from None
        status, content = response.status_code, _json(response.content)
        if status < 300 and content is not None:
            return content
        reason, code = _problem(content, response.content)
        reason = self._shown(f"{status} {reason}")
        if (status == 429 and code != NO_CREDIT) or status >= 500:
            raise _Busy(reason, status, _retry_after(response.headers))
        if status == 401:
            remedy = f"put a valid one into the secret {self.key.secret_id!r} of AWS Secrets Manager"
            raise ServiceError(f"{self.dialect.title} refused the key: {remedy}.", status, code)
        raise ServiceError(f"{self.dialect.title} answered {method} {path} with {reason}", status, code)

    def _shown(self, text: str) -> str:
        """What may be shown: a service may repeat the key in what it says."""
        return text.replace(self.key.value, "***")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _problem(content: Any, body: bytes) -> tuple[str, str]:
    """Message and code of an error in OpenAI's form, which both services use; else the answer's beginning."""
    error = content.get("error") if isinstance(content, Mapping) else None
    if isinstance(error, Mapping):
        return str(error.get("message")), str(error.get("code") or "")
    return body[:200].decode(errors="replace"), ""


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the service asks us to wait: none if it doesn't say, and not for ever."""
    found = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
    return min(float(found), 2 * LONGEST_PAUSE_SECONDS) if re.fullmatch(r"\d+(\.\d+)?", found) else 0.0
