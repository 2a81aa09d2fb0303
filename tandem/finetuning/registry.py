"""The model registry: one shape of record, whatever back end made the model."""

import uuid
from collections.abc import Mapping
from typing import Any

from tandem_contract.run_record import Run

from tandem.runtime.pages import each

PENDING, APPROVED, REJECTED = "PendingManualApproval", "Approved", "Rejected"


def register(
    client: Any,
    group: str,
    run: Run,
    *,
    backend: str,
    model_reference: str,
    metrics: Mapping[str, Any],
    container: Mapping[str, Any] | None,
) -> str:
    """Create the run's model package, waiting for approval, and return its ARN; a second call returns the same.

    `model_reference` is what the back end calls the model: an S3 prefix, or a model id of a managed service, which has
    no `container`.
    """
    properties = {
        "backend": backend,
        "model_reference": model_reference,
        "base_model": run.recipe["base_model"],
        "manifest_digest": run.manifest_digest,
        "recipe_digest": run.recipe_digest,
        "run": run.name,
        "metrics": brief(metrics),
    }
    request: dict[str, Any] = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": f"Tuned by run {run.name}",
        "ModelApprovalStatus": PENDING,
        "CustomerMetadataProperties": properties,
        # A token has at most 36 characters; names of older runs have 40.
        "ClientToken": str(uuid.uuid5(uuid.NAMESPACE_URL, run.name)),
    }
    if container:
        request["InferenceSpecification"] = {
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        }
    existing = next((arn for arn in packages(client, group) if record(client, arn)["run"] == run.name), None)
    return existing or client.create_model_package(**request)["ModelPackageArn"]


def packages(client: Any, group: str, status: str | None = None) -> list[str]:
    """ARNs of the group's packages, newest first, all or those of one approval status."""
    request: dict[str, Any] = {"ModelPackageGroupName": group, "SortBy": "CreationTime", "SortOrder": "Descending"}
    if status:
        request["ModelApprovalStatus"] = status
    found = each(client, "list_model_packages", "ModelPackageSummaryList", **request)
    return [package["ModelPackageArn"] for package in found]


def record(client: Any, arn: str) -> dict[str, str]:
    """The properties of a package, with its approval `status`; those it lacks are empty."""
    described = client.describe_model_package(ModelPackageName=arn)
    found = described.get("CustomerMetadataProperties", {})
    keys = ("backend", "model_reference", "base_model", "manifest_digest", "recipe_digest", "run", "metrics")
    return {key: found.get(key, "") for key in keys} | {"status": described.get("ModelApprovalStatus", "")}


def brief(metrics: Mapping[str, Any]) -> str:
    """`exact_match=0.010:0.930 ...`, base and tuned: a property holds 256 characters, and none of JSON's `{",`."""
    return " ".join(f"{name}={found['base']:.3f}:{found['tuned']:.3f}" for name, found in sorted(metrics.items()))
