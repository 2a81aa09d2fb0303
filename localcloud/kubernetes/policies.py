"""EKS's access policies as roles and bindings: the local API server has RBAC alone."""

import json
import time
import urllib.request

from localcloud.kubernetes.api import Api, Json
from localcloud.services import ACCESS_POLICIES
from localcloud.services.supervisor import EMULATOR

RBAC = "/apis/rbac.authorization.k8s.io/v1"
OURS = "tandem.dev/access-policy"
EVERY_SECONDS = 3.0


class AccessPolicies:
    """Keeps the roles and bindings that the emulator says."""

    def __init__(self, api: Api) -> None:
        self.api, self._said = api, b""

    def keep(self) -> None:
        """Look every few seconds, for ever."""
        while True:
            namespaces = [each["metadata"]["name"] for each in self.api.items("/api/v1/namespaces")]
            asked = json.dumps(namespaces).encode()
            with urllib.request.urlopen(EMULATOR.url + ACCESS_POLICIES, asked, timeout=10) as answer:  # noqa: S310 - loopback
                said = answer.read()
            if said != self._said:
                self.settle(json.loads(said))
                self._said = said
            time.sleep(EVERY_SECONDS)

    def settle(self, wanted: list[Json]) -> None:
        """Apply these, and delete the bindings of others."""
        kept = set()
        for each in wanted:
            kept.add(path := _path(each))
            each["metadata"]["labels"][OURS] = "true"
            self.api.apply(path, each)
        for kind in ("ClusterRoleBinding", "RoleBinding"):
            for each in self.api.items(f"{RBAC}/{kind.lower()}s", labelSelector=OURS):
                if (path := _path(each | {"kind": kind})) not in kept:
                    self.api.call("DELETE", path)


def _path(content: Json) -> str:
    meta = content["metadata"]
    place = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    return f"{RBAC}{place}/{content['kind'].lower()}s/{meta['name']}"
