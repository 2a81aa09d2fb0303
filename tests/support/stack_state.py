"""States of stacks, as `pulumi stack export` prints them."""

import json
from typing import Any

Resource = dict[str, Any]
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "djE6c2VjcmV0"}


def resource(kind: str, name: str, parent: str = "", **more: Any) -> Resource:
    """A resource of a state; a component unless `more` says otherwise."""
    return {"urn": f"urn:pulumi:dev::shop::{kind}::{name}", "custom": False, "type": kind, "parent": parent, **more}


def environment(kind: str, name: str, parent: str = "", **outputs: Any) -> Resource:
    """An environment, e.g. of kind `RagEnvironment`."""
    return resource(f"tandem:index:{kind}", name, parent, outputs=outputs)


def exported(outputs: dict[str, Any], *made: Resource) -> str:
    """The state of a stack that exports these outputs."""
    stack = resource("pulumi:pulumi:Stack", "shop-dev", outputs=outputs)
    return json.dumps({"version": 3, "deployment": {"resources": [stack, *made]}})
