"""Who may use the local Kubernetes API by IAM: EKS's authenticator and its access policies, as the emulator has them.

The API server sends each token that it doesn't know to the emulator, where the signature of the presigned
GetCallerIdentity in it is checked, and the access entry looked up. EKS judges by access policies in an authorizer of
its own; here they are roles and bindings.
"""

import json
from typing import Any

from ministack.services import eks


def review(body: bytes) -> bytes:
    """Answer a TokenReview: a token names its cluster, and all clusters have the one API server."""
    asked = json.loads(body)
    for (account, region, name), cluster in eks._clusters.all_items():
        _, _, answer = eks._authenticate_token_review(name, account, region, asked, cluster["_auth_token"])
        if json.loads(answer)["status"]["authenticated"]:
            return answer
    version = asked.get("apiVersion", "authentication.k8s.io/v1")
    refused = {"apiVersion": version, "kind": "TokenReview", "status": {"authenticated": False}}
    return json.dumps(refused).encode()


def policies(namespaces: list[str]) -> list[dict[str, Any]]:
    """The roles and bindings of all access policies; none while there is no cluster."""
    found = []
    for account, region, name in [key for key, _ in eks._clusters.all_items()]:
        found += eks._access_policy_rbac_objects(name, account, region, namespaces)
    return found
