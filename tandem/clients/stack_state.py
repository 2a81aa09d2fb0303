"""What Pulumi knows of a stack (`pulumi stack export`): its outputs, and the environments of ours in it.

Secrets are there as they are kept, encrypted: each is an object, which no reader takes for a text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tandem_contract.names import RELEASE

ENVIRONMENT = re.compile(r"tandem:index:(\w*Environment)")
STACK = "pulumi:pulumi:Stack"


class Environment(NamedTuple):
    """An environment that a program made, by the outputs that the component itself tells."""

    name: str
    kind: str
    """Class of the component, e.g. `RagEnvironment`."""
    outputs: Mapping[str, Any]
    urn: str = ""
    release: str = ""
    """Tandem's version that it was deployed with; empty in releases that didn't tell."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"

    def called(self, name: str | None) -> bool:
        """Whether it is meant by a name, which may be its URN; None means all."""
        return name in (None, self.name, self.urn)


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

    environments = []
    for each in (each for each in made if each["urn"] in kinds and not is_part(each["urn"])):
        urn, outputs = each["urn"], {**(each.get("outputs") or {})}
        release = outputs.pop(RELEASE, "")
        environments.append(Environment(urn.split("::", 3)[-1], kinds[urn], outputs, urn, release))
    exports = next((each.get("outputs") or {} for each in made if each["type"] == STACK), {})
    return State(exports, environments, resources)
