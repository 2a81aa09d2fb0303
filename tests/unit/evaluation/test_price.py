"""The price of 1,000 questions: tokens, hours, both, and what isn't known."""

import re
from decimal import Decimal

import pytest

from tandem.cost.prices import load
from tandem.evaluation.price import Instances, price
from tandem.evaluation.runs import Reply

NOVA = "amazon.nova-lite-v1:0"
REGION = "us-east-1"
TABLE = load(REGION)
READ, WRITTEN = (TABLE.price("AmazonBedrock", f"{way}:{NOVA}").usd / 1_000_000 for way in ("input", "output"))
HOUR = TABLE.price("AmazonSageMaker", "hosting:ml.g6e.xlarge").usd
ENDPOINT = Instances("tuned", {"ml.g6e.xlarge": 2})


def hosted(number, read=1000, written=100, **fields):
    return Reply(str(number), "34", **({"model": NOVA, "input_tokens": read, "output_tokens": written} | fields))


def test_tokens_of_a_hosted_model():
    found = price([hosted(1), hosted(2, 3000, 300), Reply("3", error="away")], REGION)
    assert found.usd_per_1000 == ((4000 * READ + 400 * WRITTEN) / 2 * 1000).quantize(Decimal("1e-6"))
    assert found.how == f"2 answers; {NOVA} read 4,000 and wrote 400 tokens; without the 1 failed calls"
    assert [source.partition(":")[0] for source in found.sources] == ["AmazonBedrock input", "AmazonBedrock output"]
    assert all("per 1M tokens (" in source for source in found.sources)


def test_hours_of_an_endpoint_at_the_measured_throughput():
    """Four at once, 3,600 seconds each: four answers an hour, and a failed call took its share."""
    replies = [Reply(str(number), "34", model="tuned", seconds=3600, at_once=4) for number in range(4)]
    found = price(replies, REGION, ENDPOINT)
    assert found.usd_per_1000 == 2 * HOUR / 4 * 1000
    assert "2 x ml.g6e.xlarge for 3600 s, at the measured 0.00 answers a second with 4 asked at once" in found.how
    slower = price([*replies, Reply("4", error="away", seconds=3600, at_once=4)], REGION, ENDPOINT)
    assert slower.usd_per_1000 == (2 * HOUR * Decimal("1.25") / 4 * 1000).quantize(Decimal("1e-6"))


def test_a_stack_is_charged_for_whoever_spoke():
    tuned = Reply("1", "34", model="tuned", seconds=1800)
    silent = Reply("2", refused=True, seconds=1800)
    found = price([tuned, hosted(3), silent], REGION, ENDPOINT, beyond="search comes on top")
    expected = (2 * HOUR + 1000 * READ + 100 * WRITTEN) / 3 * 1000
    assert found.usd_per_1000 == expected.quantize(Decimal("1e-6"))
    assert found.how.endswith("; search comes on top")
    assert len(found.sources) == 3
    without = price([hosted(3), silent], REGION, ENDPOINT)
    assert without.usd_per_1000 == ((1000 * READ + 100 * WRITTEN) / 2 * 1000).quantize(Decimal("1e-6"))


def test_nobody_spoke_is_said():
    found = price([Reply("1", refused=True)], REGION)
    assert (found.usd_per_1000, found.how) == (0, "1 answers; no model spoke")


@pytest.mark.faults
@pytest.mark.parametrize(
    ("replies", "region", "instances", "why"),
    [
        (
            [hosted(1), hosted(2, output_tokens=None)],
            REGION,
            None,
            "1 of 2 answers of .* without their numbers of tokens",
        ),
        ([hosted(1, model="mystery")], REGION, None, "NOT PRICED: AmazonBedrock input:mystery"),
        ([hosted(1)], "mars-1", None, "no prices for region 'mars-1'"),
        ([hosted(1, model="tuned")], REGION, Instances("tuned", {"ml.g6e.xlarge": 0}), "no instance any more"),
        ([hosted(1, model="tuned")], REGION, Instances("tuned", {"ml.odd": 1}), "NOT PRICED: .*hosting:ml.odd"),
        ([hosted(1, model="tuned")], REGION, None, "NOT PRICED: AmazonBedrock input:tuned"),
        ([Reply("1", error="away")], REGION, None, "no question was answered"),
    ],
)
def test_what_is_not_known_is_never_zero(replies, region, instances, why):
    found = price(replies, region, instances)
    assert found.usd_per_1000 is None and found.sources == ()
    assert re.search(why, found.how), found.how
