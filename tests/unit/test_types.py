"""Type checkers on programs of users: they take every one that is shown, and find mistakes in arguments and outputs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.readme import ROOT

PAGES = [ROOT / "README.md", ROOT / "docs" / "your-program.md"]
MISTAKES = """\
import pulumi
from pulumi_tandem import (
    Auth,
    HybridEnvironment,
    IngestionPipeline,
    NodeTaint,
    RagEnvironment,
    RoleRules,
    ServerlessVectorStore,
)

RagEnvironment("right")
RagEnvironment("right", {"tags": {"team": pulumi.Output.from_input("field-service")}, "auth": Auth.IAM})
common: dict[str, str] = {"team": "field-service"}
RagEnvironment("right", {"tags": common})
roles = ["arn:aws:iam::123456789012:role/notebooks"]
RagEnvironment("right", {"store_readers": roles})
scopes: list[pulumi.Output[str]] = [pulumi.Output.from_input("handbook/ask")]
RagEnvironment("right", {"auth": Auth.JWT, "user_pool_scopes": scopes})
rules: RoleRules = {"path": "/acme/"}
HybridEnvironment("right", {"roles": rules, "finetuning": {"cluster": {"node_tags": common, "admins": roles}}})
RagEnvironment("key", {"chunk_token": 150})  # wrong
RagEnvironment("kind", {"chunk_tokens": "150"})  # wrong
RagEnvironment("choice", {"retention": Auth.IAM})  # wrong
RagEnvironment("output", {"generator": pulumi.Output.from_input("amazon.nova-lite-v1:0")})  # wrong
HybridEnvironment("within", {"rag": {"dimensions": 1.5}})  # wrong
pulumi.export("queryUrl", RagEnvironment("result").query_uri)  # wrong
taint: NodeTaint = {"effect": "NoSchedule"}
store = ServerlessVectorStore("vectors", {"ledger_table": "ledger"})
IngestionPipeline("without", {"ledger_table": "ledger", "store_name": store.store_name})  # wrong
"""
MYPY = """\
[mypy]
# The SDKs of AWS and Kubernetes are 250 services, which nobody waits for: what comes from them is anything.
[mypy-pulumi_aws.*,pulumi_kubernetes.*]
follow_imports = skip
"""


def shown():
    """Whole programs, by where they are shown: those that import pulumi."""
    found = {f"example_{file.parent.name}": file.read_text() for file in (ROOT / "examples").glob("*/__main__.py")}
    for page in PAGES:
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        whole = [block for block in blocks if "import pulumi\n" in block]
        assert whole, page
        found |= {f"{page.stem}_{number}": block for number, block in enumerate(whole)}
    return {re.sub(r"\W", "_", name): text for name, text in found.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("programs")
    for name, text in {**shown(), "mistakes": MISTAKES}.items():
        (made / f"{name}.py").write_text(text)
    (made / "mypy.ini").write_text(MYPY)
    (made / "pyrightconfig.json").write_text("{}")
    return made


def run(folder, *command, **environment):
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr  # errors were found, and nothing else went wrong
    return done.stdout


def mypy(folder):
    """What it finds: file, line and text of each error."""
    lines = run(folder, "mypy", "--output", "json", "--cache-dir", os.devnull, ".").splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [(each["file"], each["line"], each["message"]) for each in found if each["severity"] == "error"]


def pyright(folder):
    # Both are in wheels; it would look for another Node.js, and for a newer release of itself.
    local = {"PYRIGHT_PYTHON_GLOBAL_NODE": "0", "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    found = json.loads(run(folder, "pyright", "--outputjson", "--pythonpath", sys.executable, **local))
    return [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["message"])
        for each in found["generalDiagnostics"]
        if each["severity"] == "error"
    ]


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_programs_that_are_shown_have_no_error_and_each_planted_mistake_is_found(folder, checker):
    found = checker(folder)
    assert [each for each in found if each[0] != "mistakes.py"] == []
    wrong = [number for number, line in enumerate(MISTAKES.splitlines(), 1) if line.endswith("# wrong")]
    assert len(wrong) == 7
    assert sorted({line for _, line, _ in found}) == wrong
