"""Endpoints: a process that serves a model, and the calls that go to it."""

import os
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from itertools import product
from pathlib import Path
from subprocess import Popen

import tandem_contract
from botocore.exceptions import BotoCoreError, ClientError

import tandem
from localcloud import paths
from localcloud.differences import NO_MODEL
from localcloud.services import Refused, supervisor
from localcloud.services.sagemaker.records import (
    ACCOUNT,
    BUSY,
    Json,
    Records,
    arn,
    download,
    now,
    training_python,
)

FOLDER = paths.SAGEMAKER / "endpoints"
# Runs in the environment with torch, which has neither distribution: what generates is the product's.
SERVE = Path(__file__).with_name("serve.py")
PRODUCT = os.pathsep.join(str(Path(str(package.__file__)).parents[1]) for package in (tandem, tandem_contract))
START_SECONDS = 480
ANSWER_SECONDS = 60
RESTARTS = 3


class NotServing(Exception):
    """The model can't be served; the text says why."""


class Server:
    """A process that serves the model below `uri` on a free port of loopback, once `start` returns."""

    def __init__(self, endpoint: str, uri: str, environment: dict[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder, self.log = FOLDER / f"{endpoint}-{self.port}", paths.LOGS / f"endpoint-{endpoint}.log"
        self.record = paths.RUN / f"sagemaker-endpoint-{endpoint}-{self.port}.json"
        self.uri, self.environment = uri, environment
        self.process: Popen[bytes] | None = None

    def start(self) -> None:
        """Raises NotServing where the model doesn't answer its ping."""
        try:
            python = training_python()
            if not self.folder.exists() and not download(self.uri, self.folder):
                raise NotServing(f"Could not find model data at {self.uri}.")
        except (Refused, ClientError, BotoCoreError, OSError) as error:
            raise NotServing(str(error)) from error
        environment = {key: value for key, value in os.environ.items() if key.startswith("AWS_")} | {
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": PRODUCT,
            "PYTHONUNBUFFERED": "1",
            **self.environment,
        }
        serve = [python, "-P", SERVE, self.folder, "--port", str(self.port)]
        self.process = supervisor.spawn(self.record, self.log, serve, environment)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                supervisor.end([self.record])
                end = "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
                raise NotServing(f"The container did not pass the ping health check. The end of {self.log}:\n{end}")
            time.sleep(0.3)

    def end(self) -> None:
        supervisor.end([self.record])
        if self.process:
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False


class Endpoints:
    """The server of each endpoint in service."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.servers: dict[str, Server] = {}
        for endpoint in records.kinds["Endpoint"].values():  # after a start
            if endpoint["EndpointStatus"] in ("InService", "Updating"):
                endpoint["EndpointStatus"] = "SystemUpdating"

    def resume(self) -> None:
        """Serve again what was served before a start."""
        shutil.rmtree(FOLDER, ignore_errors=True)
        for endpoint in self.records.kinds["Endpoint"].values():
            if endpoint["EndpointStatus"] != "Failed":
                self.deploy(endpoint, endpoint["EndpointConfigName"], endpoint["EndpointStatus"])

    def deploy(self, endpoint: Json, config: str, status: str) -> None:
        """Have the endpoint serve the model of this configuration in a while; until then it has this status."""
        endpoint.update(EndpointStatus=status, LastModifiedTime=now())
        threading.Thread(target=self._deploy, args=(endpoint, config), daemon=True).start()

    def delete(self, endpoint: Json) -> None:
        """End its server; to be called when the record is gone."""
        if server := self.servers.pop(endpoint["EndpointName"], None):
            threading.Thread(target=server.end).start()

    def _deploy(self, endpoint: Json, config: str) -> None:
        name, failure = endpoint["EndpointName"], ""
        server, variants = None, []
        try:
            uri, environment, variants = self._model(config)
            if uri:
                server = Server(name, uri, environment)
                server.start()
        except (NotServing, Refused) as error:
            failure = str(error)
        with self.records.changing():
            gone = self.records.kinds["Endpoint"].get(name) is not endpoint
            old = None if gone or failure else self.servers.get(name)
            endpoint["LastModifiedTime"] = now()
            if failure and not gone:
                # A failed update is rolled back: what served goes on.
                endpoint["EndpointStatus"] = "InService" if name in self.servers else "Failed"
                endpoint["FailureReason"] = failure[:1024]
            elif not gone:
                if server:
                    self.servers[name] = server
                endpoint.pop("FailureReason", None)
                endpoint.update(EndpointStatus="InService", EndpointConfigName=config, ProductionVariants=variants)
        if server and (gone or failure):
            server.end()
            return
        if old:
            old.end()
        if server:
            self._watch(endpoint, server)

    def _watch(self, endpoint: Json, server: Server) -> None:
        """Start the server again when it dies, a few times, unless it isn't the endpoint's any more."""
        name, failure = endpoint["EndpointName"], ""
        for _ in range(RESTARTS):
            if server.process:
                server.process.wait()
            if self.servers.get(name) is not server:
                return server.end()  # perhaps a second time, for what was started meanwhile
            try:
                server.start()
            except NotServing as error:
                failure = str(error)
        if server.process:
            server.process.wait()
        with self.records.changing():
            if self.servers.get(name) is server:
                del self.servers[name]
                reason = f"The model server ended {RESTARTS + 1} times. {failure}"
                endpoint.update(EndpointStatus="Failed", FailureReason=reason[:1024], LastModifiedTime=now())
        server.end()

    def _model(self, config: str) -> tuple[str, dict[str, str], list[Json]]:
        """Where the model of an endpoint configuration lies, its container's environment, and how variants are told.

        Nowhere for a configuration without a model: inference components, which aren't here, would bring one.
        """
        with self.records.lock:
            variants = self.records.get("EndpointConfig", config)["ProductionVariants"]
            if variants[0].get("ModelName", NO_MODEL) == NO_MODEL:
                return "", {}, [{"VariantName": variant["VariantName"]} for variant in variants]
            model = self.records.get("Model", variants[0]["ModelName"])
            container = model.get("PrimaryContainer") or model["Containers"][0]
            environment = container.get("Environment", {})
            if package := container.get("ModelPackageName"):
                container = self.records.get("ModelPackage", package)["InferenceSpecification"]["Containers"][0]
                environment = container.get("Environment", {}) | environment
        source = container.get("ModelDataSource", {}).get("S3DataSource", {})
        if source.get("CompressionType") != "None":
            need = "a ModelDataSource of an S3Prefix without compression"
            raise NotServing(f"The local cloud serves {need}; {model['ModelName']} has none.")
        told = [{"VariantName": variant["VariantName"]} for variant in variants]
        for (each, variant), when in product(zip(told, variants, strict=True), ("Current", "Desired")):
            each[f"{when}Weight"] = variant.get("InitialVariantWeight", 1)
            each[f"{when}InstanceCount"] = variant.get("InitialInstanceCount", 1)
        return source["S3Uri"], environment, told

    def invoke(self, name: str, content_type: str, body: bytes) -> tuple[bytes, dict[str, str]]:
        """What the model answers, with headers. Raises Refused with the errors of InvokeEndpoint."""
        endpoint, server = self.records.kinds["Endpoint"].get(name), self.servers.get(name)
        if not endpoint or (not server and endpoint["EndpointStatus"] in BUSY):
            raise Refused("ValidationError", f"Endpoint {name} of account {ACCOUNT} not found.")
        variant = endpoint["ProductionVariants"][0]["VariantName"] if endpoint["ProductionVariants"] else ""
        away = Refused("ServiceUnavailable", f"The server of endpoint {name} is not running.", 503)
        if not server:
            raise away
        url = f"http://127.0.0.1:{server.port}/invocations"
        request = urllib.request.Request(url, body, {"Content-Type": content_type})
        failed: tuple[int, str]
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - loopback
                kind = answer.headers.get("Content-Type", "application/json")
                return answer.read(), {"Content-Type": kind, "x-Amzn-Invoked-Production-Variant": variant}
        except urllib.error.HTTPError as error:
            failed = error.code, error.read().decode(errors="replace")
        except TimeoutError:
            failed = 0, "Your invocation timed out while waiting for a response from container primary."
        except urllib.error.URLError as error:
            if isinstance(error.reason, ConnectionRefusedError):
                raise away from None
            failed = 0, str(error.reason)
        except OSError as error:  # it died while it answered
            failed = 0, str(error)
        side = "client" if 400 <= failed[0] < 500 else "server"
        raise Refused(
            "ModelError",
            f'Received {side} error ({failed[0]}) from primary with message "{failed[1]}".',
            424,
            OriginalStatusCode=failed[0],
            OriginalMessage=failed[1],
            LogStreamArn=arn("Endpoint", name),
        )
