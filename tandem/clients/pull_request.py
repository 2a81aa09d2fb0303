"""A pull request on GitHub, and its one comment of a kind: created once, found again by its first line, updated."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from tandem_contract.errors import TandemError

from tandem.runtime.http import NETWORK_ERRORS, Http, explained, printable
from tandem.runtime.retry import Deadline, Transient, retry
from tandem.runtime.secret import Key

HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "tandem"}
PAGE = 100
TRIES, LONGEST_WAIT = 6, 60.0
SECONDS = 30  # for one request


class PullRequest:
    """Pull request `number` of a `repository` (OWNER/NAME), asked for at `api` with a token that may write to it."""

    def __init__(self, repository: str, number: int, token: str, api: str):
        self._http, self._issues = Http(api, HEADERS, Key("GITHUB_TOKEN", token)), f"/repos/{repository}/issues"
        self._comments = f"{self._issues}/{number}/comments"

    def comment(self, body: str, say: Callable[[str], None], *, create: bool = True) -> str:
        """Put a text into the comment of a bot's that has the same first line, or a new one: what was done, and where.

        There is one such comment in the end, also where several write at once: the text of one of them. `create`:
        whether there has to be one if there was none. `say` is told why it waits. Raises `TandemError` where GitHub
        refuses, or is busy at each try.
        """

        def waiting(error: Transient, seconds: float) -> None:
            say(f"{error}; trying again in {seconds:.1f} s")

        # Looks anew at each try: a lost answer isn't a lost comment.
        return retry(
            lambda: self._create_or_update(body, create),
            Deadline(TRIES * (SECONDS + LONGEST_WAIT)),
            tries=TRIES,
            base=1.0,
            cap=LONGEST_WAIT,
            longest_wait=LONGEST_WAIT,
            waiting=waiting,
        )

    def _create_or_update(self, body: str, create: bool) -> str:
        marker = body.partition("\n")[0]
        found = list(self._of(marker))
        if not found and not create:
            return "There is no comment, and none is made"
        if not found:
            made = self._call("POST", self._comments, {"body": body})
            # GitHub has no way to create it only where there is none: who else wrote has the first, and ours goes.
            found = list(self._of(marker))
            if not found or found[0]["id"] == made["id"]:
                return f"Created {made['html_url']}"
        first, *others = found
        url = self._call("PATCH", f"{self._issues}/comments/{first['id']}", {"body": body})["html_url"]
        for each in others:
            self._call("DELETE", f"{self._issues}/comments/{each['id']}")
        return f"Updated {url}"

    def _of(self, marker: str) -> Iterator[dict[str, Any]]:
        """The comments of bots that begin with that line, the oldest first, as GitHub lists them."""
        page = 1
        while found := self._call("GET", f"{self._comments}?per_page={PAGE}&page={page}"):
            for each in found:
                # A person may quote the first line; a workflow's comments are a bot's.
                by_bot = (each.get("user") or {}).get("type") == "Bot"
                if by_bot and (each.get("body") or "").partition("\n")[0].rstrip("\r") == marker:
                    yield each
            page += 1

    def _call(self, method: str, path: str, content: Any = None) -> Any:
        """What GitHub answers. Raises `Transient` for what may go better later, `TandemError` for the rest."""
        try:
            body = b"" if content is None else json.dumps(content).encode()
            answer = self._http.request(method, path, body, timeout=SECONDS)
            said = printable(answer.body[:1000].decode(errors="replace"))
            if answer.status < 300:
                return answer.json() if answer.body else None
            if method == "DELETE" and answer.status == 404:
                return None  # another has deleted it
        except NETWORK_ERRORS as error:
            raise Transient(f"GitHub didn't answer {method} {path} ({explained(error)})") from error
        except ValueError as error:
            raise Transient(f"GitHub's answer to {method} {path} is no JSON") from error
        what = f"GitHub answered {answer.status} to {method} {path}"
        # A rate limit is a 429, or a 403 that says so.
        if answer.status >= 500 or answer.status == 429 or (answer.status == 403 and "rate limit" in said.lower()):
            raise Transient(what, answer.retry_after)
        remedy = "; the token needs `pull-requests: write`" if answer.status in (401, 403, 404) else ""
        raise TandemError(f"{what}{remedy}: {said}")
