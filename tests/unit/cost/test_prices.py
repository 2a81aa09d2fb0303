"""Price rows: what ships, and what the loader refuses."""

import json
from datetime import date
from decimal import Decimal

import pytest
from tandem_contract.errors import TandemError

from tandem.cost.prices import NotOffered, NotPriced, load, read, regions

TODAY = date(2026, 11, 24)
ROW = {
    "service": "AmazonS3",
    "key": "storage:standard",
    "region": "us-east-1",
    "unit": "GB-month",
    "usd": 0.023,
    "tier": {"from": 0, "to": 51200},
    "source": "price list",
    "read_at": "2026-09-27",
}
TIERS = [
    ROW,
    ROW | {"usd": 0.022, "tier": {"from": 51200, "to": 512000}},
    ROW | {"key": "requests:put", "unit": "1k requests", "tier": None},
]


def table(tmp_path, *rows, name="us-east-1"):
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(rows))
    return read(path)


@pytest.mark.parametrize("region", regions())
def test_no_row_without_source_and_date(region):
    rows = list(load(region))
    assert rows
    for row in rows:
        assert len(row.source) > 10, row
        assert 0 < row.age_days(TODAY) < 3 * 365, row
        assert "index file" not in row.source, row


@pytest.mark.parametrize(
    ("region", "service", "key", "unit", "usd", "read_at"),
    [
        # Copied by hand from the price research of 2026-11-22.
        ("us-east-1", "AmazonSageMaker", "training:ml.g6e.2xlarge", "hour", "2.8", "2026-09-27"),
        ("us-east-1", "AmazonSageMaker", "hosting:ml.g5.2xlarge", "hour", "1.515", "2026-09-27"),
        ("us-east-1", "AmazonSageMaker", "training:ml.p5.48xlarge", "hour", "63.296", "2026-09-27"),
        ("us-east-1", "AmazonEC2", "ondemand:g6e.xlarge", "hour", "1.861", "2026-09-10"),
        ("us-east-1", "AmazonEC2", "ondemand:p4d.24xlarge", "hour", "21.957642", "2026-09-10"),
        ("us-east-1", "AmazonEC2", "nat:hours", "hour", "0.045", "2026-09-20"),
        ("us-east-1", "AmazonES", "ocu:classic", "OCU-hour", "0.24", "2026-10-05"),
        ("us-east-1", "AmazonES", "ondemand:t3.small.search", "hour", "0.036", "2026-10-05"),
        ("us-east-1", "AmazonBedrock", "input:amazon.nova-lite-v1:0", "1M tokens", "0.06", "2026-11"),
        ("us-east-1", "AmazonBedrock", "output:us.amazon.nova-2-lite-v1:0", "1M tokens", "2.75", "2026-11"),
        ("us-east-1", "AmazonBedrock", "output:global.amazon.nova-2-lite-v1:0", "1M tokens", "2.5", "2026-11"),
        ("us-east-1", "AmazonS3", "storage:standard", "GB-month", "0.023", "2026-09-27"),
        ("us-east-1", "AWSLambda", "duration:arm64", "GB-second", "0.0000133334", "2026-10-05"),
        ("eu-west-1", "AmazonEC2", "ondemand:g5.12xlarge", "hour", "6.33167", "2026-01-21"),
        ("eu-west-1", "AmazonSageMaker", "storage:training", "GB-month", "0.154", "2023-12"),
        (
            "eu-west-1",
            "AmazonBedrock",
            "input:eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            "1M tokens",
            "1.1",
            "2026-11",
        ),
        # Copied by hand from that of 2026-11-30, which has other regions.
        ("eu-west-1", "AmazonSageMaker", "training:ml.g5.xlarge", "hour", "1.57", "2023-12"),
        ("eu-west-1", "AWSELB", "alb:hours", "hour", "0.0252", "2025-06-05"),
        ("us-west-2", "AmazonEC2", "ondemand:g6e.2xlarge", "hour", "2.24208", "2026-09-10"),
        ("us-west-2", "AmazonEC2", "ebs:gp3:throughput", "MiBps-month", "0.04", "2026-09-18"),
        ("us-west-2", "AmazonES", "ondemand:r6g.large.search", "hour", "0.167", "2025-06-17"),
        ("us-west-2", "AmazonBedrock", "output:us.anthropic.claude-sonnet-5-5", "1M tokens", "11", "2026-11"),
        ("eu-central-1", "AmazonEC2", "nat:hours", "hour", "0.052", "2025-10-28"),
        ("eu-central-1", "AmazonDynamoDB", "writes:ondemand", "1M WRU", "0.7625", "2025-08-28"),
        ("eu-central-1", "AmazonBedrock", "input:eu.amazon.nova-lite-v1:0", "1M tokens", "0.078", "2026-11"),
        ("eu-central-1", "AWSQueueService", "requests:standard", "1M requests", "0.4", "2025-06-05"),
        ("eu-west-2", "AmazonSageMaker", "mlflow-app", "hour", "0", "2026-07-09"),
        ("us-west-2", "AmazonECS", "fargate:x86:vcpu", "vCPU-hour", "0.04048", "2026-09-02"),
        ("eu-west-1", "AmazonRDS", "postgres:db.t4g.medium", "hour", "0.069", "2025-06-17"),
        ("eu-central-1", "AWSELB", "nlb:hours", "hour", "0.027", "2025-06-05"),
        ("us-east-1", "AmazonElastiCache", "valkey:cache.r7g.large", "hour", "0.1752", "2025-06-05"),
        ("eu-west-1", "AmazonKinesis", "shard:hours", "hour", "0.017", "2025-11-03"),
        ("us-east-1", "AmazonEFS", "storage:standard", "GB-month", "0.3", "2026-08-10"),
    ],
)
def test_prices_are_those_of_the_research(region, service, key, unit, usd, read_at):
    row = load(region).price(service, key)
    assert (row.region, row.service, row.key) == (region, service, key)
    assert (row.unit, row.usd, row.read_at) == (unit, Decimal(usd), read_at)


def test_a_price_is_like_the_same_one_of_the_first_region():
    """Regions differ by a third; one that differs by half is another item, tier or unit."""
    here = {(row.service, row.key, row.tier): row.usd for row in load("us-east-1")}
    for row in (row for region in regions() for row in load(region)):
        first = here.get((row.service, row.key, row.tier))
        assert first is None or first * 2 / 3 <= row.usd <= first * Decimal("1.5"), row


def test_no_row_is_lost_on_the_way():
    least = {"eu-central-1": 256, "eu-west-1": 261, "eu-west-2": 2, "us-east-1": 423, "us-west-2": 261}
    for region, rows in least.items():
        assert len(list(load(region))) >= rows, region


def test_age_counts_from_the_first_of_a_month():
    assert load("us-east-1").price("AmazonSageMaker", "training:ml.g6e.2xlarge").age_days(TODAY) == 58
    assert load("us-east-1").price("AmazonBedrock", "input:amazon.nova-lite-v1:0").age_days(TODAY) == 23


def test_keys_of_a_service():
    keys = load("us-east-1").keys("AmazonSageMaker", "training:ml.g6e.")
    assert len(keys) == 8
    assert keys[0] == "training:ml.g6e.12xlarge"
    assert load("us-west-2").keys("AmazonSageMaker", "training:") == []


@pytest.mark.parametrize(
    ("amount", "usd"),
    [(None, "0.023"), (0, "0.023"), (51200, "0.023"), (51201, "0.022"), (Decimal("51200.5"), "0.022")],
)
def test_tier_of_an_amount(tmp_path, amount, usd):
    assert table(tmp_path, *reversed(TIERS)).price("AmazonS3", "storage:standard", amount).usd == Decimal(usd)


def test_free_allowance_is_charged():
    """SQS bills from the second million requests of an account."""
    assert load("us-east-1").price("AWSQueueService", "requests:standard", Decimal("0.1")).usd == Decimal("0.4")


@pytest.mark.faults
def test_what_nobody_has_looked_up_is_not_priced(tmp_path):
    with pytest.raises(NotPriced) as caught:
        load("us-east-1").price("AmazonSageMaker", "training:ml.g7.2xlarge")
    message = str(caught.value)
    assert message.startswith("NOT PRICED: AmazonSageMaker training:ml.g7.2xlarge in us-east-1; add a row with source")
    assert "nearest keys: training:ml.g6.2xlarge" in message
    with pytest.raises(NotPriced, match="storage:standard for 512001 GB-month a month in us-east-1"):
        table(tmp_path, *TIERS).price("AmazonS3", "storage:standard", 512001)
    # The neighbour's price, or another service's, is none.
    with pytest.raises(NotPriced):
        load("eu-west-1").price("AmazonSageMaker", "training:ml.g6e.2xlarge")
    with pytest.raises(NotPriced):
        load("us-east-1").price("AmazonEC2", "training:ml.g6e.2xlarge")


@pytest.mark.faults
def test_what_is_not_offered_is_something_else():
    with pytest.raises(NotOffered, match=r"AWS doesn't offer AmazonEC2 ondemand:p5e.48xlarge in us-east-1 .*Capacity"):
        load("us-east-1").price("AmazonEC2", "ondemand:p5e.48xlarge")
    assert not issubclass(NotOffered, NotPriced)
    assert not issubclass(NotPriced, NotOffered)


@pytest.mark.faults
@pytest.mark.parametrize("region", ["mars-north-1", "../prices/us-east-1", "", "x" * 1000])
def test_unknown_region_lists_the_known(region):
    with pytest.raises(
        TandemError, match="regions with prices: eu-central-1, eu-west-1, eu-west-2, us-east-1, us-west-2"
    ):
        load(region)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{key: value for key, value in ROW.items() if key != "source"}], ": source: is missing"),
        ([{key: value for key, value in ROW.items() if key != "read_at"}], ": read_at: is missing"),
        ([ROW | {"source": " "}], "source: ' ' is not allowed (a text)"),
        ([ROW | {"read_at": "undated"}], "read_at: 'undated' is not allowed (a day as 2026-11-22"),
        ([ROW | {"read_at": None}], "read_at: null is not allowed (a day"),
        ([ROW | {"usd": "0.023"}], "usd: '0.023' is not allowed (a price). Write null for what AWS doesn't offer"),
        ([ROW | {"usd": -1}], "is not allowed (a price)"),
        ([ROW | {"region": "eu-west-1"}], "region: 'eu-west-1' is not allowed (us-east-1, as the file is called)"),
        ([ROW | {"tier": {"from": 9, "to": 9}}], 'is not allowed ({"from": amount, "to": amount or null})'),
        ([ROW | {"tier": [0, 9]}], 'is not allowed ({"from": amount, "to": amount or null})'),
        ([ROW | {"price": 1}], "price: is not a field. Did you mean `service`?"),
        (["row"], "row 1: 'row' is not allowed (a JSON object)"),
        ([ROW, ROW | {"usd": 1}], "AmazonS3 storage:standard: has two rows at 0 GB-month: 0.023 and 1. Keep"),
        ([ROW | {"unit": "GB"}], "unit: 'GB' is not allowed (GB-month, by which the price is multiplied)"),
        ([ROW | {"key": "storge"}], "key: 'storge' is not allowed (a kind of key of AmazonS3 whose unit is known)"),
        ([ROW | {"service": "AmazonX"}], "key: 'storage:standard' is not allowed (a kind of key of AmazonX whose unit"),
        ([ROW | {"read_at": "2999-01-01"}], "read_at: '2999-01-01' is not allowed (a day that has come). Say when"),
        ([ROW | {"read_at": "2999-01"}], "read_at: '2999-01' is not allowed (a day that has come)"),
        ([ROW | {"tier": None}, ROW | {"tier": None, "usd": 1}], "storage:standard: has two rows"),
        (
            [ROW | {"tier": None}, ROW | {"tier": {"from": 9, "to": None}}],
            "storage:standard: has two rows at 9",
        ),
        ([ROW, ROW | {"usd": None}], "storage:standard: has two rows"),
        ([ROW, ROW | {"tier": {"from": 51199, "to": None}}], "storage:standard: has two rows at 51199"),
        ([ROW, ROW | {"tier": {"from": 60000, "to": None}}], "storage:standard: has no row from 51200 to 60000"),
    ],
)
def test_file_with_a_bad_row_is_refused(tmp_path, rows, says):
    with pytest.raises(TandemError) as caught:
        table(tmp_path, *rows)
    assert str(caught.value).startswith("us-east-1.json has 1 mistake")
    assert says in str(caught.value)


@pytest.mark.faults
def test_every_mistake_of_a_file_is_listed(tmp_path):
    with pytest.raises(TandemError) as caught:
        table(tmp_path, ROW | {"source": "", "usd": True}, ROW, ROW | {"read_at": "2026-13"})
    assert str(caught.value).count("row 1, ") == 2
    assert "row 3, AmazonS3 storage:standard: read_at: '2026-13' is not allowed" in str(caught.value)


@pytest.mark.faults
@pytest.mark.parametrize(("text", "says"), [("[", "can't be read"), ("{}", "not a list of rows"), ("\xff", "can't be")])
def test_what_is_no_table(tmp_path, text, says):
    path = tmp_path / "us-east-1.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(TandemError, match=says):
        read(path)
