"""Client of the query API of a stack."""

import json
import os
import random
import re
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tandem_contract.errors import TandemError

if TYPE_CHECKING:
    from tandem.runtime.http import Response

# The API gateway gives up on the function at 29 seconds.
REQUEST_SECONDS = 30.0
# Statuses of an API that is there but can't answer at the moment.
BUSY = {429, 502, 503, 504}


class QueryService:
    """Asks the query API; waits while search wakes up.

    `patience` is the longest total wait in seconds over all retries of one request; `say` is told about each wait.
    """

    def __init__(self, url: str, token: str | None, say: Callable[[str], None], patience: float = 180) -> None:
        self.url = url
        self.token = token
        self.say = say
        self.patience = patience

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return the answer of the API; raises `TandemError` when there is none."""
        deadline = time.monotonic() + self.patience
        while True:
            response = self._post(json.dumps(request).encode())
            if response.status == 200:
                return response.json()
            reason = _error_text(response.body)
            if response.status not in BUSY:
                raise TandemError(self._explain(response.status, reason))
            wait = _retry_after(response.headers) + random.uniform(0, 0.5)  # noqa: S311 - spreads callers, no secret
            if time.monotonic() + wait > deadline:
                last = f"{response.status} {reason}"
                raise TandemError(f"No answer from {self.url} within {self.patience:.0f} s (last: {last}).")
            self.say(f"{reason.rstrip('.')} ({response.status}); asking again in {wait:.0f} s.")
            time.sleep(wait)

    def _post(self, body: bytes) -> "Response":
        from tandem.runtime.http import NETWORK_ERRORS

        try:
            return self._send(body)
        except NETWORK_ERRORS as error:
            raise TandemError(f"Can't reach {self.url}: {error}. Is the stack up?") from error

    @cached_property
    def _send(self) -> "Callable[[bytes], Response]":
        """A function that sends a body, with the token or signed."""
        from botocore.awsrequest import AWSRequest
        from botocore.httpsession import URLLib3Session
        from botocore.session import get_session

        from tandem.runtime.http import Response, SignedHttp

        if self.token:
            http = URLLib3Session(timeout=REQUEST_SECONDS)
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}

            def send(body: bytes) -> Response:
                response = http.send(AWSRequest("POST", self.url, headers, body).prepare())
                return Response(response.status_code, response.headers, response.content)

            return send

        session = get_session()
        credentials = session.get_credentials()
        if credentials is None:
            raise TandemError("There are no AWS credentials: set AWS_PROFILE, or sign in with `aws sso login`.")
        signed = SignedHttp(self.url, "execute-api", region_of(self.url, session), credentials)
        return lambda body: signed.request("POST", "", body, timeout=REQUEST_SECONDS)

    def _explain(self, status: int, reason: str) -> str:
        if status in (401, 403) and self.token:
            return (
                f"The API refused the token ({status} {reason}): get a new one and give it as --token or TANDEM_TOKEN."
            )
        if status in (401, 403):
            return (
                f"The API refused these credentials ({status} {reason}): use ones that may call execute-api:Invoke "
                "on it, or, if the stack has auth: jwt, give a token with --token or TANDEM_TOKEN."
            )
        return f"The API refused the request ({status}): {reason}"


def _error_text(body: bytes) -> str:
    """Return the message of an error body; the gateway's own errors have it under `message`."""
    try:
        content = json.loads(body)
        return str(content.get("error") or content.get("message") or content)
    except (ValueError, AttributeError):
        return body[:200].decode(errors="replace")


def region_of(url: str, session: Any) -> str:
    """Return the region to sign for: that of an API Gateway URL, else the configured one."""
    if match := re.search(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.", url):
        return match[1]
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        raise TandemError(f"The region of {url} isn't in it: set AWS_REGION.")
    return region


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that the service asks us to wait, five if it doesn't say."""
    values = {name.lower(): value for name, value in headers.items()}
    try:
        return max(0.0, float(values["retry-after"]))
    except (KeyError, ValueError):
        return 5.0
