"""GitHub's comments on one pull request, on loopback: pages of them, rights, and scripted faults."""

import contextlib
import json
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.support.loopback import JsonHandler, serving

REPOSITORY, PULL_REQUEST, TOKEN = "example/tandem", 7, "ghs_token-of-the-job"


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

    def add(self, body: str, login: str, kind: str = "User") -> dict[str, Any]:
        """Add a comment by someone."""
        number = 100 + len(self.comments)
        page = f"https://github.com/{REPOSITORY}/pull/{PULL_REQUEST}#issuecomment-{number}"
        self.comments.append({"id": number, "body": body, "user": {"login": login, "type": kind}, "html_url": page})
        return self.comments[-1]

    def by_bot(self) -> list[str]:
        """The bodies of the workflow's comments."""
        return [each["body"] for each in self.comments if each["user"]["login"] == "github-actions[bot]"]

    def answer(self, method: str, target: str, content: Any) -> tuple[int, Any]:
        """Do what was asked, as GitHub does."""
        url, issues = urlsplit(target), f"/repos/{REPOSITORY}/issues"
        if content is not None and (set(content) != {"body"} or not 0 < len(content["body"]) <= 65536):
            return 422, {"message": "Validation Failed"}
        if url.path == f"{issues}/{PULL_REQUEST}/comments" and method == "GET":
            query = {key: int(value) for key, (value,) in parse_qs(url.query).items()}
            size = min(query.get("per_page", 30), 100)
            start = (query.get("page", 1) - 1) * size
            return 200, self.comments[start : start + size]
        if url.path == f"{issues}/{PULL_REQUEST}/comments" and method == "POST":
            return 201, self.add(content["body"], "github-actions[bot]", "Bot")
        for each in self.comments:
            if url.path == f"{issues}/comments/{each['id']}" and method == "PATCH":
                each["body"] = content["body"]
                return 200, each
        return 404, {"message": "Not Found"}


@contextlib.contextmanager
def serve() -> Generator[GitHub]:
    """Serve a `GitHub` until the block ends."""
    github = GitHub()

    class Handler(JsonHandler):
        def answer(self) -> None:
            text = self.rfile.read(int(self.headers.get("content-length") or 0))
            github.requests.append(f"{self.command} {self.path}")
            fault = next((each for each in github.faults if each.method == self.command), None)
            if fault:
                github.faults.remove(fault)
            if self.headers["authorization"] != f"Bearer {TOKEN}":
                status, content = 401, {"message": "Bad credentials"}
            elif fault and not fault.done:
                status, content = fault.status, {"message": fault.text}
            else:
                status, content = github.answer(self.command, self.path, json.loads(text) if text else None)
                status = fault.status if fault else status
            self.reply(status, content, fault.headers if fault else {})

        do_GET = do_POST = do_PATCH = answer

    with serving(Handler) as url:
        github.url = url
        yield github
