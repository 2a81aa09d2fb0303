"""Container images for training and serving, and whether they can run where they are put."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pulumi
import pulumi_aws as aws
from tandem_contract.checks import Checks

from ..foundation.policy import Statement, allow
from ..foundation.region import region_of
from .image_accounts import ACCOUNTS, SOURCE

TRAINING = "huggingface-pytorch-training:2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"
SERVING = "djl-inference:0.36.0-lmi28.0.0-cu130"
"""Both as listed in aws/deep-learning-containers, docs/src/data, 2026-11."""


class HostAmi(NamedTuple):
    """A host image of SageMaker endpoints."""

    name: str
    cuda: tuple[int, int]


# A container of a newer CUDA than its host's driver never starts, and writes no log (aws/deep-learning-containers,
# docs/whisperx/deployment/sagemaker.md).
HOST_AMIS = (  # SageMaker API reference, ProductionVariant
    HostAmi("al2-ami-sagemaker-inference-gpu-3-1", (12, 4)),
    HostAmi("al2023-ami-sagemaker-inference-gpu-4-1", (13, 0)),
)
PRIVATE = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com[.a-z]*/(?P<name>[^:@]+)")
PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


def cuda_of(image: str) -> tuple[int, int] | None:
    """The CUDA version that an image's tag names (`cu130`, `cu12`), None where it names none."""
    found = re.search(r"[-_:.]cu(\d{2})(\d?)", image)
    return (int(found[1]), int(found[2] or 0)) if found else None


def host_ami(image: str) -> str:
    """The host image for a serving image: the oldest that has its CUDA, the newest where the tag names none."""
    cuda = cuda_of(image)
    fitting = [ami.name for ami in HOST_AMIS if cuda is not None and ami.cuda >= cuda]
    return fitting[0] if fitting else HOST_AMIS[-1].name


def check_images(checks: Checks, image: str, ami: str) -> None:
    """Whether a serving image can be used, on the host image `ami` where one is given."""
    if "text-generation-inference" in image or re.search(r"\btgi\b", image):
        remedy = "It was archived in March 2026; use vLLM or LMI, the default."
        return checks.refuse("serving_image", image, "not Text Generation Inference", remedy)
    cuda, host = cuda_of(image), next((each for each in HOST_AMIS if each.name == ami), None)
    if cuda and cuda[0] > HOST_AMIS[-1].cuda[0]:
        newest = f"CUDA {HOST_AMIS[-1].cuda[0]} or older"
        return checks.refuse("serving_image", image, newest, "No host image of SageMaker has it.")
    if ami and host is None:
        known = " or ".join(each.name for each in HOST_AMIS)
        return checks.refuse("host_ami", ami, known, "Leave it out to have it chosen.")
    # Within a major version, containers run on older drivers (CUDA, minor version compatibility).
    if cuda and host and host.cuda[0] < cuda[0]:
        remedy = f"Use {host_ami(image)}, or leave `host_ami` out; the container would end without a log."
        checks.refuse("host_ami", ami, f"a host image with CUDA {cuda[0]}, which the image needs", remedy)


def check_region(checks: Checks, args: Mapping[str, Any], opts: pulumi.ResourceOptions | None) -> None:
    """Whether AWS's own images are to be had in the region of an environment with these options."""
    own = [key for key in ("training_image", "serving_image") if "/" not in (args[key] or "/")]
    if own and (region := region_of(opts)) and region not in ACCOUNTS:
        for key in own:
            remedy = f"Give the image's full URI ({SOURCE})."
            checks.refuse(key, args[key], f"a full URI: no registry of AWS's images in {region} is known", remedy)


def _account(region: str) -> str:
    if account := ACCOUNTS.get(region):
        return account
    # Where the region is an output of the program's, and so wasn't known before. A `RunError` needs no traceback.
    raise pulumi.RunError(f"No registry of AWS's images in {region} is known ({SOURCE}): give full URIs of images.")


def image_uri(image: str, parent: pulumi.Resource) -> pulumi.Input[str]:
    """An image as given when it names a registry, else that Deep Learning Container in the stack's region."""
    if "/" in image:
        return image
    options = pulumi.InvokeOutputOptions(parent=parent)
    region = aws.get_region_output(opts=options).region
    domain = aws.get_partition_output(opts=options).dns_suffix
    return pulumi.Output.format("{0}.dkr.ecr.{1}.{2}/{3}", region.apply(_account), region, domain, image)


def may_pull(images: Iterable[str], repository: pulumi.Input[str] | None, parent: pulumi.Resource) -> Statement:
    """Lets a role pull these images, and whatever is in the stack's own `repository`.

    A Deep Learning Container too wants the role's permission, not only its repository's.
    """
    options = pulumi.InvokeOutputOptions(parent=parent)
    partition = aws.get_partition_output(opts=options).partition
    here = aws.get_region_output(opts=options).region
    place: tuple[pulumi.Input[str], ...]
    arns: list[pulumi.Input[str]] = [repository] if repository else []
    for image in sorted(set(images)):
        found = PRIVATE.match(image)
        if "/" not in image:
            place = (here, here.apply(_account), image.partition(":")[0])
        elif found:
            place = (found["region"], found["account"], found["name"])
        else:
            continue  # a public image
        arns.append(pulumi.Output.format("arn:{0}:ecr:{1}:{2}:repository/{3}", partition, *place))
    return allow(PULL, arns)
