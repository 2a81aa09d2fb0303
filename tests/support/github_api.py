"""GitHub's comments on one pull request, on loopback: pages of them, rights, and scripted faults.

What it refuses, and in which words, is by https://docs.github.com/rest/issues/comments, by the page beside it on
troubleshooting the REST API, and by answers that people have reported: a body that is too long in
vebr/jest-lcov-reporter#14 and telia-oss/github-pr-resource#259, a right that is missing in hasura/comment-progress#9.
That a path has no such verb it says with 404.
"""

import contextlib
import json
import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.support.loopback import JsonHandler, serving

REPOSITORY, PULL_REQUEST, TOKEN = "example/tandem", 7, "ghs_token-of-the-job"
CONTEXT = {
    "token": TOKEN,
    "server_url": "https://github.com",
    "repository": REPOSITORY,
    "run_id": 1,
    "workflow": "preview",
}
"""What expressions in a workflow read as `github`, beside the event."""
LONGEST = 65_536  # characters of a comment
VERSIONS = ("2022-11-28",)
RIGHT = {"X-Accepted-GitHub-Permissions": "issues=write; pull_requests=write"}


class Fault(NamedTuple):
    """An answer in place of the real one to the next request of that method; `done`: after doing what was asked."""

    method: str
    status: int
    text: str = "Server Error"
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed
    done: bool = False


@dataclass
class GitHub:
    """The comments, and what was asked for."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    made: int = 0
    may_write: bool = True
    """Whether the token has `pull-requests: write`."""
    late: threading.Barrier | None = None
    """Holds back what creates a comment until as many want to: they all have seen that there is none."""

    def add(self, body: str, login: str, kind: str = "User") -> dict[str, Any]:
        """Add a comment by someone."""
        self.made += 1
        number = 99 + self.made
        page = f"https://github.com/{REPOSITORY}/pull/{PULL_REQUEST}#issuecomment-{number}"
        self.comments.append({"id": number, "body": body, "user": {"login": login, "type": kind}, "html_url": page})
        return self.comments[-1]

    def by_bot(self) -> list[str]:
        """The bodies of the workflow's comments."""
        return [each["body"] for each in self.comments if each["user"]["login"] == "github-actions[bot]"]

    def answer(self, method: str, target: str, headers: Mapping[str, str], text: bytes) -> tuple[int, Any]:
        """Do what was asked, as GitHub does."""
        if headers["authorization"] != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}
        if not headers["user-agent"]:
            return 403, {"message": "Request forbidden by administrative rules."}
        if headers["x-github-api-version"] not in VERSIONS:
            return 400, {"message": "The version of the API isn't supported"}
        url, issues = urlsplit(target), f"/repos/{REPOSITORY}/issues"
        of_all = url.path == f"{issues}/{PULL_REQUEST}/comments"
        known = {f"{issues}/comments/{each['id']}": each for each in self.comments}
        if method == "GET" and of_all:
            query = {key: int(value) for key, (value,) in parse_qs(url.query).items()}
            size = min(query.get("per_page", 30), 100)
            start = (query.get("page", 1) - 1) * size
            return 200, self.comments[start : start + size]
        if not (method == "POST" and of_all) and not (method in ("PATCH", "DELETE") and url.path in known):
            return 404, {"message": "Not Found"}
        if not self.may_write:
            return 403, {"message": "Resource not accessible by integration"}
        if method == "DELETE":
            self.comments.remove(known[url.path])
            return 204, None
        if refused := _refused(text):
            return refused
        body = json.loads(text)["body"]
        if method == "POST":
            return 201, self.add(body, "github-actions[bot]", "Bot")
        known[url.path]["body"] = body
        return 200, known[url.path]


def _refused(text: bytes) -> tuple[int, Any] | None:
    """What is said of a comment that can't be."""
    try:
        content = json.loads(text)
    except ValueError:
        return 400, {"message": "Problems parsing JSON"}
    body = content.get("body") if isinstance(content, dict) else None
    if not isinstance(body, str):
        return 422, {"message": 'Invalid request. "body" wasn\'t supplied.'}
    message = f"Body is too long (maximum is {LONGEST} characters)" if len(body) > LONGEST else "Body can't be blank"
    error = {"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": message}
    fits = bool(body.strip()) and len(body) <= LONGEST
    return None if fits else (422, {"message": "Validation Failed", "errors": [error]})


@contextlib.contextmanager
def serve() -> Generator[GitHub]:
    """Serve a `GitHub` until the block ends."""
    github, lock = GitHub(), threading.Lock()

    class Handler(JsonHandler):
        def answer(self) -> None:
            text = self.rfile.read(int(self.headers.get("content-length") or 0))
            github.requests.append(f"{self.command} {self.path}")
            if github.late and self.command == "POST":
                github.late.wait(10)
            fault = next((each for each in github.faults if each.method == self.command), None)
            if fault:
                github.faults.remove(fault)
            if fault and not fault.done:
                status, content = fault.status, {"message": fault.text}
            else:
                with lock:
                    status, content = github.answer(self.command, self.path, self.headers, text)
                status = fault.status if fault else status
            self.reply(status, content, fault.headers if fault else RIGHT if status == 403 else {})

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer

    with serving(Handler) as url:
        github.url = url
        yield github
