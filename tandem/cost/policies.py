"""Violations of policies, as the engine tells them: the events of a preview with a policy pack.

`pulumi preview --policy-pack PACK --event-log FILE` writes them, an event a line, beside what it shows people. It takes
the option where PULUMI_DEBUG_COMMANDS is true, as Pulumi's own Automation API sets it (pulumi/pulumi 3.259,
pkg/cmd/pulumi/operations/preview.go); the fields are `PolicyEvent` of sdk/go/common/apitype/events.go. The digest of
`pulumi preview --json` has none of them.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

MANDATORY = "mandatory"
_COLOUR = re.compile(r"<\{%.*?%\}>")


class Violation(NamedTuple):
    """One rule that one resource breaks."""

    level: str
    """`mandatory`, `advisory`."""
    rule: str
    resource: str
    """Its name; empty for the stack."""
    text: str


class Policies(NamedTuple):
    """What the policies said."""

    judged: bool
    """Whether they were asked about all of it; if not, there may be more violations."""
    violations: tuple[Violation, ...]
    """Those that block first."""

    @property
    def block(self) -> bool:
        """Whether a mandatory one is violated."""
        return any(violation.level == MANDATORY for violation in self.violations)


def read_policies(text: str) -> Policies:
    """Read events; where they are cut off, or the preview failed by something else, not all was judged."""
    violations: dict[Violation, None] = {}
    result = ""
    for event in _events(text):
        if isinstance(found := event.get("policyEvent"), dict):
            violations[_violation(found)] = None
        elif isinstance(found := event.get("summaryEvent"), dict):
            result = str(found.get("result") or "succeeded")
    ordered = sorted(violations, key=lambda each: (each.level != MANDATORY, each.level, each.rule, each.resource))
    policies = Policies(False, tuple(ordered))
    return policies._replace(judged=result == "succeeded" or (result == "failed" and policies.block))


def _events(text: str) -> Iterator[dict[str, Any]]:
    for line in text.split("\n"):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue  # a line that is cut off is the last, so there is no summary
        if isinstance(event, dict):
            yield event


def _violation(event: dict[str, Any]) -> Violation:
    level, rule, urn, message = (
        str(event.get(key) or "") for key in ("enforcementLevel", "policyName", "resourceUrn", "message")
    )
    return Violation(level, rule, urn.split("::", 3)[-1], " ".join(_COLOUR.sub("", message).split()))
