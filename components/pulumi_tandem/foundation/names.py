"""Names: what a component may be called, and physical names for the services that demand one from us."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

import pulumi
from tandem_contract.checks import Checks

# What all of these take: S3 buckets, ECR repositories, indices and collections of OpenSearch, SageMaker's names.
COMPONENT = re.compile("[a-z]([a-z0-9-]*[a-z0-9])?")
LONGEST = {
    "RagEnvironment": 31,
    "FineTuningEnvironment": 32,
    "HybridEnvironment": 25,
    "GpuCluster": 32,
    "ClusterTraining": 42,
    "DataBucket": 55,
    "Ledger": 236,
    "ServerlessVectorStore": 45,
    "DomainVectorStore": 45,
    "IngestionPipeline": 41,
    "QueryApi": 51,
}
"""Characters of a component's name, by its class: what Pulumi's endings and ours leave of AWS's limits, such as the 64
of a role (tests/unit/test_service_limits.py)."""
CLUSTERS = len("-cluster")  # what an environment's cluster has in its name besides


def longest(kind: str, arguments: Mapping[str, Any]) -> int:
    """How many characters a component of this class, with these arguments, may have in its name."""
    tuning = arguments.get("finetuning", arguments)
    return LONGEST[kind] - (CLUSTERS if tuning.get("training_backend") == "eks" else 0)


def check_name(checks: Checks, name: str, most: int) -> None:
    """Whether AWS takes the names that are made from a component's, of so many characters at most."""
    if len(name) > most or not COMPONENT.fullmatch(name):
        allowed = f"up to {most} lower-case letters, digits and hyphens, a letter first and no hyphen last"
        checks.refuse("name", name, allowed, "AWS's names are made from it.")


def physical_name(role: str, limit: int) -> str:
    """`<role>-<eight random hex digits>`, another in each run: its resource has to keep the first one (`named`).

    `limit` is the service's longest name in characters; the role is cut to fit, never the digits.
    """
    drawn = secrets.token_hex(4)
    return f"{role[: limit - len(drawn) - 1].rstrip('-')}-{drawn}"


def named(parent: pulumi.Resource, name: str = "name") -> pulumi.ResourceOptions:
    """Options of a resource whose property `name` is a `physical_name`: it stays what it was made with.

    The state has it from then on, and AWS renames none of what we name. A replacement gets a name of its own.
    """
    return pulumi.ResourceOptions(parent=parent, ignore_changes=[name])
