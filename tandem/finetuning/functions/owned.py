"""Whose a job or an endpoint is: stacks of one name, of other projects or people, may share an account."""

import os
from collections.abc import Mapping
from typing import Any

from tandem_contract.names import Tag, Variable

from tandem.runtime.clients import client
from tandem.runtime.pages import each


def tags(arn: str) -> dict[str, str]:
    """The tags of what is of a stack of this one's name; empty for what isn't."""
    found = {tag["Key"]: tag["Value"] for tag in each(client("sagemaker"), "list_tags", "Tags", ResourceArn=arn)}
    return found if found.get(Tag.STACK) == os.environ[Variable.STACK] else {}


def is_ours(found: Mapping[str, str]) -> bool:
    """Whether what has these `tags` is this stack's."""
    return found.get(Tag.ARTIFACTS) == os.environ[Variable.ARTIFACT_BUCKET]


def is_our_job(job: Mapping[str, Any]) -> bool:
    """Whether a job of a list is this stack's; one from before jobs told their bucket writes to it."""
    found = tags(job["TrainingJobArn"])
    if not found or Tag.ARTIFACTS in found:
        return is_ours(found)
    described = client("sagemaker").describe_training_job(TrainingJobName=job["TrainingJobName"])
    return described["OutputDataConfig"]["S3OutputPath"].startswith(f"s3://{os.environ[Variable.ARTIFACT_BUCKET]}/")
