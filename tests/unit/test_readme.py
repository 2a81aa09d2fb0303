"""What the README says that something else decides."""

import hashlib
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from scripts.recorder import ROOT, record, record_stack
from tandem.cost.estimate import assess
from tandem.cost.model import Number, Resource
from tests.support import query_api
from tests.support.readme import CURL, QUESTION, README
from tests.unit.cost.estimates import ASSUMED

NUMBERS = ("Idle floor, a month", "One fine-tuning run, expected", "One fine-tuning run, at most", "1,000 RAG queries")


@pytest.mark.parametrize("stack", ["rag-dev", "finetune-dev", "hybrid-dev"])
def test_prices_are_those_of_the_reviewed_comments(stack):
    comment = (ROOT / "tests" / "local" / "goldens" / f"{stack}.md").read_text()
    after = [re.search(rf"^\| {name} \| [^|]+ \| ([^|]+) \|", comment, re.MULTILINE)[1] for name in NUMBERS]
    idle, expected, most, questions = ("" if each == "none" else each for each in after)
    run = f"{expected}, {most}" if expected else ""
    row = f"| `{stack}` | {idle} | {run} | {questions} |"
    assert re.sub(" +", " ", row) in README


def test_prices_of_training_on_eks_are_those_of_what_the_stack_registers():
    """No comment of it is recorded: its preview asks a cluster that the local tier hasn't."""
    text = (ROOT / "stacks" / "Pulumi.finetune-eks-dev.yaml").read_text()
    made = record_stack({key: str(value) for key, value in yaml.safe_load(text)["config"].items()})
    priced = [each for each in made.resources if each.custom]
    there = [Resource(each.name, each.type, each.name, "", "us-east-1", each.inputs) for each in priced]
    for resource, each in zip(there, priced, strict=True):
        names = {name: tuple(other for other in there if other.name in of) for name, of in each.references.items()}
        resource.references.update(names)
    bills = [assess(each, ASSUMED) for each in there]
    idle, expected, most = (sum(each.usd(number) for each in bills) for number in [*Number][:3])
    assert f"| `finetune-eks-dev` | ${idle:.2f} + ? | ${expected:.2f}, ${most:.2f} | |" in README


@pytest.mark.parametrize("page", ["README.md", "docs/your-program.md"])
def test_programs_of_ones_own_pass_the_type_checker(page, tmp_path):
    """And no string where an enum is wanted passes it, which is why they have enums."""
    (program,) = re.findall(r"```python\n(.+?)```", (ROOT / page).read_text(), re.DOTALL)
    (tmp_path / "as_shown.py").write_text(program)
    (tmp_path / "by_text.py").write_text(program.replace("Retention.ERASE", '"erase"'))
    checked = {name: types_of(tmp_path / f"{name}.py") for name in ("as_shown", "by_text")}
    assert checked["as_shown"].returncode == 0, checked["as_shown"].stdout
    assert "Retention" in checked["by_text"].stdout


def types_of(program: Path) -> subprocess.CompletedProcess:
    command = [Path(sys.executable).with_name("ty"), "check", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_program_makes_a_service(tmp_path):
    (program,) = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    (tmp_path / "program.py").write_text(program)
    made = record(lambda: runpy.run_path(str(tmp_path / "program.py")))
    assert made.outputs["queryUrl"].endswith("/query")


KEY, SECRET = "AKIDEXAMPLE", "not/a+real=secret"
PULUMI = """#!/bin/sh
case "$3" in region) echo us-west-2 ;; queryUrl) echo {url} ;; esac
"""


def signature(headers: Mapping[str, str], path: str, body: str) -> str:
    """The signature of a request by SDK and secret, from the headers that the request says it signs (SigV4)."""
    signed = re.search("SignedHeaders=([^,]+),", headers["authorization"])[1].split(";")
    lines = [*(f"{name}:{' '.join(headers[name].split())}" for name in signed), "", ";".join(signed)]
    canonical = "\n".join(["POST", path, "", *lines, hashlib.sha256(body.encode()).hexdigest()])
    signer, request = SigV4Auth(Credentials(KEY, SECRET), "execute-api", "us-west-2"), AWSRequest()
    request.context["timestamp"] = headers["x-amz-date"]
    return signer.signature(signer.string_to_sign(request, canonical), request)


@pytest.mark.parametrize("token", ["", "temporary/token=="])
def test_its_curl_signs_with_the_keys_of_the_shell_for_the_stacks_region(token, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("there is no curl here")
    with query_api.serve() as api:
        api.replies = [(200, {}, query_api.answer("a"))]
        (tmp_path / "pulumi").write_text(PULUMI.format(url=api.url))
        (tmp_path / "pulumi").chmod(0o755)
        variables = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": token}
        variables["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
        shell = {name: value for name, value in variables.items() if value}
        done = subprocess.run(["bash", "-c", CURL], env=shell, capture_output=True, text=True, check=False)
    assert (done.returncode, len(api.requests)) == (0, 1), done.stderr
    (headers,) = api.headers
    assert headers.get("x-amz-security-token", "") == token
    assert ("x-amz-security-token" in headers["authorization"]) == bool(token)
    assert "/us-west-2/execute-api/aws4_request" in headers["authorization"]
    assert headers["authorization"].endswith(f"Signature={signature(headers, '/dev/query', QUESTION)}")
