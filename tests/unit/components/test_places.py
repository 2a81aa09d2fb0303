"""Regions and partitions: ARNs, hosts and registries are those of the place that a stack is put into."""

import json
import re
import zipfile

import pulumi
import pytest
from pulumi_tandem import FineTuningEnvironment, HybridEnvironment
from pulumi_tandem.finetuning import images
from pulumi_tandem.finetuning.image_accounts import ACCOUNTS
from pulumi_tandem.foundation.arguments import InvalidArguments

from scripts import image_accounts
from scripts.recorder import ROOT, record, record_stack

PARTITIONS = {
    "cn-north-1": ("aws-cn", "amazonaws.com.cn"),
    "us-gov-west-1": ("aws-us-gov", "amazonaws.com"),
    "us-iso-east-1": ("aws-iso", "c2s.ic.gov"),
}
STACKS = {
    "rag": {},
    "rag on a domain": {"tandem:store": "domain"},
    "finetuning": {"tandem:model": "arn:{partition}:sagemaker:{region}:123456789012:model-package/models/3"},
    "finetuning on eks": {
        "tandem:trainingBackend": "eks",
        "tandem:cluster": '{{"admins": ["arn:{partition}:iam::123456789012:role/ops"]}}',
    },
}
EVERYWHERE = r"\b(?!ec2\.)(?:[a-z]+\.)*[a-z]+\.amazonaws\.com(?!\.cn)(?=[\"/\\])"
"""Principals, and labels of EKS: with EC2's exception the same in all partitions (AWS CDK, region-info)."""


def answers(region: str) -> dict:
    partition, domain = PARTITIONS.get(region, ("aws", "amazonaws.com"))
    return {
        "aws:index/getPartition:getPartition": {"partition": partition, "dnsSuffix": domain},
        "aws:index/getRegion:getRegion": {"region": region},
    }


@pytest.mark.parametrize("region", PARTITIONS)
@pytest.mark.parametrize("stack", STACKS)
def test_every_arn_and_host_is_of_the_stacks_partition(stack, region):
    partition, domain = PARTITIONS[region]
    given = {key: value.format(partition=partition, region=region) for key, value in STACKS[stack].items()}
    placed = {"aws:region": region, "aws:skipRegionValidation": "true"}
    config = {"tandem:environment": stack.partition(" ")[0], "tandem:retention": "erase", **given, **placed}
    found = record_stack(config, answers=answers(region))
    text = "\n".join(json.dumps([each.type, each.name, each.inputs]) for each in found.resources)
    assert f"arn:{partition}:" in text
    assert [line for line in text.splitlines() if "arn:aws:" in line] == []
    if domain != "amazonaws.com":
        assert [
            line for line in re.sub(EVERYWHERE, "", text).splitlines() if re.search(r"amazonaws\.com(?!\.cn)", line)
        ] == []


@pytest.mark.parametrize(
    ("region", "registry"),
    [
        ("us-east-1", "763104351884.dkr.ecr.us-east-1.amazonaws.com"),
        ("eu-south-1", "692866216735.dkr.ecr.eu-south-1.amazonaws.com"),
        ("cn-north-1", "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "442386744353.dkr.ecr.us-gov-west-1.amazonaws.com"),
    ],
)
def test_images_of_aws_are_pulled_from_the_regions_own_registry(region, registry):
    stack = record_stack({"tandem:environment": "finetuning"}, answers=answers(region))
    definition = json.loads(stack.one("StateMachine").inputs["definition"])
    train = definition["States"]["Train"]["Parameters"]["AlgorithmSpecification"]["TrainingImage"]
    assert train.startswith(f"{registry}/huggingface-pytorch-training:")
    partition = PARTITIONS.get(region, ("aws",))[0]
    pulled = f"arn:{partition}:ecr:{region}:{registry[:12]}:repository/huggingface-pytorch-training"
    assert pulled in stack.one("RolePolicy", "job-permissions").inputs["policy"]


@pytest.mark.faults
def test_a_region_whose_registry_is_not_known_takes_full_uris():
    def refused(make) -> list[str]:
        with pytest.raises(InvalidArguments) as caught:
            record(make, answers=answers("mars-north-1"))
        assert "no registry of AWS's images in mars-north-1 is known" in str(caught.value)
        assert "Give the image's full URI (sagemaker-core" in str(caught.value)
        return [mistake.where for mistake in caught.value.mistakes]

    own = {"training_image": "registry.mars/t:1", "serving_image": "registry.mars/s:1"}
    assert refused(lambda: FineTuningEnvironment("t", {})) == ["training_image", "serving_image"]
    assert refused(lambda: HybridEnvironment("h", {"finetuning": {"training_image": own["training_image"]}})) == [
        "finetuning.serving_image"
    ]
    assert record(lambda: FineTuningEnvironment("t", own), answers=answers("mars-north-1")).of("StateMachine")


@pytest.mark.faults
def test_a_region_that_only_the_deployment_knows_is_told_in_one_sentence():
    """`RunError` is what the engine prints without a traceback, inside an `apply` too."""
    with pytest.raises(pulumi.RunError, match="No registry of AWS's images in mars-north-1 is known"):
        images._account("mars-north-1")


def wheel(folder, **tables) -> "zipfile.Path":
    file = folder / "sagemaker_core-9.8.7-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name, registries in tables.items():
            content = {"training": {"versions": {"1": {"py": {"registries": registries}}}}}
            entry = zipfile.ZipInfo(f"{image_accounts.CONFIGURATION}{name}.json", (2026, 10, 21, 0, 0, 0))
            archive.writestr(entry, json.dumps(content))
    return file


def test_the_rows_are_of_a_wheel_with_its_version_and_day(tmp_path):
    dlc = {"us-east-1": image_accounts.DLC, "mars-1": "000000000001"}
    file = wheel(tmp_path, a=dlc, b={**dlc, "mars-2": "000000000002"}, xgboost={"us-east-1": "683313688378"})
    assert image_accounts.accounts(file) == {**dlc, "mars-2": "000000000002"} | {}
    assert image_accounts.packed(file) == ("9.8.7", "2026-10-21")
    written = ROOT / "components/pulumi_tandem/finetuning/image_accounts.py"
    version, day = re.search(r"sagemaker-core ([\d.]+) .* packed ([\d-]+)", written.read_text()).groups()
    assert image_accounts.module(ACCOUNTS, version, day) == written.read_text()


@pytest.mark.faults
def test_two_accounts_for_a_region_are_refused(tmp_path):
    tables = ({"us-east-1": image_accounts.DLC, "mars-1": account} for account in ("000000000001", "000000000002"))
    file = wheel(tmp_path, **dict(zip("ab", tables, strict=True)))
    with pytest.raises(ValueError, match="mars-1 has 000000000002, and 000000000001 for another image"):
        image_accounts.accounts(file)
