"""In which order the real engine deletes a stack with a cluster, while the deletion of one class takes long.

tests/unit/kubernetes/test_destroy_order.py looks at the dependencies alone, and so at every order that they allow.
"""

import json
import os
import shutil
import subprocess

import pytest
import yaml

from localcloud import paths
from localcloud.toolchain import build
from tests.support.slow_provider import SlowProvider, serving

pytestmark = pytest.mark.local

CLUSTER = {
    "nodeGroups": [{"name": "a", "instanceTypes": ["g6e.12xlarge"], "efa": True, "zones": ["us-east-1a"]}],
    "nodePools": [{"name": "b", "instanceTypes": ["g6e.12xlarge"], "gpus": 8}],
}
CONFIG = {
    "aws:region": "us-east-1",
    "tandem:environment": "finetuning",
    "tandem:trainingBackend": "eks",
    "tandem:trainingInstance": "g6e.12xlarge",
    "tandem:cluster": json.dumps(CLUSTER),
    "tandem:retention": "erase",
}
POOL, NODE_CLASS = "kubernetes:karpenter.sh/v1:NodePool", "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
NODES, EKS = "aws:eks/nodeGroup:NodeGroup", "aws:eks/cluster:Cluster"


class Stack:
    """A stack of the program, as the slow provider deployed it; each destroy begins with that state."""

    def __init__(self, folder, provider, environment):
        self.folder, self.provider, self.environment = folder, provider, environment
        (folder / "stack.yaml").write_text(yaml.safe_dump({"config": CONFIG}))
        (folder / "made").mkdir()
        build.ensure_stack(self._on("made"), "order")
        self.pulumi("made", "up", "--yes", "--skip-preview", "--config-file", folder / "stack.yaml")

    def _on(self, state):
        return self.environment | {"PULUMI_BACKEND_URL": f"file://{self.folder / state}"}

    def pulumi(self, state, *arguments, **options):
        command = ["pulumi", *arguments, "--stack", "order", "--non-interactive"]
        options |= {"cwd": paths.ROOT, "env": self._on(state), "capture_output": True, "text": True}
        done = subprocess.run(command, check=False, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def destroyed(self, held, without=("", "")):
        """The provider, after a destroy in which one type was held; `without` is a dependency that is taken out."""
        shutil.copytree(self.folder / "made", self.folder / "copy")
        try:
            if any(without):
                self._take_out(*without)
            self.provider.hold(held)
            self.pulumi("copy", "destroy", "--yes", "--skip-preview", "--config-file", self.folder / "stack.yaml")
        finally:
            shutil.rmtree(self.folder / "copy")
        return self.provider

    def _take_out(self, first, then):
        state = json.loads(self.pulumi("copy", "stack", "export"))
        (resource,) = [each for each in state["deployment"]["resources"] if each["type"] == first]
        for found in (resource["dependencies"], *resource["propertyDependencies"].values()):
            found[:] = [urn for urn in found if then not in urn]
        self.pulumi("copy", "stack", "import", input=json.dumps(state))


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    provider, environment = SlowProvider(), os.environ | build.ensure(print)
    with serving(provider) as found:
        yield Stack(tmp_path_factory.mktemp("order"), provider, environment | found)


@pytest.mark.parametrize(
    ("held", "first", "thens"),
    [
        ("kubernetes:core/v1:Namespace", "kubernetes:core/v1:Namespace", [POOL, NODES]),
        (POOL, POOL, [NODE_CLASS, "karpenter-controller", NODES]),
        (NODE_CLASS, NODE_CLASS, ["karpenter-controller", "aws:iam/instanceProfile:InstanceProfile"]),
        (
            "kubernetes:apps/v1:Deployment",
            "karpenter-controller",
            ["karpenter-permissions", "Karpenter$aws:eks/podIdentityAssociation:PodIdentityAssociation", NODES],
        ),
        (NODES, NODES, ["vpc-cni", "aws:ec2/natGateway:NatGateway", "aws:ec2/vpcEndpoint:VpcEndpoint", EKS]),
        ("aws:eks/addon:Addon", "aws:eks/addon:Addon", [EKS]),
        (EKS, EKS, ["aws:kms/key:Key", "aws:ec2/subnet:Subnet", "tuning-cluster-log"]),
    ],
)
def test_what_takes_long_to_delete_is_waited_for(stack, held, first, thens):
    provider = stack.destroyed(held)
    assert [then for then in thens if not provider.is_before(first, then)] == []


def test_an_edge_less_is_seen(stack):
    """The proof that the first test can fail: without its edge to the class, a pool is there after it."""
    provider = stack.destroyed(POOL, without=(POOL, NODE_CLASS))
    assert not provider.is_before(POOL, NODE_CLASS)
