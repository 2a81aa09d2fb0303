"""EKS and Karpenter."""

from .fact import Fact

ROWS = [
    Fact(
        key="eks-token-minutes",
        fact="EKS takes a token for 15 minutes after it was signed",
        sure="documented",
        source='EKS best practices guide, "Identity and access management"',
        read="2026-11",
        tested="unit/finetuning/cluster/test_faults.py::test_a_token_that_is_refused_is_signed_anew",
        probe="a run on the cluster",
    ),
    Fact(
        key="eks-access-entry-takes-time",
        fact="A new access entry is known after a while: 401 until then",
        sure="documented",
        source='EKS user guide, "Create access entries"',
        read="2026-11",
        tested="unit/finetuning/cluster/test_faults.py::test_what_is_away_for_now_is_tried_again_and_then_named",
        probe="the first run after `up`",
    ),
    Fact(
        key="eks-pod-identity-tags",
        fact="Pod Identity's agent takes the role with tags of cluster and Pod: trust needs sts:TagSession",
        sure="documented",
        source='EKS user guide, "Learn how EKS Pod Identity grants Pods access"',
        read="2026-11",
        tested="unit/test_grants.py::test_each_statement_is_one_of_awss_tables",
        probe="a Pod's call from its sidecar",
    ),
    Fact(
        key="eks-nodeadm-asks-ec2",
        fact="AL2023's nodeadm asks EC2 for its instance, which EKS's minimal node policy doesn't allow",
        sure="documented",
        source="nodeadm's source (getPrivateDNSName); the managed policies' documents",
        read="2026-11",
        tested="unit/kubernetes/test_gpu_cluster.py",
        probe="a node of a pool joins",
    ),
    Fact(
        key="eks-group-name",
        fact="EKS adds 26 characters to what a node group's name begins with, and takes 63",
        sure="documented",
        source="EKS API reference, CreateNodegroup",
        read="2026-11",
        tested="unit/kubernetes/test_gpu_cluster.py::test_names_have_room_for_what_pulumi_and_aws_add",
    ),
    Fact(
        key="eks-karpenter-from-zero",
        fact="Karpenter starts a GPU node for a Pod that waits, and ends it when empty",
        sure="documented",
        source="karpenter.sh, NodePools and disruption",
        read="2026-11",
        tested="unit/kubernetes/test_gpu_cluster.py::test_a_pool_comes_from_nothing_and_goes_when_empty",
        probe="a run on the cluster, and an hour after it",
    ),
    Fact(
        key="eks-efa-huge-pages",
        fact="Libfabric's huge pages run out where data loaders fork, unless they are switched off",
        sure="documented",
        source='AWS, "EFA cheat sheet"',
        read="2026-11",
        tested="unit/kubernetes/test_cluster_training.py",
        probe="a run on instances with the adapter",
    ),
]
