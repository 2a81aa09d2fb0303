"""What a rule is, and how its check reads properties.

Rules are data and functions; neither knows Pulumi's policy SDK (that is `pack.py`), so they can be imported and called
with plain properties.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .documents import parsed
from .levels import ALWAYS, Levels
from .resource_types import PARAMETER

Properties = Mapping[str, Any]
Settings = Mapping[str, Any]
Findings = Iterator[Any]
"""What is wrong, a sentence without its full stop each; or a part's own findings, which are decided by themselves: an
unknown value leaves what other parts found."""


@dataclass(frozen=True, eq=False)
class Resource:
    """A resource as rules see it: its inputs in camelCase. Reading one that is unknown raises."""

    type: str
    properties: Properties
    name: str = ""
    stack: str = ""
    protect: bool = False
    provider: Properties = field(default_factory=dict)
    """The settings of its provider."""
    references: dict[str, list["Resource"]] = field(default_factory=dict)
    """The resources that a property comes from; for rules on the whole stack."""
    neighbours: list["Resource"] = field(default_factory=list)
    """Every resource of the stack; for rules on the whole stack."""

    def referrers(self, *kinds: tuple[str, str]) -> list["Resource"]:
        """The resources of (type, property) whose property comes from this resource."""
        return [
            other
            for other in self.neighbours
            for type_, name in kinds
            if other.type == type_ and self in other.references.get(name, ())
        ]


class Setting(NamedTuple):
    """What `--policy-pack-config` may change of a rule, and what it is by default."""

    says: str
    dev: Any
    prod: Any


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule. `check` yields what is wrong."""

    name: str
    severity: str
    what: str
    """What is required."""
    why: str
    """Who was hurt, or what AWS says."""
    url: str
    remedy: str
    """What to do about a violation; a sentence."""
    types: tuple[str, ...]
    check: Callable[[Resource, Settings], Findings]
    controls: tuple[str, ...] = ()
    """Which of AWS's Foundational Security Best Practices it looks after, by their numbers."""
    levels: Levels = ALWAYS
    settings: Mapping[str, Setting] = field(default_factory=dict)
    whole_stack: bool = False
    """Whether the check needs the other resources."""
    waits: str = ""
    """Why an unknown value is only told in a preview, and decided in the update. Without it, an unknown violates."""
    fix: Callable[[Resource, Settings], bool] | None = None
    """Mends the properties in place, and says whether it did; runs at the level `remediate`."""


def at(value: Any, path: str) -> Iterator[Any]:
    """What there is at a dotted path; lists on the way are gone through."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from at(each, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, Mapping):
        head, _, rest = path.partition(".")
        yield from at(value.get(head), rest)


def one(value: Any, path: str, default: Any = None) -> Any:
    """The first of what there is at a dotted path."""
    return next(at(value, path), default)


def has(properties: Properties, name: str) -> bool:
    """Whether a property is given, be its value unknown."""
    return name in tuple(properties)


def run_envelope(resource: Resource) -> Any:
    """The content of a run envelope; None if the resource is none, a text if it can't be read."""
    if resource.type != PARAMETER or not str(resource.properties.get("name") or "").endswith("/run-envelope"):
        return None
    content = parsed(resource.properties.get("insecureValue"))
    return content if isinstance(content, Mapping) else "its insecureValue is not a JSON object"


def pool_instances(pool: Resource) -> list[str] | None:
    """The instance types that a Karpenter pool names; None if it names none, so that any will do."""
    for requirement in at(pool.properties, "spec.template.spec.requirements"):
        if requirement.get("key") == "node.kubernetes.io/instance-type" and requirement.get("operator") == "In":
            return [str(value) for value in requirement.get("values")]
    return None
