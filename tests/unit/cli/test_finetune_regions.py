"""Fine-tuning in regions of which no price is known: it is said, and asked about."""

# ruff: noqa: F811 - its arguments are fixtures

import json

import pytest
from tandem_contract.run_record import record_key

from tandem.cost.prices import PriceTable
from tests.unit.cli.test_finetune import ARTIFACTS, aws, check, run  # noqa: F401 - two fixtures


# eu-west-1 has prices, and none of these; the others have none at all.
@pytest.mark.parametrize("region", ["us-west-2", "eu-west-1", "cn-north-1"])
def test_a_run_is_started_in_any_region_and_a_price_that_is_not_known_is_asked_about(aws, check, tmp_path, region):
    aws.meta.region_name = region
    code, text = check()
    assert code == 0, text
    assert "of 48 GB" in text
    assert f"NOT PRICED: AmazonSageMaker training:ml.g6e.2xlarge in {region}; add a row" in text
    started: list[str] = []
    aws.start_execution = lambda **request: started.append(request["name"])
    start = ["finetune", "start", tmp_path / "recipe.yaml", "--data", "walls", "--ask-above", "1000"]
    refused = run(*start)
    assert refused.exit_code == 1 and started == []
    assert "The run may cost up to an amount that is not known here. Start it?" in refused.output
    assert run(*start, "--yes").exit_code == 0 and len(started) == 1
    record = json.loads(aws.get_object(Bucket=ARTIFACTS, Key=record_key(started[0].rpartition("-")[0]))["Body"].read())
    assert record["price"] == {"expected": "NOT PRICED", "ceiling": "NOT PRICED"}


@pytest.mark.faults
def test_what_aws_does_not_sell_in_a_region_is_refused(aws, check, monkeypatch):
    key = ("AmazonSageMaker", "training:ml.g6e.2xlarge")
    table = PriceTable("eu-west-1", (), {key: "AWS's page, 2026-11-30"})
    monkeypatch.setattr("tandem.finetuning.backends.preflight.load", lambda region: table)
    code, text = check()
    assert code == 1
    assert "AWS doesn't offer AmazonSageMaker training:ml.g6e.2xlarge in eu-west-1 (AWS's page, 2026-11-30)" in text


@pytest.mark.faults
def test_what_fits_is_told_where_nothing_has_a_price(aws, check):
    aws.meta.region_name = "us-west-2"
    aws.envelope["instance_type"] = aws.envelope["evaluation_instance_type"] = "ml.g5.xlarge"
    code, text = check(base_model="Qwen/Qwen3-8B", method="lora", lora={}, max_sequence_tokens=4096)
    assert code == 1
    assert "Set tandem:trainingInstance ml.g6e.xlarge." in text
