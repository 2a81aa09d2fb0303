"""Versions of all that a cluster is made of, in one table, with what each was made for."""

from collections.abc import Mapping
from typing import NamedTuple

from tandem_contract.checks import Checks, near, shown
from tandem_contract.fields import Field, Table


class Chart(NamedTuple):
    """A Helm chart. Its images are those that the chart names."""

    chart: str
    """Its `oci://` address, or its name in `repository`."""
    version: str
    repository: str = ""
    """The address of a repository of the older kind."""


# Neither a package nor a public file gives digests of these charts: a version is a tag, which its publisher could move.
# Karpenter names its image by digest inside the chart; the images of the others are tags.
CHARTS = {
    "karpenter": Chart("oci://public.ecr.aws/karpenter/karpenter", "1.14.1"),
    "karpenter-crd": Chart("oci://public.ecr.aws/karpenter/karpenter-crd", "1.14.1"),
    "kueue": Chart("oci://registry.k8s.io/kueue/charts/kueue", "0.19.0"),
    # It brings JobSet 0.12.0.
    "kubeflow-trainer": Chart("oci://ghcr.io/kubeflow/charts/kubeflow-trainer", "2.3.0"),
    "nvidia-device-plugin": Chart("nvidia-device-plugin", "0.18.0", "https://nvidia.github.io/k8s-device-plugin"),
    "aws-efa-k8s-device-plugin": Chart("aws-efa-k8s-device-plugin", "v0.5.29", "https://aws.github.io/eks-charts"),
}
"""By the name of the chart's folder."""

KUBERNETES = "1.36"
"""The newest in EKS's standard support for which `MADE_FOR` has a row of each part."""
NODE_IMAGE = "v20261023"
"""EKS's AL2023 images for Karpenter's nodes (awslabs/amazon-eks-ami, release of this name: 1.31 to 1.37)."""
NODE_AGENTS = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")
ADDONS = ("coredns", "eks-node-monitoring-agent")
OBSERVABILITY = "amazon-cloudwatch-observability"
"""EKS add-ons. Without a version they have EKS's default for the cluster's Kubernetes, and follow it."""

MADE_FOR = {
    # karpenter-provider-aws, pkg/providers/version/version.go: it stops on any other.
    "karpenter": {"1.14.1": ("1.26", "1.36"), "1.15.2": ("1.26", "1.37")},
    # The k8s.io/api of their go.mod, and two before it, as upstream's own support goes.
    "kueue": {"0.17.0": ("1.33", "1.35"), "0.19.0": ("1.34", "1.36")},
    "trainer": {"2.2.0": ("1.33", "1.35"), "2.3.0": ("1.34", "1.36")},
    "jobset": {"0.11.1": ("1.33", "1.35"), "0.12.0": ("1.34", "1.36")},
}
"""First and last Kubernetes of each release. One that isn't here can't be checked, and isn't refused."""
TOGETHER = {
    # kueue's and kubeflow-trainer's go.mod and Chart.yaml.
    ("kueue", "0.17.0"): {"jobset": "0.11.1"},
    ("kueue", "0.19.0"): {"jobset": "0.12.0"},
    ("trainer", "2.2.0"): {"jobset": "0.11.1"},
    ("trainer", "2.3.0"): {"jobset": "0.12.0"},
}
"""What a release wants beside itself."""

VERSIONS = Table(
    "ClusterVersions",
    "Versions of a cluster's parts; each has a default that fits the others.",
    {
        "kubernetes": Field(
            KUBERNETES,
            "Minor version of Kubernetes. EKS upgrades one at a time, and never back.",
            pattern=r"1\.\d{2}",
            allowed="a minor version",
            remedy=f"For example {KUBERNETES}.",
            cost="Beyond standard support the control plane costs $0.60 an hour instead of $0.10.",
        ),
        "karpenter": Field(
            CHARTS["karpenter"].version,
            "Release of Karpenter and of its CRDs.",
            pattern=r"\d+\.\d+\.\d+",
            allowed="a release",
            remedy="For example 1.14.1.",
        ),
        "node_image": Field(
            NODE_IMAGE,
            "Release of EKS's AL2023 images that Karpenter starts. A change replaces nodes once they are empty.",
            pattern=r"v\d{8}|latest",
            allowed="a release such as v20261023, or latest",
            remedy=f"For example {NODE_IMAGE}; with latest nodes change under running stacks.",
        ),
        "nvidia_device_plugin": Field(
            CHARTS["nvidia-device-plugin"].version,
            "Release of NVIDIA's device plugin.",
            pattern=r"\d+\.\d+\.\d+",
            allowed="a release",
            remedy="For example 0.18.0.",
        ),
        "addons": Field(
            {},
            "Versions of EKS add-ons by name, e.g. `vpc-cni: v1.21.1-eksbuild.1`; the others follow EKS's default for "
            "the cluster's Kubernetes at each `pulumi up`.",
        ),
    },
)


def check_together(checks: Checks, key: str, chosen: Mapping[str, str]) -> None:
    """Checks that what is known of the chosen releases, `kubernetes` among them, fits; `key` is what holds them."""
    kubernetes = chosen["kubernetes"]
    for part, release in chosen.items():
        first, last = MADE_FOR.get(part, {}).get(release, (kubernetes, kubernetes))
        if not _number(first) <= _number(kubernetes) <= _number(last):
            fitting = [
                other
                for other, (low, high) in MADE_FOR[part].items()
                if _number(low) <= _number(kubernetes) <= _number(high)
            ]
            other = f"take {part} {fitting[-1]}" if fitting else f"take a {part} that is made for {kubernetes}"
            problem = f"{shown(release)} is made for Kubernetes {first} to {last}, and the cluster has {kubernetes}"
            checks.add(f"{key}.{part}", problem, f"Take Kubernetes {last}, or {other}.")
        for wanted, of in TOGETHER.get((part, release), {}).items():
            if chosen.get(wanted, of) != of:
                problem = f"{shown(release)} goes with {wanted} {of}, and {chosen[wanted]} is chosen"
                checks.add(f"{key}.{part}", problem, f"Take {wanted} {of}.")


def check_addons(checks: Checks, addons: Mapping[str, str]) -> None:
    """Checks that the add-ons whose versions are given are ones that a cluster gets."""
    known = (*NODE_AGENTS, *ADDONS, OBSERVABILITY)
    for name in addons:
        if name not in known:
            remedy = near(name, known) or f"Known here: {', '.join(known)}."
            checks.add(f"versions.addons.{name}", "is not an add-on of the cluster", remedy)


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
