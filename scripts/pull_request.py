"""What the workflow for pull requests says: who gets a preview, and the comment, created once and then updated.

It runs with the runner's own Python, before anything is installed: standard library only.
"""

import argparse
import http.client
import json
import os
import random
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

FORK = (
    "No preview of {stack}: this pull request comes from a fork, which gets no credentials. A maintainer who has read "
    "its changes can push them to a branch here (`gh pr checkout {number} && git push origin HEAD:fork-{number}`) "
    "and open a pull request from there."
)
VARIABLES = ("AWS_PREVIEW_ROLE", "AWS_REGION", "PULUMI_BACKEND_URL")
MARKER = "<!-- tandem-cost: "
PAGE = 100
TRIES = 6
LONGEST_WAIT = 60.0


class PullRequestError(Exception):
    """A failure whose text says what is wrong and what to do."""


class Busy(Exception):
    """GitHub is to be asked again, after `seconds` if it says so."""

    def __init__(self, reason: str, seconds: float = 0.0):
        super().__init__(reason)
        self.seconds = seconds


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("access", help="say whether this pull request gets a preview")
    commands.add_parser("comment", help="create or update the comment").add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    try:
        access() if options.command == "access" else comment(options.file)
    except PullRequestError as error:
        print(f"::error::{error}")
        return 1
    return 0


def access() -> None:
    """Write the output `allowed`: false for a fork, whose job ends well, with a sentence in its summary."""
    fork = os.environ["HEAD_REPOSITORY"] != os.environ["GITHUB_REPOSITORY"]  # a deleted fork has no name
    if fork:
        sentence = FORK.format(stack=os.environ["STACK"], number=os.environ["PULL_REQUEST"])
        print(f"::notice::{sentence}")
        _append("GITHUB_STEP_SUMMARY", sentence)
    elif missing := _missing():
        raise PullRequestError(
            f"Missing {', '.join(missing)}: enter them in this repository's settings, under Secrets and variables, "
            "Actions (docs/pull-requests.md)."
        )
    _append("GITHUB_OUTPUT", f"allowed={'false' if fork else 'true'}")


def comment(file: Path) -> None:
    """Put the text into the job's summary and into the pull request's one comment with the same first line."""
    if not file.is_file():
        raise PullRequestError("There is no comment to make: `tandem cost` wrote none, and says above why.")
    body = file.read_text(encoding="utf-8")
    marker = body.partition("\n")[0]
    if not marker.startswith(MARKER):
        raise PullRequestError(f"{file.name} has {marker!r} as its first line: it should start with {MARKER!r}.")
    _append("GITHUB_STEP_SUMMARY", body)
    # Looks anew at each try: a lost answer isn't a lost comment.
    print(_patiently(lambda: _create_or_update(marker, body)))


def _missing() -> list[str]:
    missing = [f"the variable {name}" for name in VARIABLES if not os.environ.get(name)]
    secret = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - its name
    if os.environ.get("PULUMI_BACKEND_URL", "").startswith("https://"):
        secret = "PULUMI_ACCESS_TOKEN"  # noqa: S105 - its name
    elif "\nsecretsprovider:" in "\n" + Path(f"stacks/Pulumi.{os.environ['STACK']}.yaml").read_text(encoding="utf-8"):
        return missing  # a key of AWS's, which the role may use
    return missing if os.environ.get(f"HAS_{secret}") == "true" else [*missing, f"the secret {secret}"]


def _create_or_update(marker: str, body: str) -> str:
    issues = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    comments, page = f"{issues}/{os.environ['PULL_REQUEST']}/comments", 1
    while found := _call("GET", f"{comments}?per_page={PAGE}&page={page}"):
        for each in found:
            # A person may quote the marker; a workflow's comments are a bot's.
            by_bot = (each.get("user") or {}).get("type") == "Bot"
            if by_bot and (each.get("body") or "").partition("\n")[0].rstrip("\r") == marker:
                return "Updated " + _call("PATCH", f"{issues}/comments/{each['id']}", {"body": body})["html_url"]
        page += 1
    return "Created " + _call("POST", comments, {"body": body})["html_url"]


def _patiently(action: Callable[[], str]) -> str:
    for waited in range(TRIES):
        try:
            return action()
        except Busy as busy:
            reason, seconds = str(busy), busy.seconds
        if waited + 1 < TRIES:
            # Jobs of several stacks fail together; chance keeps them from coming back together.
            wait = min(seconds, LONGEST_WAIT) + random.uniform(0, min(2.0**waited, LONGEST_WAIT))  # noqa: S311
            print(f"{reason}; trying again in {wait:.1f} s", flush=True)
            time.sleep(wait)
    raise PullRequestError(f"{reason}, {TRIES} times. The text is in the job's summary; run the job again.")


def _call(method: str, path: str, content: Any = None) -> Any:
    """One request to GitHub. Raises `Busy` for what may go better later, `PullRequestError` for the rest."""
    request = urllib.request.Request(  # noqa: S310 - the runner's own address
        os.environ["GITHUB_API_URL"] + path,
        method=method,
        data=None if content is None else json.dumps(content).encode(),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - the same
            return json.load(response)
    except urllib.error.HTTPError as error:
        what = f"GitHub answered {error.code} to {method} {path}"
        said, after = " ".join(error.read(1000).decode(errors="replace").split()), error.headers.get("retry-after", "")
        # A rate limit is a 429, or a 403 that says so.
        if error.code >= 500 or error.code == 429 or (error.code == 403 and "rate limit" in said.lower()):
            raise Busy(what, float(after) if after.isdigit() else 0.0) from error
        remedy = "; the job needs `pull-requests: write`" if error.code in (401, 403, 404) else ""
        raise PullRequestError(f"{what}{remedy}: {said}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: an answer cut off
        raise Busy(f"GitHub didn't answer {method} {path} ({error or type(error).__name__})") from error


def _append(file: str, text: str) -> None:
    with Path(os.environ[file]).open("a", encoding="utf-8") as output:
        output.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
