"""A table of another region is made from nothing, and no price leaps unseen."""

import json

import pytest
from botocore.stub import Stubber
from tandem_contract.errors import TandemError

from samples.previews import digest, state, step
from tandem.cost.estimate import keys
from tandem.cost.preview import read_preview
from tandem.cost.price_list import prefix_of, question
from tandem.cost.prices import NotPriced, read
from tandem.cost.refresh import run
from tests.unit.cost.price_lists import (
    GONE,
    HAND,
    NAT,
    NAT_HOURS,
    RECORDED,
    RERANK,
    S3,
    TODAY,
    TRAINING,
    PriceList,
    elsewhere,
    other,
    recorded,
)

OREGON, IRELAND, FRANKFURT = ("us-west-2", "USW2"), ("eu-west-1", "EU"), ("eu-central-1", "EUC1")
HAIKU = HAND | {"service": "AmazonBedrock", "unit": "1M tokens", "usd": 1.1}
HAIKU |= {"key": "input:us.anthropic.claude-haiku-4-5-20251001-v1:0"}


@pytest.fixture
def made(refresh, tmp_path):
    """Make the table of a region that has none, from rows of us-east-1; gives usd by key."""

    def make(place, *rows, products=None, **more):
        (tmp_path / "us-east-1.json").write_text(json.dumps(rows))
        made.said = []
        made.client = PriceList(elsewhere(*place) if products is None else products)
        given = {"client": made.client, "write": True, "say": made.said.append, "today": TODAY, "folder": tmp_path}
        made.drifts = run(place[0], **given | more)
        made.file = tmp_path / f"{place[0]}.json"
        return {(row.service, row.key): row for row in read(made.file)}

    made = make
    return make


@pytest.mark.parametrize("place", [OREGON, IRELAND, FRANKFURT, ("ap-southeast-2", "APS2"), ("us-gov-west-1", "UGW1")])
def test_a_table_is_made_from_nothing(made, place):
    rows = made(place, NAT, NAT_HOURS, TRAINING, S3, GONE, RERANK)
    assert {key: str(row.usd) for (_, key), row in rows.items() if row.tier is None} == {
        "nat:data": "0.045",
        "nat:hours": "0.045",
        "training:ml.g6e.2xlarge": "2.8025",
    }
    row = rows["AmazonEC2", "nat:hours"]
    assert (row.region, row.unit, row.source, row.read_at, row.sku) == (
        place[0],
        "hour",
        "AWS Price List API",
        "2026-11-24",
        "MADE0NATHOURS000",
    )
    assert len([row for row in read(made.file) if row.key == "storage:standard"]) == 3
    # What isn't there stays without a price, by name.
    *lines, open_, summary, written = made.said
    assert lines[0] == "AmazonEC2 nat:data: none -> 0.045 per GB (+0.0 % than us-east-1)"
    assert open_ == (
        f"NOT PRICED in {place[0]}, no query or not in the price list: AmazonBedrock rerank:amazon.rerank-v1:0, "
        "AmazonSageMaker training:ml.p5.48xlarge"
    )
    assert ": 0 unchanged, 0 changed, 4 new, 0 gone, 1 absent, 0 failed; 1 without a query" in summary
    assert written == f"written: {place[0]}.json"


def test_prefixes_are_read_from_answers_of_that_region_only(made):
    made(OREGON, NAT, TRAINING)
    samples, questions = made.client.requests[:2], made.client.requests[2:]
    exact = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-west-2"}]
    assert samples == [("AmazonEC2", exact), ("AmazonSageMaker", exact)]
    for service, filters in questions:
        assert filters[0] == exact[0] and service in ("AmazonEC2", "AmazonSageMaker")
    # Were the bare name asked for, another region's price could answer where only the name tells the region.
    assert questions[0][1][-1]["Value"] == "USW2-NatGateway-Bytes,us-west-2-NatGateway-Bytes"


@pytest.mark.parametrize(
    ("usage_type", "prefix"),
    [
        ("USW2-NatGateway-Hours", "USW2"),
        ("APS3-BoxUsage:m5.large", "APS3"),
        ("EU-BoxUsage:m5.large", "EU"),
        ("us-west-2-KMS-Keys", "us-west-2"),
        ("NatGateway-Hours", ""),
        ("IA-TimedStorage-ByteHrs", ""),
        ("Regional-NatGateway-Hours", ""),
        ("eu-west-1-KMS-Keys", ""),  # another region's
    ],
)
def test_prefix_of_a_usage_type(usage_type, prefix):
    assert prefix_of(usage_type, "us-west-2") == prefix


def test_a_profile_is_that_of_its_geography(made):
    """The same usage type is asked for either; the price of `eu.` must not get the name of `us.`."""
    rows = made(FRANKFURT, HAIKU, NAT)
    assert ("AmazonBedrock", HAIKU["key"].replace("us.", "eu.")) in rows
    assert ("AmazonBedrock", HAIKU["key"]) not in rows
    rows = made(("ap-southeast-2", "APS2"), HAIKU, NAT)
    assert list(rows) == [("AmazonEC2", "nat:data")]
    assert f"NOT PRICED in ap-southeast-2, no query or not in the price list: AmazonBedrock {HAIKU['key']}" in made.said
    assert question("AmazonBedrock", HAIKU["key"], "us-gov-west-1", ("UGW1",)) is None


def test_keys_of_a_preview_are_read_too(made):
    config = {"productionVariants": [{"instanceType": "ml.g6e.2xlarge", "initialInstanceCount": 1}]}
    of = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
    endpoint = "aws:sagemaker/endpoint:Endpoint"
    sources = {"propertyDependencies": {"endpointConfigName": [state(of, "config")["urn"]]}}
    text = digest(
        step("create", None, state(of, "config", config)),
        step("create", None, state(endpoint, "endpoint", {"endpointConfigName": "x"}, **sources)),
        step("create", None, state("aws:ec2/instance:Instance", "box", {"instanceType": "g6e.2xlarge"})),
    )
    asked = keys(read_preview(text, "us-west-2"))
    assert {("AmazonSageMaker", "hosting:ml.g6e.2xlarge"), ("AmazonEC2", "ondemand:g6e.2xlarge")} <= asked
    rows = made(OREGON, NAT, asked=asked)
    assert str(rows["AmazonSageMaker", "hosting:ml.g6e.2xlarge"].usd) == "2.8025"
    assert rows["AmazonEC2", "ondemand:g6e.2xlarge"].unit == "hour"


def test_a_table_that_is_there_gets_what_it_lacks(refresh, tmp_path):
    (tmp_path / "us-east-1.json").write_text(json.dumps([NAT, NAT_HOURS]))
    there = NAT | {"region": "us-west-2", "usd": 0.05}
    rows = refresh(there, region="us-west-2", products=elsewhere(*OREGON))
    assert [(row["key"], row["usd"]) for row in rows] == [("nat:data", 0.045), ("nat:hours", 0.045)]
    assert refresh.said[:2] == [
        "AmazonEC2 nat:data: 0.05 -> 0.045 per GB (-10.0 %)",
        "AmazonEC2 nat:hours: none -> 0.045 per hour (+0.0 % than us-east-1)",
    ]


@pytest.mark.faults
def test_nothing_is_made_where_nothing_is_sold(made, tmp_path):
    other_kind = [product for product in elsewhere(*OREGON) if "Prvd" in product["product"]["attributes"]["usagetype"]]
    with pytest.raises(match="nothing was written: the price list of us-west-2 has none of 2 keys"):
        made(OREGON, NAT, NAT_HOURS, products=other_kind)
    assert [file.name for file in tmp_path.iterdir()] == ["us-east-1.json"]


@pytest.mark.faults
def test_a_new_key_that_is_unclear_is_left_out_and_the_others_are_not(made):
    twice = [*elsewhere(*OREGON), other(elsewhere(*OREGON, RECORDED["nat"])[1], "TWIN", usd="0.0460")]
    rows = made(OREGON, NAT, NAT_HOURS, products=twice)
    assert list(rows) == [("AmazonEC2", "nat:hours")]
    assert made.said[0] == (
        "FAILED AmazonEC2 nat:data: ambiguous: 2 prices (0.045; 0.046); left out, it has no row yet"
    )


@pytest.mark.faults
@pytest.mark.parametrize(("usd", "percent"), [("0.032", "-98.9"), ("4.3", "+53.6"), ("1.39", "-50.4")])
def test_a_price_that_leaps_is_written_only_if_accepted(refresh, usd, percent):
    """A price list once had p4d at 0.032 an hour instead of 32.8."""
    leap = other(recorded("USE1-Train:ml.g6e.2xlarge"), "LEAP", usd=usd)
    with pytest.raises(TandemError) as caught:
        refresh(TRAINING, NAT, products=[leap, *RECORDED["nat"]])
    assert str(caught.value) == (
        "nothing was written: 1 are by more than 50 % another than before, or where new than in us-east-1: "
        "AmazonSageMaker training:ml.g6e.2xlarge. If they are right, add --accept."
    )
    assert refresh.file.read_bytes() == refresh.before
    said = f"2.8 -> {usd} per hour ({percent} %), which needs --accept: 50 % are allowed"
    assert f"AmazonSageMaker training:ml.g6e.2xlarge: {said}" in refresh.said
    refresh(TRAINING, NAT, products=[leap, *RECORDED["nat"]], write=False)
    assert refresh(TRAINING, NAT, products=[leap, *RECORDED["nat"]], accept=True)[1]["usd"] == float(usd)


def test_a_price_may_move_by_half(refresh):
    for usd in ("4.2", "1.4"):
        refresh(TRAINING, products=[other(recorded("USE1-Train:ml.g6e.2xlarge"), "X", usd=usd)])


@pytest.mark.faults
def test_a_new_price_is_compared_with_the_first_region(made, tmp_path):
    with pytest.raises(
        match=r"where new than in us-east-1: AmazonEC2 nat:data, AmazonEC2 nat:hours\. If they are right"
    ):
        made(OREGON, NAT, NAT_HOURS, products=elsewhere(*OREGON, factor=1.6))
    assert not (tmp_path / "us-west-2.json").exists()
    assert len(made(OREGON, NAT, NAT_HOURS, products=elsewhere(*OREGON, factor=1.6), accept=True)) == 2


@pytest.mark.faults
def test_what_is_asked_of_another_region_is_what_botocore_takes(client, tmp_path):
    """The samples and the questions, checked by botocore's model of the call."""
    (tmp_path / "us-east-1.json").write_text(json.dumps([NAT]))
    product = json.dumps(elsewhere(*OREGON, RECORDED["nat"])[1])
    request = {"ServiceCode": "AmazonEC2", "FormatVersion": "aws_v1"}
    exact = {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-west-2"}
    names = {"Type": "ANY_OF", "Field": "usagetype", "Value": "USW2-NatGateway-Bytes,us-west-2-NatGateway-Bytes"}
    with Stubber(client) as stub:
        stub.add_response("get_products", {"PriceList": [product]}, request | {"Filters": [exact]})
        stub.add_response("get_products", {"PriceList": [product]}, request | {"Filters": [exact, names]})
        run("us-west-2", client=client, write=True, say=print, today=TODAY, folder=tmp_path)
        stub.assert_no_pending_responses()
    assert read(tmp_path / "us-west-2.json").price("AmazonEC2", "nat:data").sku == "MADE0NATBYTES000"
    with pytest.raises(NotPriced):
        read(tmp_path / "us-west-2.json").price("AmazonEC2", "nat:hours")
