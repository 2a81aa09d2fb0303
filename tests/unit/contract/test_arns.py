"""Whether what an ARN names can be used where something is put."""

import botocore.session
import pytest
from tandem_contract.arns import PARTITIONS, Arn, check_arn_place, partition_of
from tandem_contract.checks import Checks

TOPIC = "arn:{}:sns:{}:{}:alarms"
MINE, OTHERS = "123456789012", "210987654321"


def mistakes(arn, region, account="", **more):
    checks = Checks()
    check_arn_place(checks, "topic", arn, region, account, **more)
    return [str(each) for each in checks.mistakes]


def test_partitions_are_those_of_botocore():
    loader = botocore.session.get_session().get_component("data_loader")
    for each in loader.load_data("partitions")["partitions"]:
        found = {partition_of(region) for region in each["regions"] if not region.endswith("-global")}
        assert found == {each["id"]}
    assert {each["id"] for each in loader.load_data("partitions")["partitions"]} == {"aws", *PARTITIONS.values()}


@pytest.mark.faults
@pytest.mark.parametrize(
    ("arn", "region", "said"),
    [
        (TOPIC.format("aws", "eu-west-1", MINE), "us-east-1", "is of eu-west-1, and this is us-east-1. Give one of us"),
        (TOPIC.format("aws-cn", "cn-north-1", MINE), "us-east-1", "is of cn-north-1, and this is us-east-1."),
        (
            TOPIC.format("aws-cn", "us-east-1", MINE),
            "us-east-1",
            "is of partition aws-cn, and us-east-1 is of another.",
        ),
        (TOPIC.format("aws", "eusc-de-east-1", MINE), "eusc-de-east-1", "Begin it with arn:aws-eusc:."),
        (
            TOPIC.format("aws", "us-east-1", OTHERS),
            "us-east-1",
            f"is of account {OTHERS}, and this is {MINE}. Give one",
        ),
        ("arn:aws-us-gov:iam::aws:policy/a", "us-east-1", "is of partition aws-us-gov, and us-east-1 is of another."),
    ],
)
def test_one_mistake_says_where_it_is_of(arn, region, said):
    [told] = mistakes(arn, region, MINE)
    assert said in told


@pytest.mark.parametrize(
    ("arn", "region", "account"),
    [
        (TOPIC.format("aws", "eu-west-1", OTHERS), "", ""),  # nothing is known yet
        (TOPIC.format("aws", "us-east-1", OTHERS), "us-east-1", ""),
        ("arn:aws:iam::aws:policy/a", "us-east-1", MINE),
        (TOPIC.format("aws-new", "xx-new-1", MINE), "xx-new-1", MINE),  # a partition that isn't known here
    ],
)
def test_what_fits_or_is_not_known_is_taken(arn, region, account):
    assert mistakes(arn, region, account) == []


def test_what_is_asked_for_where_it_is_may_be_of_another_region_and_of_no_other_partition():
    assert mistakes(TOPIC.format("aws", "eu-west-1", MINE), "us-east-1", regional=False) == []
    assert mistakes(TOPIC.format("aws-cn", "cn-north-1", MINE), "us-east-1", regional=False)


def test_a_kinds_pattern_takes_partitions_as_aws_names_them():
    import re

    pattern = Arn("sns", "[a-z]+").pattern
    assert all(re.fullmatch(pattern, TOPIC.format(each, "us-east-1", MINE)) for each in ("aws", *PARTITIONS.values()))
    assert not re.fullmatch(pattern, TOPIC.format("awz", "us-east-1", MINE))
