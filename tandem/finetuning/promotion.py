"""Promotion: from an approved model package to a stack's configuration."""

import difflib
import re
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from tandem_contract.errors import TandemError

from . import registry
from .backend_table import facts

KEY = "tandem:model"


def package_of(client: Any, group: str, run: str) -> str:
    """ARN of the run's model package; raises `TandemError` if nothing was registered."""
    for arn in registry.packages(client, group):
        if registry.record(client, arn)["run"] == run:
            return arn
    raise TandemError(f"Run {run!r} has registered no model: `tandem finetune status {run}` says how it stands.")


def approve(client: Any, arn: str, why: str) -> None:
    """Approve a model package; AWS records who did."""
    client.update_model_package(ModelPackageArn=arn, ModelApprovalStatus=registry.APPROVED, ApprovalDescription=why)


def promotable(client: Any, arn: str) -> dict[str, str]:
    """The package's record; raises `TandemError` unless it is approved and an endpoint can serve it."""
    found = registry.record(client, arn)
    if found["status"] != registry.APPROVED:
        remedy = "look at `tandem finetune compare`, then promote with --approve"
        raise TandemError(f"{arn} is {found['status']}, not {registry.APPROVED}: {remedy}.")
    backend = facts(found["backend"])
    if not backend.needs_endpoint:
        model = found["model_reference"]
        raise TandemError(f"{model} is served by {backend.title} itself: call it there; no endpoint is needed.")
    return found


def is_gone(client: Any, endpoint: str) -> bool:
    """Whether an endpoint that a stack names isn't there; False where that can't be told.

    For one that it doesn't know, SageMaker answers `ValidationException`, "Could not find endpoint ...", as for other
    mistakes (hashicorp/terraform-provider-aws, internal/service/sagemaker/endpoint.go).
    """
    try:
        client.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        return "Could not find" in str(error)
    return False


def write(file: Path, model: str) -> str:
    """Set `tandem:model` in a stack's configuration file, all else as it was, and return the difference."""
    before = file.read_text(encoding="utf-8")
    lines = before.splitlines(keepends=True)
    line = f"  {KEY}: {model}\n"
    at = next((number for number, text in enumerate(lines) if re.match(rf"\s+[\"']?{KEY}[\"']?:", text)), None)
    if at is not None:
        lines[at] = line
    else:
        start = next((number for number, text in enumerate(lines) if text.rstrip() == "config:"), None)
        if start is None:
            raise TandemError(f"{file} has no `config:` of its own: add one, and promote again.")
        end = next((n for n in range(start + 1, len(lines)) if re.match(r"\S", lines[n])), len(lines))
        if not lines[end - 1].endswith("\n"):
            lines[end - 1] += "\n"
        lines.insert(end, line)
    file.write_text("".join(lines), encoding="utf-8")
    return "".join(difflib.unified_diff(before.splitlines(keepends=True), lines, str(file), str(file)))
