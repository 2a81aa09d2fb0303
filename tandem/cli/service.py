"""Client of the query API of a stack."""

import json
import random
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from tandem.cli.errors import CommandError

TokenOption = Annotated[
    str | None,
    typer.Option(envvar="TANDEM_TOKEN", help="JWT for a stack with auth: jwt; without one, requests are signed."),
]
# The API gateway gives up on the function at 29 seconds.
REQUEST_TIMEOUT = 35.0
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
        """Send one request and return the answer of the API; raises `CommandError` when there is none."""
        deadline = time.monotonic() + self.patience
        while True:
            status, headers, body = self._post(json.dumps(request).encode())
            if status == 200:
                return json.loads(body)
            reason = _error_text(body)
            if status not in BUSY:
                raise CommandError(self._explain(status, reason))
            wait = _retry_after(headers) + random.uniform(0, 0.5)  # noqa: S311 - spreads callers, no secret
            if time.monotonic() + wait > deadline:
                raise CommandError(f"No answer from {self.url} within {self.patience:.0f} s (last: {status} {reason}).")
            self.say(f"{reason or f'The service answers {status}'}; asking again in {wait:.0f} s.")
            time.sleep(wait)

    def _post(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        from tandem.rag.signed_http import request, signed_request

        headers = {"content-type": "application/json"}
        try:
            if self.token:
                headers["authorization"] = f"Bearer {self.token}"
                response = request("POST", self.url, body, headers=headers, timeout=REQUEST_TIMEOUT)
            else:
                response = signed_request(
                    "POST", self.url, body, service="execute-api", headers=headers, timeout=REQUEST_TIMEOUT
                )
        except OSError as error:
            raise CommandError(f"Can't reach {self.url}: {error}. Is the stack up?") from error
        return response.status, response.headers, response.body

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


def _retry_after(headers: dict[str, str]) -> float:
    """Return the seconds that the service asks us to wait, five if it doesn't say."""
    values = {name.lower(): value for name, value in headers.items()}
    try:
        return max(0.0, float(values["retry-after"]))
    except (KeyError, ValueError):
        return 5.0
