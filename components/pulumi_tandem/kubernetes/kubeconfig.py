"""How to reach a cluster's API: a kubeconfig from what EKS says of the cluster."""

import json
import os

import pulumi

TOKEN_FILE = "TANDEM_KUBECONFIG_TOKEN_FILE"  # noqa: S105 - the name of a variable
"""Environment variable of the deployer: a file with a token, instead of one for its AWS credentials."""


def kubeconfig(
    name: pulumi.Input[str],
    endpoint: pulumi.Input[str],
    authority: pulumi.Input[str],
    region: pulumi.Input[str],
) -> pulumi.Output[str]:
    """A kubeconfig in JSON. It holds no secret: each client asks `aws eks get-token` for a token of its own.

    `authority` is the certificate authority's certificate in base64.
    """
    return pulumi.Output.all(name, endpoint, authority, region).apply(lambda each: _written(*each))


def _written(name: str, endpoint: str, authority: str, region: str) -> str:
    user: dict = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "aws",
            "args": ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json"],
            "interactiveMode": "Never",
        }
    }
    if file := os.environ.get(TOKEN_FILE):
        user = {"tokenFile": file}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "clusters": [
                {"name": name, "cluster": {"server": endpoint, "certificate-authority-data": authority}},
            ],
            "users": [{"name": name, "user": user}],
        }
    )
