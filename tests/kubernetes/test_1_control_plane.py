"""The control plane as parts of the local cloud, and who may ask it."""

import base64
import json
import os
import signal

import boto3
import pytest
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from tests.kubernetes.conftest import PARTS
from tests.local.conftest import until

pytestmark = pytest.mark.kubernetes

TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


@pytest.fixture
def cluster(cloud):
    """EKS's client, with the cluster `learning` and the roles `entered`, which has an access entry, and `stranger`."""
    iam, eks = cloud.client("iam"), cloud.client("eks")
    trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    roles = [
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        for name in ("entered", "stranger")
    ]
    eks.create_cluster(name="learning", roleArn=roles[0], resourcesVpcConfig={"subnetIds": ["subnet-1", "subnet-2"]})
    eks.create_access_entry(clusterName="learning", principalArn=roles[0], kubernetesGroups=["tandem:jobs"])
    yield eks
    eks.delete_cluster(name="learning")
    for name in ("entered", "stranger"):
        iam.delete_role(RoleName=name)


def token(cloud, role: str, cluster: str = "learning") -> str:
    """What `aws eks get-token` prints for this role."""
    arn = cloud.client("iam").get_role(RoleName=role)["Role"]["Arn"]
    given = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    events = session._session.get_component("event_emitter")
    signer = RequestSigner(ServiceId("STS"), "us-east-1", "sts", "v4", session.get_credentials(), events)
    asked = {
        "method": "GET", "url": "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {}, "headers": {"x-k8s-aws-id": cluster}, "context": {},
    }  # fmt: skip
    url = signer.generate_presigned_url(asked, "", 60, region_name="us-east-1")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def test_every_part_runs_and_a_second_up_starts_nothing(cloud):
    said = cloud.tandem("local", "status").stderr
    assert all(part.name in said for part in PARTS)
    before = {part.name: cloud.process(part.name) for part in PARTS}
    cloud.tandem("local", "up", "--kubernetes")
    assert {part.name: cloud.process(part.name) for part in PARTS} == before


def test_clusters_are_told_with_the_local_endpoint_and_its_authority(cloud, cluster):
    told = cluster.describe_cluster(name="learning")["cluster"]
    authority = base64.b64decode(told["certificateAuthority"]["data"])
    assert authority == (cloud.home / "kubernetes" / "ca.crt").read_bytes()
    assert told["endpoint"] == f"https://127.0.0.1:{cloud.environment['TANDEM_LOCAL_KUBERNETES_PORT']}"


def test_iam_tokens_open_what_their_access_entry_says_and_others_nothing(cloud, kubernetes, cluster):
    entered = kubernetes.who(token(cloud, "entered"))
    assert entered["username"].endswith(":assumed-role/entered/session")
    assert entered["groups"] == ["system:authenticated", "tandem:jobs"]
    assert (
        kubernetes.ask("/api/v1/namespaces", token=token(cloud, "entered"))[0] == 403
    )  # no role is bound to the group
    assert kubernetes.who(token(cloud, "stranger")) == {}
    assert kubernetes.who(token(cloud, "entered", "another-cluster")) == {}
    assert kubernetes.who("k8s-aws-v1.AAAA") == {}


@pytest.mark.faults
@pytest.mark.parametrize("part", ["etcd", "kube-apiserver", "controllers", "kubernetes"])
def test_what_was_killed_is_started_by_the_next_up_and_nothing_is_lost(cloud, kubernetes, part):
    content = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"before-{part}"}}
    assert kubernetes.ask("/api/v1/namespaces", content)[0] == 201
    os.kill(killed := cloud.process(part), signal.SIGKILL)
    status = cloud.tandem("local", "status", check=False)
    assert status.returncode == 1 and "dead" in status.stderr
    cloud.tandem("local", "up")  # which knows that Kubernetes was wanted
    assert cloud.process(part) != killed
    assert kubernetes.ask(f"/api/v1/namespaces/before-{part}", method="DELETE")[0] == 200
    until(lambda: kubernetes.ask(f"/api/v1/namespaces/before-{part}")[0] == 404, 60, "the namespace is gone")
