"""SageMaker in memory, as strict as the service: its whole model of a request, which botocore checks only in part."""

import datetime
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

MODEL = botocore.session.get_session().get_service_model("sagemaker")
PAGE = 2
CLASSES = {r"\p{L}": "A-Za-z", r"\p{N}": "0-9", r"\p{Z}": " ", r"\p{M}": "", r"\p{S}": "$+<=>^`|~", r"\p{P}": "!-/:-@"}


def check(operation: str, request: dict[str, Any]) -> None:
    """Fails unless the request is one that the operation takes: names, types, lengths, ranges, patterns, values."""
    shape = MODEL.operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    _check(shape, request, operation)


def _check(shape: Any, value: Any, path: str) -> None:
    if shape.type_name == "structure":
        for key, inner in value.items():
            _check(shape.members[key], inner, f"{path}.{key}")
    elif shape.type_name == "list":
        _within(shape, len(value), path)
        for inner in value:
            _check(shape.member, inner, path)
    elif shape.type_name == "map":
        _within(shape, len(value), path)
        for key, inner in value.items():
            _check(shape.key, key, f"{path} (key)")
            _check(shape.value, inner, f"{path}.{key}")
    elif shape.type_name == "string":
        _within(shape, len(value), path)
        pattern = re.sub(r"\$\{1,\d+\}$", "", shape.metadata.get("pattern", ".*"))  # as two of the model's end
        for name, characters in CLASSES.items():
            pattern = pattern.replace(name, characters)
        assert re.fullmatch(pattern, value), f"{path}: {value!r} doesn't match {pattern}"
        assert value in (shape.enum or [value]), f"{path}: {value!r} is none of {shape.enum}"
    elif shape.type_name == "integer":
        _within(shape, value, path)


def _within(shape: Any, size: int, path: str) -> None:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", size)
    assert low <= size <= high, f"{path}: {size} is not from {low} to {high}"


class FakeSageMaker:
    """Jobs, endpoints, their tags and model packages; lists come in pages of two."""

    meta = SimpleNamespace(region_name="us-east-1")

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.endpoints: list[dict[str, Any]] = []
        self.components: list[dict[str, Any]] = []
        self.tags: dict[str, dict[str, str]] = {}
        self.packages: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self.refusing: set[str] = set()

    def __getattr__(self, name: str):
        operation = next(each for each in MODEL.operation_names if xform_name(each) == name)

        def call(**request):
            check(operation, request)
            return getattr(self, f"_{name}")(request)

        return call

    def get_paginator(self, name: str) -> "_Pages":
        return _Pages(getattr(self, name))

    def job(self, name: str, hours: float = 0, status: str = "InProgress", **tags: str) -> None:
        arn, now = f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}", datetime.datetime.now(datetime.UTC)
        created = now - datetime.timedelta(hours=hours)
        found = {"TrainingJobName": name, "TrainingJobArn": arn, "CreationTime": created, "TrainingJobStatus": status}
        found["ResourceConfig"] = {"InstanceType": "ml.g6e.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 200}
        self.jobs.append(found)
        self.tags[arn] = {f"tandem:{key}": value for key, value in tags.items()}

    def endpoint(self, name: str, hours: float, tags: dict[str, str]) -> None:
        arn, now = f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{name}", datetime.datetime.now(datetime.UTC)
        modified = now - datetime.timedelta(hours=hours)
        self.endpoints.append({"EndpointName": name, "EndpointArn": arn, "LastModifiedTime": modified})
        self.tags[arn] = tags

    def _list_training_jobs(self, request):
        part, status = request.get("NameContains", ""), request.get("StatusEquals")
        found = [job for job in self.jobs if part in job["TrainingJobName"]]
        found = [job for job in found if status in (None, job["TrainingJobStatus"])]
        return _page("TrainingJobSummaries", found, request)

    def _list_endpoints(self, request):
        return _page("Endpoints", self.endpoints, request)

    def _describe_endpoint(self, request):
        name = request["EndpointName"]
        if found := next((each for each in self.endpoints if each["EndpointName"] == name), None):
            return found
        message = f'Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/{name}".'
        raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "DescribeEndpoint")

    def component(self, name: str, endpoint: str, status: str = "InService") -> None:
        found = {"InferenceComponentName": name, "EndpointName": endpoint, "InferenceComponentStatus": status}
        self.components.append(found)

    def _list_inference_components(self, request):
        found = [each for each in self.components if each["EndpointName"] == request["EndpointNameEquals"]]
        return _page("InferenceComponents", found, request)

    def _delete_inference_component(self, request):
        return self._stop(request["InferenceComponentName"], "DeleteInferenceComponent")

    def _list_tags(self, request):
        tags = [{"Key": key, "Value": value} for key, value in self.tags[request["ResourceArn"]].items()]
        return _page("Tags", tags, request)

    def _describe_training_job(self, request):
        job = next((job for job in self.jobs if job["TrainingJobName"] == request["TrainingJobName"]), None)
        if job is None:
            error = {"Code": "ValidationException", "Message": "Requested resource not found."}
            raise ClientError({"Error": error}, "DescribeTrainingJob")
        if job["TrainingJobName"] in self.stopped:
            job["TrainingJobStatus"] = "Stopped"
        return job | {"ModelArtifacts": {"S3ModelArtifacts": f"s3://artifacts/jobs/{job['TrainingJobName']}/model"}}

    def _stop_training_job(self, request):
        return self._stop(request["TrainingJobName"], "StopTrainingJob")

    def _delete_endpoint(self, request):
        return self._stop(request["EndpointName"], "DeleteEndpoint")

    def _stop(self, name: str, operation: str):
        if name in self.refusing:
            message = "The request was rejected because it is in status Completed."
            raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, operation)
        self.stopped.append(name)
        return {}

    def _create_model_package(self, request):
        for package in self.packages:
            if package["ClientToken"] == request["ClientToken"]:
                return {"ModelPackageArn": package["ModelPackageArn"]}
        group = request["ModelPackageGroupName"]
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{group}/{len(self.packages) + 1}"
        self.packages.insert(0, {**request, "ModelPackageArn": arn})
        return {"ModelPackageArn": arn}

    def _list_model_packages(self, request):
        found = [each for each in self.packages if each["ModelPackageGroupName"] == request["ModelPackageGroupName"]]
        return _page(
            "ModelPackageSummaryList", [{"ModelPackageArn": each["ModelPackageArn"]} for each in found], request
        )

    def _delete_model_package(self, request):
        self.packages = [each for each in self.packages if each["ModelPackageArn"] != request["ModelPackageName"]]
        return {}

    def _describe_model_package(self, request):
        return next(each for each in self.packages if each["ModelPackageArn"] == request["ModelPackageName"])


class _Pages:
    def __init__(self, operation):
        self._operation = operation

    def paginate(self, **request) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = self._operation(**request, **token)
            yield page
            if "NextToken" not in page:
                return
            token = {"NextToken": page["NextToken"]}


def _page(key: str, found: list, request: dict[str, Any]) -> dict[str, Any]:
    start = int(request.get("NextToken", 0))
    more = {"NextToken": str(start + PAGE)} if len(found) > start + PAGE else {}
    return {key: found[start : start + PAGE], **more}
