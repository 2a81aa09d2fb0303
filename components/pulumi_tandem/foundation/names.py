"""Physical names, for the services that demand one from us."""

import hashlib

import pulumi


def physical_name(component: pulumi.ComponentResource, role: str, limit: int) -> str:
    """`<role>-<hash>`; the hash covers project, stack, and the component's type and name.

    `limit` is the service's longest name in characters; the role is cut to fit, never the hash. (Plain text rather
    than made from the URN, which would make every child depend on its own parent: pulumi/pulumi#24230.)
    """
    return name_before(component.pulumi_resource_type, component.pulumi_resource_name, role, limit)


def name_before(kind: str, name: str, role: str, limit: int) -> str:
    """The `physical_name` of a component of type `kind` that isn't made yet."""
    identity = (pulumi.get_project(), pulumi.get_stack(), kind, name)
    digest = hashlib.sha256("/".join(identity).encode()).hexdigest()[:8]
    return f"{role[: limit - len(digest) - 1].rstrip('-')}-{digest}"
