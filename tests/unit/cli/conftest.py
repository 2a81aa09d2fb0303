"""A stack to talk to: a `pulumi` command on PATH that knows its outputs, and an HTTP server as its query API."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import chat_api
from tests.support.eval_command import lines, say
from tests.support.query_api import Api, serve
from tests.support.stack_state import Resource, exported

FAKE_PULUMI = """#!/bin/sh
[ "$2" = history ] && exec cat pulumi-history
[ "$1" = config ] && exec echo '{}'
echo "$@" > pulumi-arguments
cat pulumi-stdout
cat pulumi-stderr >&2
exit $(cat pulumi-status)
"""


@pytest.fixture
def api() -> Iterator[Api]:
    """The query API of the stack."""
    with serve() as state:
        yield state


@dataclass
class Project:
    """A folder with a Pulumi.yaml in which `pulumi` says what it is told to say."""

    folder: Path

    def pulumi_says(self, stdout: str = "", stderr: str = "", status: int = 0) -> None:
        """Set what the next `pulumi` commands print and how they exit."""
        for name, content in (("stdout", stdout), ("stderr", stderr), ("status", str(status))):
            (self.folder / f"pulumi-{name}").write_text(content)

    def has(self, *made: Resource, **outputs: Any) -> None:
        """Have the stack export these outputs, with these resources of its own in its state."""
        self.pulumi_says(exported(outputs, *made))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: Api) -> Project:
    """A Pulumi project, its stack's outputs set, and credentials to sign with."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "pulumi").write_text(FAKE_PULUMI)
    (binaries / "pulumi").chmod(0o755)
    folder = tmp_path / "project"
    (folder / "deep" / "inside").mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text("name: test\n")
    monkeypatch.chdir(folder / "deep" / "inside")
    monkeypatch.setenv("PATH", f"{binaries}:/usr/bin:/bin")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-real-secret")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "TANDEM_STACK", "TANDEM_ENVIRONMENT", "TANDEM_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    project = Project(folder)
    project.has(queryUrl=api.url, documentsBucket="docs", ledgerTable="ledger")
    return project


@pytest.fixture
def folder(project) -> Path:
    """The folder that the commands run in."""
    return project.folder / "deep" / "inside"


@pytest.fixture
def questions(folder) -> Path:
    """A set of two questions."""
    return lines(
        folder / "set.jsonl",
        {"id": "price", "question": "What does a bunk cost?", "document": "a.md", "reference": "34 francs"},
        {"id": "wifi", "question": "What is the password?", "document": None},
    )


@pytest.fixture
def chat() -> Iterator[chat_api.Chat]:
    """A model behind an OpenAI-compatible URL."""
    with chat_api.serve(say) as state:
        yield state
