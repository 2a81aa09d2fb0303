"""SageMaker in memory."""

import datetime
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tests.support import aws_requests

MODEL = aws_requests.model("sagemaker")
PAGE = 2


def check(operation: str, request: dict[str, Any]) -> None:
    """Fails unless the request is one that SageMaker takes."""
    aws_requests.check("sagemaker", operation, request)


class FakeSageMaker(aws_requests.AwsService):
    """Jobs, endpoints, their tags and model packages; lists come in pages of two."""

    services = ("sagemaker",)
    meta = SimpleNamespace(region_name="us-east-1")

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.endpoints: list[dict[str, Any]] = []
        self.components: list[dict[str, Any]] = []
        self.tags: dict[str, dict[str, str]] = {}
        self.packages: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self.refusing: set[str] = set()

    def job(
        self, name: str, hours: float = 0, status: str = "InProgress", writes: str = "artifacts", **tags: str
    ) -> None:
        """A job that `writes` to that bucket."""
        arn, now = f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}", datetime.datetime.now(datetime.UTC)
        created = now - datetime.timedelta(hours=hours)
        found = {"TrainingJobName": name, "TrainingJobArn": arn, "CreationTime": created, "TrainingJobStatus": status}
        found["ResourceConfig"] = {"InstanceType": "ml.g6e.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 200}
        found["OutputDataConfig"] = {"S3OutputPath": f"s3://{writes}/runs/{name}/jobs/"}
        self.jobs.append(found)
        self.tags[arn] = {f"tandem:{key}": value for key, value in tags.items()}

    def endpoint(self, name: str, hours: float, tags: dict[str, str]) -> None:
        arn, now = f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{name}", datetime.datetime.now(datetime.UTC)
        modified = now - datetime.timedelta(hours=hours)
        self.endpoints.append({"EndpointName": name, "EndpointArn": arn, "LastModifiedTime": modified})
        self.tags[arn] = tags

    def list_training_jobs(self, **request):
        part, status = request.get("NameContains", ""), request.get("StatusEquals")
        found = [job for job in self.jobs if part in job["TrainingJobName"]]
        found = [job for job in found if status in (None, job["TrainingJobStatus"])]
        return _page("TrainingJobSummaries", found, request)

    def list_endpoints(self, **request):
        return _page("Endpoints", self.endpoints, request)

    def describe_endpoint(self, **request):
        name = request["EndpointName"]
        if found := next((each for each in self.endpoints if each["EndpointName"] == name), None):
            return found
        message = f'Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/{name}".'
        raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "DescribeEndpoint")

    def component(self, name: str, endpoint: str, status: str = "InService") -> None:
        found = {"InferenceComponentName": name, "EndpointName": endpoint, "InferenceComponentStatus": status}
        self.components.append(found)

    def list_inference_components(self, **request):
        found = [each for each in self.components if each["EndpointName"] == request["EndpointNameEquals"]]
        return _page("InferenceComponents", found, request)

    def delete_inference_component(self, **request):
        return self._stop(request["InferenceComponentName"], "DeleteInferenceComponent")

    def list_tags(self, **request):
        tags = [{"Key": key, "Value": value} for key, value in self.tags[request["ResourceArn"]].items()]
        return _page("Tags", tags, request)

    def describe_training_job(self, **request):
        job = next((job for job in self.jobs if job["TrainingJobName"] == request["TrainingJobName"]), None)
        if job is None:
            error = {"Code": "ValidationException", "Message": "Requested resource not found."}
            raise ClientError({"Error": error}, "DescribeTrainingJob")
        if job["TrainingJobName"] in self.stopped:
            job["TrainingJobStatus"] = "Stopped"
        return job | {"ModelArtifacts": {"S3ModelArtifacts": f"s3://artifacts/jobs/{job['TrainingJobName']}/model"}}

    def stop_training_job(self, **request):
        return self._stop(request["TrainingJobName"], "StopTrainingJob")

    def delete_endpoint(self, **request):
        return self._stop(request["EndpointName"], "DeleteEndpoint")

    def _stop(self, name: str, operation: str):
        if name in self.refusing:
            message = "The request was rejected because it is in status Completed."
            raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, operation)
        self.stopped.append(name)
        return {}

    def create_model_package(self, **request):
        for package in self.packages:
            if package["ClientToken"] == request["ClientToken"]:
                return {"ModelPackageArn": package["ModelPackageArn"]}
        group = request["ModelPackageGroupName"]
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{group}/{len(self.packages) + 1}"
        self.packages.insert(0, {**request, "ModelPackageArn": arn})
        return {"ModelPackageArn": arn}

    def list_model_packages(self, **request):
        found = [each for each in self.packages if each["ModelPackageGroupName"] == request["ModelPackageGroupName"]]
        return _page(
            "ModelPackageSummaryList", [{"ModelPackageArn": each["ModelPackageArn"]} for each in found], request
        )

    def delete_model_package(self, **request):
        self.packages = [each for each in self.packages if each["ModelPackageArn"] != request["ModelPackageName"]]
        return {}

    def describe_model_package(self, **request):
        return next(each for each in self.packages if each["ModelPackageArn"] == request["ModelPackageName"])


def _page(key: str, found: list, request: dict[str, Any]) -> dict[str, Any]:
    start = int(request.get("NextToken", 0))
    more = {"NextToken": str(start + PAGE)} if len(found) > start + PAGE else {}
    return {key: found[start : start + PAGE], **more}
