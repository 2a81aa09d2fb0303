"""All rules, by subject, and what they are set to for a kind of stack."""

import json
from typing import Any

from . import access, clusters, cost, foundations, reliability, security, sizes, workloads
from .levels import Kind
from .rules import Rule

SUBJECTS = {
    "Sizes": sizes.RULES,
    "Cost": cost.RULES,
    "Access": access.RULES,
    "Security": security.RULES,
    "Reliability": reliability.RULES,
    "Clusters": clusters.RULES,
    "Workloads": workloads.RULES,
    "Foundations": foundations.RULES,
}
RULES = [rule for rules in SUBJECTS.values() for rule in rules]


def defaults(rule: Rule, kind: Kind) -> dict[str, Any]:
    """The settings of a rule for a kind of stack."""
    return {name: getattr(setting, kind) for name, setting in rule.settings.items()}


def configuration(kind: Kind) -> str:
    """The levels and settings of a kind of stack, as a file for `--policy-pack-config`."""
    rules = {rule.name: {"enforcementLevel": getattr(rule.levels, kind), **defaults(rule, kind)} for rule in RULES}
    return json.dumps(rules, indent=2) + "\n"
