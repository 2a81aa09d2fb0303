"""Access policies of EKS, as the emulator has them: EKS judges by them in an authorizer of its own, and the local API
server has roles and bindings alone."""

from typing import Any

from ministack.services import eks


def policies(namespaces: list[str]) -> list[dict[str, Any]]:
    """The roles and bindings of all access policies; none while there is no cluster."""
    found = []
    for account, region, name in [key for key, _ in eks._clusters.all_items()]:
        found += eks._access_policy_rbac_objects(name, account, region, namespaces)
    return found
