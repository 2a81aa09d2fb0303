"""How strict each rule is, by the kind of the stack."""

from typing import Literal, NamedTuple

Kind = Literal["dev", "prod"]
KINDS: tuple[Kind, ...] = ("dev", "prod")

MANDATORY, ADVISORY, DISABLED = "mandatory", "advisory", "disabled"


class Levels(NamedTuple):
    """`mandatory` blocks, `advisory` warns, `disabled` says nothing."""

    dev: str
    prod: str


ALWAYS = Levels(MANDATORY, MANDATORY)
LEVELS = {
    # Cost
    "instance-allowed": ALWAYS,
    "run-envelope-bounded": ALWAYS,
    "endpoint-ends": Levels(MANDATORY, DISABLED),  # one in production is there to stay
    "node-group-to-zero": Levels(MANDATORY, ADVISORY),
    "search-nextgen": Levels(MANDATORY, ADVISORY),
    "search-capacity-limited": ALWAYS,
    "tracking-serverless": Levels(MANDATORY, ADVISORY),
    "log-retention": ALWAYS,
    "budget-present": ALWAYS,
    "cost-tags": ALWAYS,
    # Security
    "bucket-private": ALWAYS,
    "resource-policy-closed": ALWAYS,
    "encrypted-at-rest": ALWAYS,
    "tls-only": ALWAYS,
    "iam-not-everything": ALWAYS,
    "api-authorized": ALWAYS,
    "ingress-closed": ALWAYS,
    "secrets-not-plain": ALWAYS,
    "cluster-endpoint-private": Levels(ADVISORY, MANDATORY),
    # Reliability
    "queue-dead-letters": ALWAYS,
    "data-protected": Levels(DISABLED, MANDATORY),  # a dev stack can be made again, and is
    "data-recoverable": Levels(ADVISORY, MANDATORY),
    "endpoint-rolls-back": Levels(ADVISORY, MANDATORY),
}


def kind_of(stack: str) -> Kind:
    """The kind of a stack by its name: `dev` if that ends in `-dev` (or is it), else `prod`."""
    return "dev" if stack.rsplit("/", 1)[-1].rsplit("-", 1)[-1] == "dev" else "prod"
