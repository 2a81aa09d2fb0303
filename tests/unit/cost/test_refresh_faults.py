"""Prices are re-read exactly, or not at all."""

import json

import pytest
from botocore.exceptions import NoCredentialsError
from botocore.stub import ANY, Stubber
from tandem_contract.errors import TandemError

from tandem.cost.refresh import run
from tests.unit.cost.price_lists import (
    ALL,
    GONE,
    NAT,
    NAT_HOURS,
    RECORDED,
    RERANK,
    S3,
    TODAY,
    TRAINING,
    PriceList,
    other,
    recorded,
)


def test_every_page_is_read(refresh, client):
    """A second price on the second page is a second price."""
    first = recorded("NatGateway-Bytes")
    request = {"ServiceCode": "AmazonEC2", "FormatVersion": "aws_v1", "Filters": ANY}
    with Stubber(client) as stub:
        stub.add_response("get_products", {"PriceList": [json.dumps(first)]}, request)  # the sample
        stub.add_response("get_products", {"PriceList": [json.dumps(first)], "NextToken": "more"}, request)
        second = json.dumps(other(first, "MORE", usd="0.05"))
        stub.add_response("get_products", {"PriceList": [second]}, request | {"NextToken": "more"})
        with pytest.raises(match="1 failed"):
            refresh(NAT, client=client)
    assert refresh.said[0].endswith("ambiguous: 2 prices (0.045; 0.05)")


@pytest.mark.faults
@pytest.mark.parametrize(
    ("row", "products", "says"),
    [
        (
            NAT,
            [recorded("NatGateway-Bytes"), other(recorded("NatGateway-Bytes"), "FREE", usd="0.0000000000")],
            "ambiguous: 2 prices (0; 0.045)",
        ),
        # Two files gave EC2's price for g6e in training; were both in the list, neither would be taken.
        (
            TRAINING,
            [
                recorded("USE1-Train:ml.g6e.2xlarge"),
                other(recorded("USE1-Train:ml.g6e.2xlarge"), "EC2S", usd="2.2420800000"),
            ],
            "ambiguous: 2 prices (2.24208; 2.8025)",
        ),
        # The same first price, but other tiers, is another price.
        (
            S3,
            [
                recorded("TimedStorage-ByteHrs", "S3"),
                other(recorded("TimedStorage-ByteHrs", "S3"), "FLAT", usd="0.0230"),
            ],
            "ambiguous: 2 prices (0.023, 0.022, 0.021; 0.023, 0.023, 0.023)",
        ),
        (NAT, [other(recorded("NatGateway-Bytes"), "X", usd="0.0000000000")], "a price of zero"),
        (NAT, [other(recorded("NatGateway-Bytes"), "X", unit="TB")], "in 'TB': add to UNITS in tandem/cost/price_list"),
        (NAT, [other(recorded("NatGateway-Bytes"), "X", pricePerUnit={"CNY": "0.3"})], "not in US dollars: {'CNY'"),
    ],
)
def test_what_is_not_exactly_one_price_fails_and_nothing_is_written(refresh, row, products, says):
    with pytest.raises(TandemError) as caught:
        refresh(row, NAT_HOURS, RERANK, products=[*products, recorded("NatGateway-Hours")])
    assert str(caught.value) == f"nothing was written: 1 failed: {row['service']} {row['key']}"
    assert refresh.said[0].startswith(f"FAILED {row['service']} {row['key']}: {says}")
    assert "1 failed" in refresh.said[-1]
    assert refresh.file.read_bytes() == refresh.before


@pytest.mark.faults
def test_other_usage_type_than_asked_for_fails(refresh):
    """Were a filter to mean something else than it says, another product's price must not be taken."""

    class Loose(PriceList):
        def paginate(self, **request):
            return super().paginate(**request | {"Filters": []})

    with pytest.raises(match="1 failed: AmazonEC2 nat:data"):
        refresh(NAT, client=Loose(RECORDED["nat"]))
    assert "asked for NatGateway-Bytes or us-east-1-NatGateway-Bytes, answered NatGateway-" in refresh.said[0]
    assert refresh.file.read_bytes() == refresh.before


@pytest.mark.faults
def test_all_failures_are_listed(refresh):
    broken = [other(each, each["product"]["sku"], unit="furlong") for each in RECORDED["nat"]]
    with pytest.raises(match="2 failed: AmazonEC2 nat:data, AmazonEC2 nat:hours"):
        refresh(NAT, NAT_HOURS, products=broken)


@pytest.mark.faults
def test_not_half_of_a_table_vanishes(refresh):
    with pytest.raises(match="2 of 3 keys aren't in the price list; that many don't vanish"):
        refresh(NAT, GONE, TRAINING, products=RECORDED["nat"])
    assert refresh.file.read_bytes() == refresh.before


@pytest.mark.faults
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("AccessDeniedException", r"the permission pricing:GetProducts; nothing was written \(.*AccessDenied"),
        ("ExpiredTokenException", "the permission pricing:GetProducts"),
        ("UnrecognizedClientException", "the permission pricing:GetProducts"),
        ("ThrottlingException", "can't be read, nothing was written: .*Throttling"),
        ("InternalErrorException", "can't be read, nothing was written"),
    ],
)
def test_refusal_is_a_sentence(refresh, client, code, says):
    with Stubber(client) as stub, pytest.raises(match=says):
        stub.add_client_error("get_products", code)
        refresh(NAT, client=client)
    assert refresh.file.read_bytes() == refresh.before


@pytest.mark.faults
def test_no_credentials_is_a_sentence(refresh):
    class Nobody(PriceList):
        def paginate(self, **request):
            raise NoCredentialsError

    with pytest.raises(match="read with AWS credentials that have the permission pricing:GetProducts"):
        refresh(NAT, client=Nobody([]))
    assert refresh.file.read_bytes() == refresh.before


@pytest.mark.faults
def test_region_that_is_none(refresh):
    refresh(NAT)
    for region in ("../us-east-1", "us-east-1a", "Oregon", ""):
        with pytest.raises(match=r"is not allowed \(a region's code\). Give it as us-west-2"):
            run(region, client=None, write=True, say=print, today=TODAY, folder=refresh.file.parent)
    with pytest.raises(match="nothing in region 'me-north-1', and nothing was written"):
        run("me-north-1", client=PriceList(ALL), write=True, say=print, today=TODAY, folder=refresh.file.parent)
    assert [file.name for file in refresh.file.parent.iterdir()] == ["us-east-1.json"]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"unit": None}, "its terms aren't as AWS describes them"),
        ({"usd": "n/a"}, "its terms aren't as AWS describes them"),
        ({"usd": "NaN"}, "a price of NaN"),
        ({"usd": "-0.045"}, "a price of -0.045"),
        ({"beginRange": "some"}, "its terms aren't as AWS describes them"),
    ],
)
def test_terms_that_are_no_price_fail(refresh, change, says):
    with pytest.raises(match="nothing was written: 1 failed: AmazonEC2 nat:data"):
        refresh(NAT, products=[other(recorded("NatGateway-Bytes"), "X", **change)])
    assert says in refresh.said[0]
    assert refresh.file.read_bytes() == refresh.before


@pytest.mark.faults
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ('{"product":', "is no JSON, nothing was written"),
        ("[1]", "isn't as AWS describes it, nothing was written"),
        ('{"product": {"sku": "X", "attributes": {}}}', "isn't as AWS describes it"),
        ('{"product": {"sku": "X"}, "terms": {}}', "isn't as AWS describes it"),
    ],
)
def test_an_answer_of_another_shape_is_a_sentence(refresh, answer, says):
    class Odd(PriceList):
        def paginate(self, **request):
            yield {"PriceList": [answer]}

    with pytest.raises(TandemError, match=f"about AmazonEC2 {says}"):
        refresh(NAT, client=Odd([]))
    assert refresh.file.read_bytes() == refresh.before
