"""Client of the query API of a stack."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tandem_contract.errors import TandemError, Unavailable

from tandem.clients import aws, aws_errors
from tandem.runtime.retry import Deadline, Transient, retry

if TYPE_CHECKING:
    from tandem.runtime.http import Http
    from tandem.runtime.secret import Key

# The API gateway gives up on the function at 29 seconds.
REQUEST_SECONDS = 30.0
# Statuses of an API that is there but can't answer at the moment.
BUSY = {429, 502, 503, 504}
PAUSE_SECONDS = 5.0  # where the API doesn't say how long
SPREAD_SECONDS = 0.5  # at most, between callers that were told to come back at the same time
TRIES = 1000  # what ends them is patience


class QueryService:
    """Asks the query API at `url`, with a token or signed by the environment's credentials. Threads may share it.

    `patience` is the longest total wait in seconds over all retries of one request, as long as search wakes up or a
    model is slow; `say` gets a sentence before each wait. Requests are signed for `region`: by default the one that the
    URL names, else the shell's.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        say: Callable[[str], None],
        patience: float = 180,
        region: str | None = None,
    ) -> None:
        self.url = url
        self.token = token
        self.say = say
        self.patience = patience
        self.region = region
        self.waited: Counter[str] = Counter()
        """Seconds by phase, as all answers say it, those without success too."""
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise `TandemError` where there is neither a token nor anything to sign with."""
        _ = self._http

    def ask(self, request: dict[str, Any], deadline: Deadline | None = None) -> dict[str, Any]:
        """The API's answer to a request; raises `Unavailable` when there is none in time, `TandemError` on refusal.

        The `deadline` is `patience` seconds away if none is given, and may be put off meanwhile.
        """
        body, deadline = json.dumps(request).encode(), deadline or Deadline(self.patience)
        began, given = time.monotonic(), deadline.remaining()
        try:
            return retry(lambda: self._once(body), deadline, tries=TRIES, cap=0, waiting=self._waiting)
        except Unavailable as error:
            seconds = max(given, time.monotonic() - began)
            text = f"No answer from {self.url} within {seconds:.0f} s; last: {error}."
            raise Unavailable(text) from error

    def _once(self, body: bytes) -> dict[str, Any]:
        from urllib3.exceptions import ReadTimeoutError

        from tandem.runtime.http import NETWORK_ERRORS, explained

        try:
            response = self._http.request("POST", "", body, timeout=REQUEST_SECONDS)
        except ReadTimeoutError:
            raise self._transient(f"No answer within {REQUEST_SECONDS:.0f} s", 0) from None
        except NETWORK_ERRORS as error:
            problem = self._key.masked(explained(error)) if self._key else explained(error)
            raise TandemError(str(aws_errors.unreachable(self.url, f"{problem}; is the stack up?"))) from error
        waited = phases(_content(response.body))
        with self._lock:
            self.waited.update(waited)
        if response.status == 200:
            try:
                return response.json()
            except ValueError as error:
                raise TandemError(f"{self.url} answered no JSON ({error}): is it the query API?") from error
        reason = _error_text(response.body)
        if response.status in BUSY:
            told = "".join(f", {name} {seconds:.1f} s" for name, seconds in waited.items())
            raise self._transient(f"{reason.rstrip('.')} ({response.status}{told})", response.retry_after)
        raise TandemError(self._explain(response.status, reason))

    def _transient(self, reason: str, wait: float) -> Transient:
        spread = random.uniform(0, SPREAD_SECONDS)  # noqa: S311 - no secret
        return Transient(reason, (wait or PAUSE_SECONDS) + spread)

    def _waiting(self, reason: Transient, seconds: float) -> None:
        self.say(f"{reason}; asking again in {seconds:.0f} s.")

    @cached_property
    def _key(self) -> "Key | None":
        from tandem.runtime.secret import Key

        return Key("", self.token) if self.token else None

    @cached_property
    def _http(self) -> "Http":
        from botocore.session import get_session

        from tandem.runtime.http import Http, SignedHttp

        if self._key:
            return Http(self.url, key=self._key)
        credentials = get_session().get_credentials()
        if credentials is None:
            raise TandemError(aws.NO_CREDENTIALS)
        region = self.region or aws.region_in(self.url) or aws.region()
        return SignedHttp(self.url, "execute-api", region, credentials)

    def _explain(self, status: int, reason: str) -> str:
        if status in (401, 403) and self.token:
            return (
                f"The API refused the token ({status} {reason}): give a new one (--token or TANDEM_TOKEN), "
                "the ID token, or if the stack has userPoolScopes an access token with one of them."
            )
        if status == 403 and "expired" in reason:  # "The security token included in the request is expired"
            return str(aws_errors.EXPIRED)
        if status in (401, 403):
            return (
                f"The API refused these credentials ({status} {reason}): use ones that may call execute-api:Invoke "
                "on it, or, if the stack has auth: jwt, give a token (--token or TANDEM_TOKEN)."
            )
        return f"The API refused the request ({status}): {reason}"


def phases(response: Mapping[str, Any]) -> dict[str, float]:
    """The seconds that a response of the API says it waited for each phase, the longest first; none under a tenth."""
    timings = response.get("timings_ms")  # which the gateway's own errors don't have
    waits = timings.items() if isinstance(timings, dict) else ()
    seconds = [(name, value / 1000) for name, value in waits if name != "total" and value >= 100]
    return dict(sorted(seconds, key=lambda each: -each[1]))


def _content(body: bytes) -> dict[str, Any]:
    """A JSON object, empty if the body is none."""
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _error_text(body: bytes) -> str:
    """The message of an error body; the gateway's own errors have it under `message`."""
    content = _content(body)
    return str(content.get("error") or content.get("message") or content or body[:200].decode(errors="replace"))
