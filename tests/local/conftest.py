"""The local tier: a local cloud of its own, beside the developer's, and the service of `rag-dev` on it."""

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import boto3
import pytest

from localcloud.services.supervisor import PARTS, Part
from tandem.clients.query_service import QueryService
from tests.support.deployer import DEPLOYER, check_calls

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
# Each of pytest's workers has a local cloud of its own, so that the faults of one don't meet the stacks of another.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
HOME = ROOT / ".tandem" / "test" / WORKER
KEEP = "TANDEM_TEST_KEEP" in os.environ  # leaves the local cloud running, and goes on with one that was left


@dataclass
class Cloud:
    """A local cloud and how to run commands on it."""

    environment: dict[str, str]
    home: Path
    git_status_before: str = ""

    def run(
        self, *command: str | Path, check: bool = True, timeout: float = 900, **more
    ) -> subprocess.CompletedProcess:
        """Runs a command in the checkout, as a person would after `eval "$(tandem local env)"`."""
        result = subprocess.run(
            [str(part) for part in command],
            cwd=more.pop("cwd", ROOT),
            env=self.environment | more.pop("env", {}),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and result.returncode:
            pytest.fail(f"{shlex.join(map(str, command))} exited {result.returncode}:\n{result.stdout}{result.stderr}")
        return result

    def tandem(self, *arguments: str | Path, **more) -> subprocess.CompletedProcess:
        return self.run(BIN / "tandem", *arguments, **more)

    def pulumi(self, *arguments: str, env: dict[str, str] | None = None, **more) -> subprocess.CompletedProcess:
        """Runs pulumi; with the checkout's own stacks it is the deployer, whose calls are noted."""
        named = {} if "cwd" in more else {"AWS_SDK_UA_APP_ID": DEPLOYER}
        return self.run("pulumi", *arguments, "--non-interactive", env=named | (env or {}), **more)

    def client(self, service: str):
        """A boto3 client of the emulated account."""
        variables = self.environment
        name = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
        return boto3.client(
            service,
            region_name=variables["AWS_REGION"],
            endpoint_url=variables.get(name, variables["AWS_ENDPOINT_URL"]),
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )

    def process(self, part: str) -> int:
        """The process id of a part of the local cloud."""
        return json.loads((self.home / "run" / f"{part}.json").read_text())["pid"]


def until(condition: Callable[[], object], seconds: float, what: str, every: float = 0.5):
    """Waits for a true value of `condition` and returns it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(every)
    return value


def free_ports(number: int) -> list[int]:
    """Ports in a row, below those that the system gives away; another checkout may use others."""
    for first in range(24566 + 100 * int(WORKER.removeprefix("gw")), 32000, number):
        row = [*range(first, first + number)]
        try:
            with ExitStack() as sockets:
                for port in row:
                    sockets.enter_context(socket.create_server(("127.0.0.1", port)))
        except OSError:
            continue
        return row
    pytest.fail("no ports are free from 24566 to 32000")


def git_status() -> str:
    """What git sees of the checkout."""
    return subprocess.check_output(["git", "status", "--porcelain"], cwd=ROOT, text=True)


@contextmanager
def local_cloud(home: Path, parts: Sequence[Part], *options: str) -> Iterator[Cloud]:
    """An empty local cloud in this folder, stopped and erased at the end."""
    base, before = Cloud({**os.environ, "TANDEM_LOCAL_HOME": str(home)}, home), git_status()
    kept = home / "ports.json"
    if not KEEP:
        base.tandem("local", "down")
        shutil.rmtree(home, ignore_errors=True)
    if not kept.exists():
        home.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(free_ports(len(parts))))
    for part, port in zip(parts, json.loads(kept.read_text()), strict=True):
        base.environment[part.variable] = str(port)
    try:
        base.tandem("local", "up", *options, timeout=1800)
        printed = base.run("bash", "-c", f'eval "$({BIN}/tandem local env)" && env -0').stdout
        yield Cloud(dict(entry.split("=", 1) for entry in printed.split("\0") if "=" in entry), home, before)
    finally:
        if not KEEP:
            base.tandem("local", "down")


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """This worker's local cloud, whose calls are checked at the end."""
    with local_cloud(HOME, PARTS) as started:
        yield started
        check_calls(HOME / "logs" / "calls.log")


@dataclass
class Service:
    """A deployed stack that answers questions, as `rag-dev` with the sample documents in it."""

    cloud: Cloud
    outputs: dict[str, str]
    stack: str = "rag-dev"

    @property
    def bucket(self) -> str:
        return self.outputs["documentsBucket"]

    def put(self, key: str, body: bytes | str) -> None:
        self.cloud.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)

    def delete(self, key: str) -> None:
        self.cloud.client("s3").delete_object(Bucket=self.bucket, Key=key)

    def row(self, key: str) -> dict:
        """The ledger's row of a document, plain values; empty if there is none."""
        table = self.cloud.client("dynamodb")
        name = self.outputs["ledgerTable"]
        active = table.get_item(TableName=name, Key={"pk": {"S": "active"}, "sk": {"S": "active"}})["Item"]
        row_key = {"pk": {"S": f"index#{active['index']['S']}"}, "sk": {"S": f"document#{key}"}}
        return table.get_item(TableName=name, Key=row_key, ConsistentRead=True).get("Item", {})

    def status(self, key: str) -> str | None:
        return self.row(key).get("status", {}).get("S")

    def ask(self, question: str, **fields) -> dict:
        """The service's answer, by a signed call as `tandem ask` makes it."""
        arguments = ["ask", question, "--stack", self.stack, "--json"]
        for name, value in fields.items():
            arguments += [f"--{name.replace('_', '-')}", str(value)]
        return json.loads(self.cloud.tandem(*arguments).stdout)

    @cached_property
    def api(self) -> QueryService:
        """The query API with the local cloud's credentials; several threads may use it."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
                patch.setenv(name, self.cloud.environment[name])
            api = QueryService(self.outputs["queryUrl"], None, say=lambda message: None)
            api.ask({"question": "Is anybody there?", "generate": False})  # reads the credentials
            return api

    def passages(self, question: str, document: str) -> list[dict]:
        """What is found in one document, without generating an answer."""
        request = {"question": question, "filter": {"document": document}, "top_k": 20, "generate": False}
        return self.api.ask(request)["passages"]

    def sweep(self, **event) -> dict:
        """Runs the sweep now, as its schedule would."""
        functions = self.cloud.client("lambda")
        sweeps = [each for each in functions.list_functions()["Functions"] if "sweep" in each["FunctionName"]]
        names = {each["Environment"]["Variables"]["TANDEM_DOCUMENTS_BUCKET"]: each["FunctionName"] for each in sweeps}
        answer = functions.invoke(FunctionName=names[self.bucket], Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())


@pytest.fixture(scope="session")
def service(cloud) -> Service:
    """`rag-dev`, deployed by the real engine, with the samples ingested."""
    cloud.pulumi("up", "--stack", "rag-dev", "--yes")
    outputs = json.loads(cloud.pulumi("stack", "output", "--json", "--stack", "rag-dev").stdout)
    cloud.run(sys.executable, "samples/collect.py", "--to", HOME / "samples")
    cloud.tandem("ingest", HOME / "samples", "--stack", "rag-dev")
    return Service(cloud, outputs)
