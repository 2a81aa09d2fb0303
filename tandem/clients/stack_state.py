"""What Pulumi knows of a stack (`pulumi stack export`): its outputs, and the environments of ours in it.

Secrets are there as they are kept, encrypted: each is an object, which no reader takes for a text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

ENVIRONMENT = re.compile(r"tandem:index:(\w*Environment)")
STACK = "pulumi:pulumi:Stack"


class Environment(NamedTuple):
    """An environment that a program made, by the outputs that the component itself tells."""

    name: str
    kind: str
    """Class of the component, e.g. `RagEnvironment`."""
    outputs: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


class State(NamedTuple):
    """A stack's state."""

    outputs: Mapping[str, Any]
    """What the program exports."""
    environments: Sequence[Environment]
    """Without those that are parts of another one."""
    resources: Sequence[Mapping[str, Any]]


def read_state(text: str) -> State:
    """What `pulumi stack export` printed; all is empty of a stack where nothing was deployed."""
    resources = (json.loads(text).get("deployment") or {}).get("resources") or ()
    # What was replaced, and is to be deleted yet, is there under the same name.
    made = [each for each in resources if not each.get("delete")]
    parents = {each["urn"]: each.get("parent", "") for each in made}
    kinds = {each["urn"]: found[1] for each in made if (found := ENVIRONMENT.fullmatch(each["type"]))}

    def is_part(urn: str) -> bool:
        while urn := parents.get(urn, ""):
            if urn in kinds:
                return True
        return False

    environments = [
        Environment(each["urn"].split("::", 3)[-1], kinds[each["urn"]], each.get("outputs") or {})
        for each in made
        if each["urn"] in kinds and not is_part(each["urn"])
    ]
    exports = next((each.get("outputs") or {} for each in made if each["type"] == STACK), {})
    return State(exports, environments, resources)
