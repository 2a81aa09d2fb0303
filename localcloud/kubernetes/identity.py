"""Pod Identity: a role for the service account of a Pod, as the cluster's agent gives it.

A container finds the agent's address and a token of its Pod in its environment, and every AWS SDK asks there.
"""

import json
import logging
import secrets
import time
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from localcloud.services.supervisor import REGION

PATH = "/v1/credentials"
DURATION_SECONDS = 3600
KEPT_SECONDS = 5  # what is said of the cluster


@cache
def client(service: str) -> Any:
    """A client of the emulator, with the root's credentials from the environment."""
    return boto3.client(service, region_name=REGION)


class Clusters:
    """The emulated cluster whose API server is ours."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint, self._name, self._until = endpoint, "", 0.0

    def name(self) -> str:
        """Its name; empty while there is none."""
        if time.monotonic() > self._until:
            names = client("eks").list_clusters()["clusters"]
            ours = [each for each in names if _endpoint(each) == self.endpoint]
            self._name, self._until = (ours or [""])[0], time.monotonic() + KEPT_SECONDS
        return self._name


def _endpoint(cluster: str) -> str:
    return client("eks").describe_cluster(name=cluster)["cluster"].get("endpoint", "")


class Identities:
    """Tokens of Pods, and the credentials that each is for. `port` is where `PATH` is served on 127.0.0.1."""

    def __init__(self, clusters: Clusters, port: int) -> None:
        self.clusters, self.port = clusters, port
        self._roles: dict[str, tuple[str, str]] = {}  # token -> Pod's uid, role's ARN

    def variables(self, uid: str, namespace: str, account: str) -> dict[str, str]:
        """What the agent's webhook adds to a Pod; nothing where its service account has no role."""
        if not (role := self._role(namespace, account)):
            return {}
        token = secrets.token_urlsafe(24)
        self._roles[token] = (uid, role)
        address = f"http://127.0.0.1:{self.port}{PATH}"
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": address, "AWS_CONTAINER_AUTHORIZATION_TOKEN": token}

    def drop(self, uid: str) -> None:
        """The Pod has gone: its token opens nothing any more."""
        for token in [token for token, (owner, _) in list(self._roles.items()) if owner == uid]:
            self._roles.pop(token, None)

    def answer(self, token: str) -> tuple[int, bytes]:
        """HTTP status and body of the agent for this token."""
        if token not in self._roles:
            return 403, b'{"message": "not the token of a Pod that is here"}'
        uid, role = self._roles[token]
        try:
            session = {"RoleSessionName": f"eks-{uid}"[:64], "DurationSeconds": DURATION_SECONDS}
            given = client("sts").assume_role(RoleArn=role, **session)["Credentials"]
        except (ClientError, BotoCoreError) as error:
            logging.warning("no credentials of %s: %s", role, error)
            return 400, json.dumps({"message": str(error)}).encode()
        return 200, json.dumps({
            "AccessKeyId": given["AccessKeyId"],
            "SecretAccessKey": given["SecretAccessKey"],
            "Token": given["SessionToken"],
            "Expiration": given["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }).encode()  # fmt: skip

    def _role(self, namespace: str, account: str) -> str:
        if not (cluster := self.clusters.name()):
            return ""
        eks, of = client("eks"), {"clusterName": cluster, "namespace": namespace, "serviceAccount": account}
        for each in eks.list_pod_identity_associations(**of)["associations"]:
            found = eks.describe_pod_identity_association(clusterName=cluster, associationId=each["associationId"])
            return found["association"]["roleArn"]
        return ""
