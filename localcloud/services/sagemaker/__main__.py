"""SageMaker's API on loopback, as strict as AWS: `python -m localcloud.services.sagemaker`.

The supervisor gives the environment: the parts' ports, the endpoint URLs and the root credentials.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

import botocore.session
from botocore.validate import ParamValidator

from localcloud import paths
from localcloud.differences import NO_MODEL
from localcloud.services import Refused, calls
from localcloud.services.answers import ID, Answers
from localcloud.services.sagemaker.endpoints import Endpoints
from localcloud.services.sagemaker.jobs import Jobs
from localcloud.services.sagemaker.records import BUSY, KINDS, Json, Records, announce, arn, client, now
from localcloud.services.supervisor import EMULATOR, SAGEMAKER

MODEL: Any = botocore.session.get_session().get_service_model("sagemaker")
# Java's regular expressions, in which that model has its patterns, in Python's.
JAVA = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s"}
EMULATOR_SECONDS = 60


class Validator(ParamValidator):
    """botocore's check of a request, with the maxima, values and patterns that it leaves to AWS."""

    def check(self, request: Json, operation: str) -> None:
        """Raises Refused, telling everything that is wrong."""
        self.found: list[str] = []
        report = self.validate(request, MODEL.operation_model(operation).input_shape)
        if report.has_errors():
            self.found.append(report.generate_report())
        if self.found:
            count = f"{len(self.found)} validation error{'s' if len(self.found) > 1 else ''} detected"
            raise Refused("ValidationException", f"{count}: {'; '.join(self.found)}")

    def _validate_string(self, param: Any, shape: Any, errors: Any, name: str) -> None:
        super()._validate_string(param, shape, errors, name)
        pattern, maximum, need = shape.metadata.get("pattern"), shape.metadata.get("max"), ""
        if not isinstance(param, str):
            return
        if maximum is not None and len(param) > maximum:
            need = f"have length less than or equal to {maximum}"
        elif shape.enum and param not in shape.enum:
            need = f"satisfy enum value set: [{', '.join(shape.enum)}]"
        elif pattern and not _matches(pattern, param):
            need = f"satisfy regular expression pattern: {pattern}"
        if need:
            self.found.append(
                f"Value '{param}' at '{name.lstrip('.')}' failed to satisfy constraint: Member must {need}"
            )


def _matches(pattern: str, text: str) -> bool:
    for java, python in JAVA.items():
        pattern = pattern.replace(java, python)
    with suppress(re.error):  # one that Python doesn't know is not checked
        return bool(re.fullmatch(re.sub(r"\$\{1,\d+\}$", "", pattern), text))
    return True


class Api:
    """The operations of SageMaker that are served, as a WSGI application, with InvokeEndpoint beside them."""

    def __init__(self) -> None:
        self.records = Records(paths.SAGEMAKER / "records.json")
        self.jobs, self.endpoints = Jobs(self.records), Endpoints(self.records)
        self.answers: Answers[tuple[bytes, dict[str, str]]] = Answers()
        self.operations: dict[str, Callable[[Json], Json]] = {
            **{f"Create{kind}": partial(self._create, kind) for kind in KINDS},
            **{f"Describe{kind}": partial(self._describe, kind) for kind in KINDS},
            **{f"List{kind}s": partial(self._list, kind) for kind in KINDS},
            **{f"Delete{kind}": partial(self._delete, kind) for kind in KINDS if kind != "TrainingJob"},
            "StopTrainingJob": lambda request: self.jobs.stop(self._find("TrainingJob", request)) or {},
            "ListInferenceComponents": lambda _: {"InferenceComponents": []},
            "UpdateModelPackage": self._update_package,
            "UpdateEndpoint": self._update_endpoint,
            "AddTags": lambda request: {"Tags": self._tag(request["ResourceArn"], request["Tags"])},
            "ListTags": lambda request: {"Tags": self._tag(request["ResourceArn"], [])},
            "DeleteTags": self._untag,
        }

    def resume(self) -> None:
        """Once the emulator answers, go on with what there is to do."""
        client("logs"), client("s3")  # making the first ones is not for several threads
        deadline = time.monotonic() + EMULATOR_SECONDS
        while not EMULATOR.answers() and time.monotonic() < deadline:
            time.sleep(0.3)
        with self.records.changing():
            self.jobs.resume()
            self.endpoints.resume()

    def __call__(self, environ: Json, start_response: Callable[..., Any]) -> list[bytes]:
        status, headers = 200, {"Content-Type": "application/x-amz-json-1.1"}
        call = environ.get(f"HTTP_{ID.upper().replace('-', '_')}", "")
        sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if program := calls.program(environ.get("HTTP_USER_AGENT", "")):
            calls.note(program, "sagemaker:" + environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2], "*")
        try:
            body, more = self.answers.get(call) or self._serve(environ, sent)
            self.answers.keep(call, (body, more))
            headers |= more
        except Refused as error:
            status, headers["x-amzn-errortype"] = error.status, error.code
            body = json.dumps({"__type": error.code, "message": str(error), **error.more}).encode()
        except Exception as error:
            logging.exception("%s", environ.get("HTTP_X_AMZ_TARGET", environ["PATH_INFO"]))
            status, headers["x-amzn-errortype"] = 500, "InternalFailure"
            body = json.dumps({"__type": "InternalFailure", "message": repr(error)}).encode()
        start_response(f"{status} -", [*headers.items(), ("Content-Length", str(len(body)))])
        return [body]

    def _serve(self, environ: Json, body: bytes) -> tuple[bytes, dict[str, str]]:
        path, target = environ["PATH_INFO"], environ.get("HTTP_X_AMZ_TARGET", "")
        if path == "/health":
            return b"{}", {}
        if path == "/_tandem/resources":
            return json.dumps(self._resources()).encode(), {}
        if not environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4-HMAC-SHA256"):
            raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        if found := re.fullmatch("/endpoints/([^/]+)/invocations", path):
            return self.endpoints.invoke(found[1], environ.get("CONTENT_TYPE") or "application/json", body)
        operation = target.removeprefix("SageMaker.")
        if operation not in self.operations:
            served = f"is not served by the local cloud, only: {', '.join(sorted(self.operations))}"
            raise Refused("UnknownOperationException", f"{operation or path} {served}.")
        try:
            request = json.loads(body or b"{}")
        except ValueError as error:
            raise Refused("SerializationException", str(error)) from None
        Validator().check(request, operation)
        with self.records.lock if operation.startswith(("Describe", "List")) else self.records.changing():
            return json.dumps(self.operations[operation](request)).encode(), {}

    def _resources(self) -> list[tuple[str, str, str]]:
        """What a stack, or a user, has left; a job that has ended is history."""
        with self.records.lock:
            return [
                ("sagemaker", kind, name)
                for kind in KINDS
                for name, record in self.records.kinds[kind].items()
                if record.get("TrainingJobStatus") in (None, *BUSY)
            ]

    def _find(self, kind: str, request: Json) -> Json:
        return self.records.get(kind, request[f"{kind}Name"])

    def _create(self, kind: str, request: Json) -> Json:
        records, more = self.records.kinds[kind], Json()
        if kind == "ModelPackage":
            if same := [each for each in records.values() if each.get("ClientToken", "") == request.get("ClientToken")]:
                return {"ModelPackageArn": same[0]["ModelPackageArn"]}
            name, more = self._version(request)
        else:
            name = request[f"{kind}Name"]
        if name in records:
            if kind == "TrainingJob":
                unique = "Job name must be unique within an AWS account and region"
                raise Refused("ResourceInUse", f"{unique}, and a job with this name already exists ({arn(kind, name)})")
            raise Refused("ValidationException", f'Cannot create already existing {kind} "{arn(kind, name)}".')
        match kind:
            case "TrainingJob":
                more = self.jobs.create(request)
            case "ModelPackageGroup":
                more = {"ModelPackageGroupStatus": "Completed", "CreatedBy": {}}
            case "Model":
                self._check_model(request)
            case "EndpointConfig":
                for variant in request["ProductionVariants"]:
                    if variant.get("ModelName", NO_MODEL) != NO_MODEL:
                        self.records.get("Model", variant["ModelName"])
            case "Endpoint":
                self._find("EndpointConfig", request)
                more = {"ProductionVariants": [], "LastDeploymentConfig": request.pop("DeploymentConfig", None)}
        moment = now()
        record: Json = {**request, **more, f"{kind}Arn": arn(kind, name), "CreationTime": moment}
        record["LastModifiedTime"] = moment
        records[name] = record
        self._tag(arn(kind, name), record.pop("Tags", []))
        if kind == "TrainingJob":
            self.jobs.start(record)
        elif kind == "Endpoint":
            self.endpoints.deploy(record, record["EndpointConfigName"], "Creating")
        elif kind == "ModelPackage":
            announce(kind, record)
        return {f"{kind}Arn": record[f"{kind}Arn"]}

    def _version(self, request: Json) -> tuple[str, Json]:
        """The name of the next package of the group, `GROUP/NUMBER`, and the fields that it begins with."""
        if "ModelPackageGroupName" not in request:
            need = "give ModelPackageGroupName"
            raise Refused("ValidationException", f"The local cloud serves versioned packages: {need}.")
        group = self._find("ModelPackageGroup", request)
        group["_versions"] = version = group.get("_versions", 0) + 1  # the number of a deleted one isn't used again
        name = group["ModelPackageGroupName"]
        return f"{name}/{version}", {
            "ModelPackageName": name,
            "ModelPackageGroupName": name,
            "ModelPackageVersion": version,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "ModelApprovalStatus": request.get("ModelApprovalStatus", "PendingManualApproval"),
        }

    def _check_model(self, request: Json) -> None:
        containers = request.get("Containers") or [request.get("PrimaryContainer", {})]
        if not containers[0]:
            raise Refused("ValidationException", "You must provide either PrimaryContainer or Containers.")
        for name in (container["ModelPackageName"] for container in containers if "ModelPackageName" in container):
            package = self.records.get("ModelPackage", name)
            if package["ModelApprovalStatus"] != "Approved":
                status = f"is {package['ModelApprovalStatus']}, not Approved"
                raise Refused("ValidationException", f"Model package {package['ModelPackageArn']} {status}.")

    def _describe(self, kind: str, request: Json) -> Json:
        return _only(self._find(kind, request), MODEL.operation_model(f"Describe{kind}").output_shape)

    def _list(self, kind: str, request: Json) -> Json:
        """A page of those that fit the request's filters, newest first unless it says otherwise."""
        status = {"TrainingJob": "TrainingJobStatus", "Endpoint": "EndpointStatus"}.get(kind, "")
        equal = {status: request.get("StatusEquals")}
        equal |= {key: request.get(key) for key in ("ModelApprovalStatus", "ModelPackageGroupName")}
        column = {"Name": f"{kind}Name", "Status": status}.get(request.get("SortBy", ""), "CreationTime")
        found = [
            record
            for record in self.records.kinds[kind].values()
            if request.get("NameContains", "") in record[f"{kind}Name"]
            and all(value is None or record.get(key) == value for key, value in equal.items())
            and request.get("CreationTimeAfter", 0) <= record["CreationTime"] <= request.get("CreationTimeBefore", 1e12)
        ]
        found.sort(key=lambda record: record[column], reverse=request.get("SortOrder") != "Ascending")
        first, shape = int(request.get("NextToken", 0)), MODEL.operation_model(f"List{kind}s").output_shape
        after = first + request.get("MaxResults", 10)
        [(key, rows)] = [(key, rows) for key, rows in shape.members.items() if rows.type_name == "list"]
        page: Json = {key: [_only(record, rows.member) for record in found[first:after]]}
        return page | ({"NextToken": str(after)} if after < len(found) else {})

    def _delete(self, kind: str, request: Json) -> Json:
        record = self._find(kind, request)
        if kind == "ModelPackageGroup":
            packages = self.records.kinds["ModelPackage"].values()
            if any(each["ModelPackageGroupName"] == record["ModelPackageGroupName"] for each in packages):
                raise Refused("ConflictException", f"{record['ModelPackageGroupArn']} still has model packages.")
        if record.get("EndpointStatus") in BUSY:
            raise Refused("ValidationException", f'Cannot update in-progress endpoint "{record["EndpointArn"]}".')
        del self.records.kinds[kind][record[f"{kind}Arn"].split("/", 1)[1]]
        self.records.kinds["tags"].pop(record[f"{kind}Arn"], None)
        if kind == "Endpoint":
            self.endpoints.delete(record)
        return {}

    def _update_package(self, request: Json) -> Json:
        record = self.records.get("ModelPackage", request.pop("ModelPackageArn"))
        properties = record.get("CustomerMetadataProperties", {}) | request.pop("CustomerMetadataProperties", {})
        for key in request.pop("CustomerMetadataPropertiesToRemove", []):
            properties.pop(key, None)
        request.pop("ClientToken", None)
        record.update(request, CustomerMetadataProperties=properties, LastModifiedTime=now())
        announce("ModelPackage", record)
        return {"ModelPackageArn": record["ModelPackageArn"]}

    def _update_endpoint(self, request: Json) -> Json:
        record = self._find("Endpoint", request)
        self._find("EndpointConfig", request)
        if record["EndpointStatus"] in (*BUSY, "SystemUpdating"):
            raise Refused("ValidationException", f'Cannot update in-progress endpoint "{record["EndpointArn"]}".')
        record["LastDeploymentConfig"] = request.get("DeploymentConfig", record["LastDeploymentConfig"])
        self.endpoints.deploy(record, request["EndpointConfigName"], "Updating")
        return {"EndpointArn": record["EndpointArn"]}

    def _tag(self, resource: str, tags: list[Json]) -> list[Json]:
        """All tags of the resource, with these added."""
        kept = self.records.kinds["tags"].setdefault(resource, {})
        kept.update({tag["Key"]: tag["Value"] for tag in tags})
        return [{"Key": key, "Value": value} for key, value in sorted(kept.items())]

    def _untag(self, request: Json) -> Json:
        for key in request["TagKeys"]:
            self.records.kinds["tags"].get(request["ResourceArn"], {}).pop(key, None)
        return {}


def _only(record: Json, shape: Any) -> Json:
    """The fields of a record that the answer has."""
    return {name: record[name] for name in shape.members if record.get(name) is not None}


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request."""

    daemon_threads, request_queue_size = True, 64


if __name__ == "__main__":
    api = Api()
    threading.Thread(target=api.resume, daemon=True).start()
    with make_server("127.0.0.1", SAGEMAKER.port, api, Server) as server:
        server.serve_forever()
