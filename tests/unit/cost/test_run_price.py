"""The price of a run against hand arithmetic: every number of a sum is written out, as read from the dated row."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from tandem_contract.envelope import RunEnvelope

from tandem.cost.prices import NotOffered, NotPriced, load, read
from tandem.cost.run_price import run_price

# A QLoRA run of an 8B model, a LoRA run of a small one with spot, and full fine-tuning on two large instances.
QLORA = RunEnvelope("ml.g6e.2xlarge", 1, 14_400, 2, False, 200, True, "ml.g6e.2xlarge", 3600)
SMALL = RunEnvelope("ml.g5.2xlarge", 1, 5400, 3, True, 100, True, "ml.g6.xlarge", 1000)
LARGE = RunEnvelope("ml.p5.48xlarge", 2, 86_400, 1, False, 1000, True, "ml.p5.4xlarge", 7200)


def price(envelope, artifact, checkpoint, **expected):
    return run_price(
        envelope, load("us-east-1"), artifact_gb=Decimal(artifact), checkpoint_gb=Decimal(checkpoint), **expected
    )


def test_ceiling_of_a_qlora_run():
    found = price(QLORA, "16.4", "1.6")
    # 2 attempts of 4 h at 2.80, 2 evaluations of 1 h at 2.80, 18 GB for a month at 0.023. g6e has disks of its own.
    assert found.ceiling_usd == Decimal("28.42")  # 22.40 + 5.60 + 0.414 = 28.414
    assert [(line.what, line.usd) for line in found.ceiling] == [
        ("training on ml.g6e.2xlarge", Decimal("22.40")),
        ("evaluation on ml.g6e.2xlarge", Decimal("5.60")),
        ("checkpoints and artifact in S3, a month", Decimal("0.4140")),
    ]
    assert [line.quantity for line in found.ceiling] == [8, 2, 18]
    assert [line.rows[0].usd for line in found.ceiling] == [Decimal("2.8"), Decimal("2.8"), Decimal("0.023")]
    assert [line.rows[0].read_at for line in found.ceiling] == ["2026-09-27", "2026-09-27", "2026-09-27"]


def test_ceiling_of_a_small_run_with_spot():
    # 3 attempts of 1.5 h at 1.515, on demand in spite of spot; 3 evaluations of 1000 s at 1.127; 3.5 GB at 0.023.
    # 6.8175 + 0.93916... + 0.0805 = 7.83716...
    assert price(SMALL, "3.2", "0.3").ceiling_usd == Decimal("7.84")
    assert price(replace(SMALL, spot=False), "3.2", "0.3").ceiling == price(SMALL, "3.2", "0.3").ceiling


def test_ceiling_of_full_fine_tuning_on_two_instances():
    # 1 attempt of 24 h at 63.296 on 2 instances, 2 h at 7.912, 416 GB at 0.023.
    assert price(LARGE, "16", "400").ceiling_usd == Decimal("3063.60")  # 3038.208 + 15.824 + 9.568


def test_exact_cents_are_not_rounded_up():
    thirds = replace(QLORA, max_runtime_seconds=600, attempts=3, evaluation_max_runtime_seconds=1000)
    # 3 x 600 s and 3 x 1000 s are 4/3 h at 2.80, 3.7333...; 1 GB at 0.023: 3.7563... ; then a whole hour and nothing.
    assert price(thirds, "1", "0").ceiling_usd == Decimal("3.76")
    whole = replace(thirds, evaluation_max_runtime_seconds=600)
    assert price(whole, "0", "0").ceiling_usd == Decimal("2.80")


def test_expected_price_is_that_of_the_estimate():
    found = price(QLORA, "16.4", "1.6", expected_seconds=7200, expected_evaluation_seconds=900)
    assert found.expected_usd == Decimal("6.72")  # 2 h at 2.80, 0.25 h at 2.80, 0.414: 6.714
    # An evaluation of unknown length counts to its limit.
    assert price(QLORA, "16.4", "1.6", expected_seconds=7200).expected_usd == Decimal("8.82")  # 5.60 + 2.80 + 0.414
    assert found.ceiling_usd == Decimal("28.42")


def test_expected_price_is_unknown_unless_someone_knows():
    assert price(QLORA, "16.4", "1.6").expected_usd is None
    # Spot changes by the minute: only with the share that the user states.
    assert price(SMALL, "3.2", "0.3", expected_seconds=3600).expected_usd is None
    share = price(SMALL, "3.2", "0.3", expected_seconds=3600, spot_share=Decimal("0.4"))
    assert share.expected_usd == Decimal("1.00")  # 0.606 + 0.31305... + 0.0805 = 0.99955...
    on_demand = price(replace(SMALL, spot=False), "3.2", "0.3", expected_seconds=3600, spot_share=Decimal("0.4"))
    assert on_demand.expected_usd == Decimal("1.91")  # 1.515 + 0.31305... + 0.0805 = 1.90855...


def test_oldest_row_is_named(tmp_path):
    rows = [json.loads(line.rstrip(",\n")) for line in ROWS.splitlines()]
    table = tmp_path / "eu-west-1.json"
    table.write_text(json.dumps(rows))
    found = run_price(CPU, read(table), artifact_gb=Decimal(10), checkpoint_gb=Decimal(0))
    assert found.oldest.key == "storage:training"


CPU = RunEnvelope("ml.m5.xlarge", 2, 7200, 2, False, 50, True, "ml.m5.large", 3600)
ROWS = """\
{"service": "AmazonSageMaker", "key": "training:ml.m5.xlarge", "region": "eu-west-1", "unit": "hour", "usd": 0.257, \
"tier": null, "source": "made up", "read_at": "2026-10-01"},
{"service": "AmazonSageMaker", "key": "training:ml.m5.large", "region": "eu-west-1", "unit": "hour", "usd": 0.128, \
"tier": null, "source": "made up", "read_at": "2026-10-01"},
{"service": "AmazonSageMaker", "key": "storage:training", "region": "eu-west-1", "unit": "GB-month", "usd": 0.154, \
"tier": null, "source": "made up", "read_at": "2023-12"},
{"service": "AmazonS3", "key": "storage:standard", "region": "eu-west-1", "unit": "GB-month", "usd": 0.023, \
"tier": null, "source": "made up", "read_at": "2025-10-22"}"""


def test_instances_without_disks_pay_for_volumes(tmp_path):
    rows = [json.loads(line.rstrip(",\n")) for line in ROWS.splitlines()]
    table = tmp_path / "eu-west-1.json"
    table.write_text(json.dumps(rows))
    found = run_price(CPU, read(table), artifact_gb=Decimal(10), checkpoint_gb=Decimal(0))
    hours = 2 * 2 * 2  # attempts, hours, instances
    volumes = Decimal(50 * hours) / 730 * Decimal("0.154") + Decimal(50 * 2) / 730 * Decimal("0.154")
    usd = {line.what: line.usd for line in found.ceiling}
    assert usd["training on ml.m5.xlarge"] == Decimal("2.056")  # 8 h at 0.257
    assert usd["training, volumes"] + usd["evaluation, volumes"] == pytest.approx(volumes)
    assert found.ceiling_usd == Decimal("2.65")  # 2.056 + 0.0843... + 0.256 + 0.0210... + 0.23 = 2.6474...


def test_each_tier_is_counted_at_its_own_price(tmp_path):
    *rows, s3 = [json.loads(line.rstrip(",\n")) for line in ROWS.splitlines()]
    tiers = [s3 | {"tier": {"from": 0, "to": 100}}, s3 | {"usd": 0.02, "tier": {"from": 100, "to": None}}]
    table = tmp_path / "eu-west-1.json"
    table.write_text(json.dumps([*rows, *tiers]))
    found = run_price(CPU, read(table), artifact_gb=Decimal(10), checkpoint_gb=Decimal(140)).ceiling[-1]
    assert found.usd == Decimal("3.30")  # 100 at 0.023, 50 at 0.02
    assert [row.usd for row in found.rows] == [Decimal("0.023"), Decimal("0.02")]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"instance_type": "ml.p5en.48xlarge"}, "training:ml.p5en.48xlarge"),
        ({"evaluation_instance_type": "ml.g9.xlarge"}, "training:ml.g9.xlarge"),
        # In us-east-1 nobody has read what a training job's volume costs.
        ({"instance_type": "ml.m5.xlarge"}, "storage:training"),
    ],
)
def test_what_has_no_row_is_not_priced_at_all(change, key):
    with pytest.raises(NotPriced, match=f"NOT PRICED: AmazonSageMaker {key} in us-east-1"):
        price(replace(QLORA, **change), "16.4", "1.6")


@pytest.mark.faults
def test_region_without_rows_is_not_priced():
    with pytest.raises(NotPriced, match=r"training:ml.g6e.2xlarge in eu-west-1"):
        run_price(QLORA, load("eu-west-1"), artifact_gb=Decimal(1), checkpoint_gb=Decimal(1))


# On a cluster: two nodes of four GPUs, an evaluation on one of a single GPU.
CLUSTER = RunEnvelope("g6e.12xlarge", 2, 7200, 2, False, 200, True, "g6e.2xlarge", 1800)


def test_ceiling_on_a_cluster_is_node_hours():
    found = price(CLUSTER, "16.4", "1.6")
    # 2 nodes, 2 starts of 7200 + 120 + 60 s: 8.2 h at 10.49264, and 200 GB of gp3 at 0.08 for as long.
    # An evaluation after each: 2 x (1800 + 180) s are 1.1 h at 2.24208. 18 GB for a month at 0.023.
    assert [(line.what, line.rows[0].service, line.rows[0].key, round(line.usd, 4)) for line in found.ceiling] == [
        ("training on g6e.12xlarge", "AmazonEC2", "ondemand:g6e.12xlarge", Decimal("86.0396")),
        ("training, volumes", "AmazonEC2", "ebs:gp3:storage", Decimal("0.1797")),
        ("evaluation on g6e.2xlarge", "AmazonEC2", "ondemand:g6e.2xlarge", Decimal("2.4663")),
        ("evaluation, volumes", "AmazonEC2", "ebs:gp3:storage", Decimal("0.0241")),
        ("checkpoints and artifact in S3, a month", "AmazonS3", "storage:standard", Decimal("0.4140")),
    ]
    assert found.ceiling_usd == Decimal("89.13")  # 89.1238
    assert price(replace(CLUSTER, spot=True), "16.4", "1.6").ceiling == found.ceiling


def test_expected_price_on_a_cluster_counts_the_node_until_it_goes():
    found = price(CLUSTER, "0", "0", expected_seconds=3420, expected_evaluation_seconds=720)
    # 2 x 3600 s at 10.49264, 900 s at 2.24208, 200 GB at 0.08 for 2.25 h of 730.
    assert found.expected_usd == Decimal("21.60")  # 20.98528 + 0.56052 + 0.04931... = 21.59511...
    # The same hours at 40 % of the price; the evaluation isn't on spot.
    spot = replace(CLUSTER, spot=True)
    assert price(spot, "0", "0", expected_seconds=3420).expected_usd is None
    share = price(spot, "0", "0", expected_seconds=3420, expected_evaluation_seconds=720, spot_share=Decimal("0.4"))
    assert share.expected_usd == Decimal("9.01")  # 8.394112 + 0.56052 + 0.04931... = 9.00394...


@pytest.mark.faults
def test_node_that_can_only_be_reserved_has_no_price():
    with pytest.raises(NotOffered, match=r"ondemand:p5e\.48xlarge"):
        price(replace(CLUSTER, instance_type="p5e.48xlarge"), "1", "1")


@pytest.mark.faults
def test_node_without_a_row_is_not_priced():
    with pytest.raises(NotPriced, match=r"AmazonEC2 ondemand:g6e\.12xlarge in eu-west-1"):
        run_price(CLUSTER, load("eu-west-1"), artifact_gb=Decimal(1), checkpoint_gb=Decimal(1))
