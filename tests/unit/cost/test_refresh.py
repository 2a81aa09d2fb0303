"""Prices are re-read exactly, and it is said what drifted."""

import json
from decimal import Decimal

import pytest

from tandem.cost.price_list import HOME, QUERIES, UNITS, question
from tandem.cost.prices import FOLDER, load, read, regions
from tandem.cost.prices.key_units import KEYS, unit_of
from tests.unit.cost.price_lists import (
    ALL,
    GONE,
    HAND,
    NAT,
    PREFIXES,
    RERANK,
    S3,
    TRAINING,
    PriceList,
    recorded,
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
