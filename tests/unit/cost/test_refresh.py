"""Prices are re-read exactly, or not at all."""

import copy
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from botocore.stub import ANY, Stubber
from tandem_contract.errors import TandemError

from samples.previews import digest, state, step
from tandem.cost.estimate import keys
from tandem.cost.preview import read_preview
from tandem.cost.price_list import HOME, QUERIES, UNITS, prefix_of, question
from tandem.cost.prices import FOLDER, NotPriced, load, read, regions
from tandem.cost.prices.key_units import KEYS, unit_of
from tandem.cost.refresh import run

TODAY = date(2026, 11, 24)
RECORDED = {file.stem: json.loads(file.read_text()) for file in Path(__file__).with_name("recorded").glob("*.json")}
ALL = [product for products in RECORDED.values() for product in products]
PREFIXES = ("", "USE1", "us-east-1")
HAND = {"region": "us-east-1", "tier": None, "source": "read by hand", "read_at": "2026-09-27"}
NAT = HAND | {"service": "AmazonEC2", "key": "nat:data", "unit": "GB", "usd": 0.045}
NAT_HOURS = NAT | {"key": "nat:hours", "unit": "hour"}
TRAINING = HAND | {"service": "AmazonSageMaker", "key": "training:ml.g6e.2xlarge", "unit": "hour", "usd": 2.8}
RERANK = HAND | {"service": "AmazonBedrock", "key": "rerank:amazon.rerank-v1:0", "unit": "1k queries", "usd": 1}
S3 = HAND | {"service": "AmazonS3", "key": "storage:standard", "unit": "GB-month", "usd": 0.023}
GONE = TRAINING | {"key": "training:ml.p5.48xlarge", "usd": 63.296}


class PriceList:
    """Answers as AWS says that it does: all filters hold, products as texts, a page after the other."""

    def __init__(self, products):
        self.products, self.requests = products, []

    def get_paginator(self, operation):
        assert operation == "get_products"
        return self

    def paginate(self, *, ServiceCode, Filters, FormatVersion, PaginationConfig):
        assert FormatVersion == "aws_v1"
        self.requests.append((ServiceCode, Filters))
        found = [product for product in self.products if product["serviceCode"] == ServiceCode]
        for asked in Filters:
            values = asked["Value"].split(",") if asked["Type"] == "ANY_OF" else [asked["Value"]]
            found = [product for product in found if product["product"]["attributes"].get(asked["Field"]) in values]
        for product in found[: PaginationConfig["MaxItems"]]:
            yield {"FormatVersion": "aws_v1", "PriceList": [json.dumps(product)]}


@pytest.fixture
def refresh(tmp_path):
    """Run it on a table of these rows; gives what was said and the file's rows afterwards."""

    def refreshed(*rows, products=ALL, write=True, region="us-east-1", client=None, **more):
        file = tmp_path / f"{region}.json"
        file.write_text(json.dumps(rows))
        refreshed.before = file.read_bytes()
        refreshed.file = file
        refreshed.said = []
        refreshed.drifts = run(
            region,
            client=client or PriceList(products),
            write=write,
            say=refreshed.said.append,
            today=TODAY,
            folder=tmp_path,
            **more,
        )
        return json.loads(file.read_text())

    return refreshed


@pytest.fixture
def client():
    """A real one, to be stubbed: botocore checks what it is asked."""
    return boto3.client("pricing", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


def other(product, sku, **changes):
    """The same product under another number, and whatever else differs."""
    twin = copy.deepcopy(product)
    twin["product"]["sku"] = sku
    (term,) = twin["terms"]["OnDemand"].values()
    for dimension in term["priceDimensions"].values():
        if "usd" in changes:
            dimension["pricePerUnit"] = {"USD": changes["usd"]}
        dimension |= {name: value for name, value in changes.items() if name != "usd"}
    return twin


def recorded(usage_type, service=""):
    return next(
        product
        for product in ALL
        if product["product"]["attributes"]["usagetype"] == usage_type and service in product["serviceCode"]
    )


@pytest.mark.parametrize(
    ("service", "key", "unit", "usd", "sku"),
    [
        # Four NAT products, of which one is free and one costs 1.076.
        ("AmazonEC2", "nat:hours", "hour", "0.045", "MADE0NATHOURS000"),
        ("AmazonEC2", "nat:data", "GB", "0.045", "MADE0NATBYTES000"),
        # The instance has a price in training, one in notebooks, and EC2's, on Linux and on Windows.
        ("AmazonSageMaker", "training:ml.g6e.2xlarge", "hour", "2.8025", "MADE0SMTRAIN0001"),
        ("AmazonSageMaker", "hosting:ml.g6e.2xlarge", "hour", "2.8025", "MADE0SMHOST00001"),
        ("AmazonEC2", "ondemand:g6e.2xlarge", "hour", "2.24208", "MADE0EC2G6E2XL01"),
        # AWS's units: a request, 1K tokens, a GiB.
        ("AmazonS3", "requests:put", "1k requests", "0.005", "E9YHNFENF4XQBZR6"),
        ("AmazonS3", "requests:get", "1k requests", "0.0004", "ZWQ6Q48CRJXX4FXE"),
        ("AmazonEC2", "ebs:gp3:throughput", "MiBps-month", "0.04", "MADE0GP3THROUGHP"),
        ("awskms", "key", "key-month", "1", "MADE0KMSKEYS0000"),
        ("AmazonBedrock", "input:amazon.nova-lite-v1:0", "1M tokens", "0.06", "MADE0NOVALITEIN0"),
        # Models share their usage types; a profile across regions has its own.
        (
            "AmazonBedrock",
            "input:us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "1M tokens",
            "1.1",
            "MADE0HAIKU45US00",
        ),
        (
            "AmazonBedrock",
            "input:global.anthropic.claude-haiku-4-5-20251001-v1:0",
            "1M tokens",
            "1",
            "MADE0HAIKU45GLOB",
        ),
        ("AmazonBedrock", "output:us.anthropic.claude-opus-5-5", "1M tokens", "22", "MADE0OPUS55US000"),
    ],
)
def test_one_price_is_read(refresh, service, key, unit, usd, sku):
    row = HAND | {"service": service, "key": key, "unit": unit, "usd": 1000}
    assert refresh(row, accept=True) == [
        row | {"usd": float(usd), "source": "AWS Price List API", "read_at": "2026-11-24", "sku": sku}
    ]
    assert read(refresh.file).price(service, key).usd == Decimal(usd)


@pytest.mark.parametrize(
    ("service", "key", "unit", "tiers"),
    [
        (
            "AmazonS3",
            "storage:standard",
            "GB-month",
            [(0.023, 0, 51200), (0.022, 51200, 512000), (0.021, 512000, None)],
        ),
        # What is free at first is the account's allowance.
        ("AmazonDynamoDB", "storage:standard", "GB-month", [(0.25, 25, None)]),
        # Tiers are in the row's unit; two products with the same price are no conflict.
        ("AWSQueueService", "requests:standard", "1M requests", [(0.4, 1, 100000), (0.3, 100000, None)]),
    ],
)
def test_every_tier_is_kept(refresh, service, key, unit, tiers):
    rows = refresh(HAND | {"service": service, "key": key, "unit": unit, "usd": 0.5}, accept=True)
    assert [(row["usd"], row["tier"]["from"], row["tier"]["to"]) for row in rows] == tiers
    assert read(refresh.file).price(service, key).usd == Decimal(str(tiers[0][0]))


def test_what_is_said(refresh):
    refresh(TRAINING, GONE, NAT, S3, RERANK)
    *lines, listed, summary, last = refresh.said
    assert lines == [
        "AmazonS3 storage:standard: 0.023 -> 0.023 from 0 to 51200 per GB-month (+0.0 %)",
        "AmazonS3 storage:standard: none -> 0.022 from 51200 to 512000 per GB-month",
        "AmazonS3 storage:standard: none -> 0.021 from 512000 per GB-month",
        "AmazonSageMaker training:ml.g6e.2xlarge: 2.8 -> 2.8025 per hour (+0.1 %)",
        "AmazonSageMaker training:ml.p5.48xlarge: 63.296 -> gone, the price list has none",
    ]
    assert listed == "left as they are, no query: AmazonBedrock rerank:amazon.rerank-v1:0"
    assert summary.startswith("us-east-1: asked about 4 keys in 0.0 s (")
    assert summary.endswith(" a second): 1 unchanged, 2 changed, 1 gone, 0 failed; 1 without a query")
    assert last == "written: us-east-1.json"
    assert [drift.outcome for drift in refresh.drifts] == ["unchanged", "changed", "changed", "gone"]


def test_absent_key_is_deleted_and_rows_without_query_stay(refresh):
    rows = refresh(TRAINING, GONE, NAT, RERANK)
    assert [(row["service"], row["key"]) for row in rows] == [
        ("AmazonBedrock", "rerank:amazon.rerank-v1:0"),
        ("AmazonEC2", "nat:data"),
        ("AmazonSageMaker", "training:ml.g6e.2xlarge"),
    ]
    assert rows[0] == RERANK


def test_one_row_a_line_sorted(refresh):
    refresh(TRAINING, S3, RERANK)
    lines = refresh.file.read_text().splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("[", "]", 7)
    assert lines[2] == (
        '{"service": "AmazonS3", "key": "storage:standard", "region": "us-east-1", "unit": "GB-month", "usd": 0.023, '
        '"tier": {"from": 0, "to": 51200}, "source": "AWS Price List API", "read_at": "2026-11-24", '
        '"sku": "WP9ANXZGBYYSGJEA"},'
    )


@pytest.mark.parametrize("region", regions())
def test_shipped_rows_without_query_are_written_as_they_were(refresh, region):
    shipped = (FOLDER / f"{region}.json").read_text()
    rows = json.loads(shipped)
    products = [json.loads(json.dumps(product).replace("us-east-1", region)) for product in ALL]
    free = (row for row in rows if question(row["service"], row["key"], region, (region,)) is None)
    refresh(*free, TRAINING | {"region": region}, region=region, products=products, accept=True)
    lines = {line.rstrip(",") for line in refresh.file.read_text().splitlines() if "training:ml.g6e" not in line}
    assert len(lines) > 2
    assert lines <= {line.rstrip(",") for line in shipped.splitlines()}


def test_what_is_not_offered_stays_so_until_it_is(refresh):
    row = HAND | {"service": "AmazonEC2", "key": "ondemand:p5e.48xlarge", "unit": "hour", "usd": None}
    assert refresh(row, NAT)[1] == row
    sold = json.loads(json.dumps(recorded("BoxUsage:g6e.2xlarge")).replace("g6e.2xlarge", "p5e.48xlarge"))
    assert refresh(row, products=[sold])[0]["usd"] == 2.24208
    assert refresh.said[0] == "AmazonEC2 ondemand:p5e.48xlarge: not offered -> 2.24208 per hour"


def test_without_write_nothing_is_touched(refresh):
    refresh(TRAINING, GONE, S3, write=False)
    assert refresh.file.read_bytes() == refresh.before
    assert "(+0.1 %)" in "".join(refresh.said)
    assert refresh.said[-1] == "nothing written; with --write the file is"


def test_what_is_asked(refresh):
    client = PriceList(ALL)
    refresh(TRAINING, client=client)
    usage_types = "Train:ml.g6e.2xlarge,USE1-Train:ml.g6e.2xlarge,us-east-1-Train:ml.g6e.2xlarge"
    assert client.requests == [
        ("AmazonSageMaker", [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"}]),
        (
            "AmazonSageMaker",
            [
                {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"},
                {"Type": "ANY_OF", "Field": "usagetype", "Value": usage_types},
            ],
        ),
    ]


def test_every_shipped_row_with_a_query_has_units():
    for region in regions():
        for row in load(region):
            assert question(row.service, row.key, region, PREFIXES) is None or row.unit in UNITS, row
    # What is asked for fits into a filter, and what it is a price of is known.
    for service, pattern in QUERIES:
        key = pattern.replace("*", "x" * 20)
        asked = question(service, key, "eu-central-1" if ":eu." in key else HOME, PREFIXES)
        assert len(asked.filters[-1]["Value"]) <= 1024
        assert all("{" not in each["Value"] for each in asked.filters)
        assert unit_of(service, key) in UNITS
    assert all(len(units) == len(set(units)) for units in KEYS.values())


@pytest.mark.parametrize(
    ("service", "key"),
    [
        ("AmazonSageMaker", "mlflow-server:small"),
        ("AmazonSageMaker", "storage:training"),
        ("AmazonES", "floor:nextgen"),
        ("AmazonBedrock", "rerank:cohere.rerank-v3-5:0"),
        ("AmazonBedrock", "input:cohere.embed-v4:0"),
        # Another service's key, and a model that nobody has written down.
        ("AmazonEC2", "training:ml.g6e.2xlarge"),
        ("AmazonBedrock", "input:us.anthropic.claude-haiku-6-v1:0"),
    ],
)
def test_no_query_is_guessed(service, key):
    assert question(service, key, "us-east-1", PREFIXES) is None


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


# A region without a table.

OREGON, IRELAND, FRANKFURT = ("us-west-2", "USW2"), ("eu-west-1", "EU"), ("eu-central-1", "EUC1")
HAIKU = HAND | {"service": "AmazonBedrock", "unit": "1M tokens", "usd": 1.1}
HAIKU |= {"key": "input:us.anthropic.claude-haiku-4-5-20251001-v1:0"}


def elsewhere(region, short, products=ALL, factor=1.0):
    """The products of us-east-1 as another region has them: its code, usage types that begin with it, dearer."""
    moved = copy.deepcopy(products)
    for product in moved:
        attributes = product["product"]["attributes"]
        bare = attributes["usagetype"].replace("us-east-1-", f"{region}-").replace("USE1", short)
        known = bare.startswith((f"{region}-", f"{short}-"))
        attributes |= {"regionCode": region, "usagetype": bare if known else f"{short}-{bare}"}
        for term in product["terms"]["OnDemand"].values():
            for dimension in term["priceDimensions"].values():
                dimension["pricePerUnit"] = {"USD": str(float(dimension["pricePerUnit"]["USD"]) * factor)}
    return moved


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
