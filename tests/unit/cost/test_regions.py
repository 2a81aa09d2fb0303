"""Previews of other regions than the first, of several at once, and of some that have no prices at all."""

import json
from collections import Counter
from datetime import date

import pytest
import yaml

from samples.previews import PROVIDER, UNKNOWN, digest, state, step, urn
from scripts.recorder import ROOT, record_stack
from tandem.cost.estimate import estimate
from tandem.cost.gaps import kind
from tandem.cost.gates import check
from tandem.cost.model import Number
from tandem.cost.preview import read_preview
from tandem.cost.reports.as_json import as_json
from tandem.cost.reports.markdown import markdown
from tandem.cost.reports.terminal import terminal
from tandem.cost.summary import summarize
from tests.unit.cost.test_own_stacks import preview

TODAY = date(2026, 11, 30)
NAT, TABLE, ROLE = "aws:ec2/natGateway:NatGateway", "aws:dynamodb/table:Table", "aws:iam/role:Role"
ALB, PARAMETER = "aws:lb/loadBalancer:LoadBalancer", "aws:ssm/parameter:Parameter"
SYDNEY, OREGON, FRANKFURT = "ap-southeast-2", "us-west-2", "eu-central-1"
REGION_MISSING = (
    "there are no prices for region 'ap-southeast-2'; regions with prices: eu-central-1, eu-west-1, eu-west-2, "
    "us-east-1, us-west-2; `tandem cost refresh --region ap-southeast-2 --write` reads them from AWS's price list"
)


def added(type_, name, region="", **inputs):
    return step("create", None, state(type_, name, inputs | ({"region": region} if region else {})))


def summary(*steps, **config):
    text = digest(*steps, config={"aws:region": "us-east-1"} | config)
    return summarize(estimate(read_preview(text)), TODAY)


def away(count=20, op="create"):
    """Of a region without prices: some NAT gateways, and three things that cost nothing."""
    free = [(ROLE, "role", {}), (PARAMETER, "parameter", {"value": "x"}), ("aws:ec2/vpc:Vpc", "net", {})]
    every = [*((NAT, f"nat-{number:02}", {}) for number in range(count)), *free]
    states = [state(type_, name, inputs | {"region": SYDNEY}) for type_, name, inputs in every]
    return [step(op, each if op == "same" else None, each) for each in states]


# Where there are no prices.


def test_what_is_free_is_free_everywhere():
    found = summary(*away(count=0))
    assert (found.coverage.free, found.coverage.not_priced, found.no_tables) == (3, 0, ())
    assert found.verdict.state == "same"


def test_a_region_without_prices_is_one_finding_in_every_form():
    found = summary(*away(), added(NAT, "here"))
    assert found.coverage[:1] + found.coverage[3:5] == (24, 3, 20)
    assert found.not_priced == ()
    ((reason, gaps),) = found.no_tables
    assert (reason, len(gaps)) == (REGION_MISSING, 20)
    assert found.verdict == ("unknown", "1 NOT PRICED or not understood in what changes: dollars are missing")
    names = "nat-00, nat-01, nat-02, nat-03, nat-04, and 15 more"
    for text in (terminal(found), markdown(found)):
        assert text.count("there are no prices for region") == 1
        assert names in text and "20 added" in text
    content = json.loads(as_json(found))
    assert content["not_priced"] == []
    assert [(each["reason"], len(each["resources"])) for each in content["no_tables"]] == [(REGION_MISSING, 20)]


def test_every_number_that_it_may_add_to_is_open():
    figure = summary(*away(), added(NAT, "here")).figures[Number.IDLE]
    assert (f"{figure.after:.2f}", figure.after_open, figure.delta_open) == ("32.85", True, True)


def test_an_unknown_region_is_one_finding_too():
    found = summary(*(added(NAT, f"nat-{number}", UNKNOWN) for number in range(7)), added(ROLE, "role", UNKNOWN))
    ((reason, gaps),) = found.no_tables
    assert reason.startswith("nothing in the preview says which region it is in") and len(gaps) == 7
    assert found.coverage.free == 1


@pytest.mark.parametrize(
    ("op", "limits", "state", "text"),
    [
        ("create", {}, "failed", f"20 added or changed, NOT PRICED: {REGION_MISSING}"),
        ("same", {}, "passed", "what is added or changed has a price"),
        ("create", {"accept": [{"type": NAT, "why": "tried", "until": "2026-12-31"}]}, "passed", "is accepted until"),
        ("create", {"accept": [{"type": NAT, "why": "tried", "until": "2026-11-01"}]}, "failed", "which is over"),
        ("create", {"accept": [{"type": ALB, "why": "tried", "until": "2026-12-31"}]}, "failed", "20 added or changed"),
    ],
)
def test_a_gate_says_it_once(op, limits, state, text):
    (gate,) = check({"fail_on_unpriced": True} | limits, summary(*away(op=op)), TODAY)
    assert gate.state == state
    assert text in gate.text
    assert gate.text.count("there are no prices") == (state == "failed")


# Several regions in one preview.


def test_each_resource_has_its_own_regions_price_and_the_head_says_which():
    elsewhere = state(PROVIDER, "elsewhere", {"region": OREGON})
    by_provider = {"provider": f"{urn(PROVIDER, 'elsewhere')}::{UNKNOWN}"}
    found = summary(
        step("create", None, elsewhere),
        added(NAT, "home"),
        step("create", None, state(NAT, "oregon", {}, **by_provider)),
        added(NAT, "frankfurt", FRANKFURT),
        added(ALB, "balancer", FRANKFURT),
        added(ROLE, "role", "sa-east-1"),
    )
    hours = {part.resource.name: (part.charge.rows[0].region, f"{part.charge.usd:.2f}") for part in found.basis}
    assert hours == {
        "home": ("us-east-1", "32.85"),
        "oregon": (OREGON, "32.85"),
        "frankfurt": (FRANKFURT, "37.96"),
        "balancer": (FRANKFURT, "19.71"),
    }
    assert found.regions == ("us-east-1", FRANKFURT, OREGON)
    assert terminal(found).startswith("Cost of tandem/rag-dev, us-east-1, eu-central-1, us-west-2: ")
    assert "### Cost of `tandem/rag-dev`, us-east-1, eu-central-1, us-west-2\n" in markdown(found)
    assert json.loads(as_json(found))["regions"] == ["us-east-1", FRANKFURT, OREGON]
    assert "NAT gateway, eu-central-1" in terminal(found)


def test_one_region_is_said_as_before():
    found = summary(added(NAT, "home"))
    assert terminal(found).startswith("Cost of tandem/rag-dev, us-east-1: ")
    assert "NAT gateway, us-east-1" not in terminal(found)


# Our own stacks.


def own(stack, region):
    """The steps of a first preview of one of our stacks, in a region."""
    text = (ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text()
    config = {key: str(value) for key, value in yaml.safe_load(text)["config"].items()} | {"aws:region": region}
    made = record_stack(config, preview=True, answers={"aws:index/getRegion:getRegion": {"region": region}})
    return json.loads(preview(made))["steps"]


def known(steps, region):
    """How many are what, and the reasons of each that is NOT PRICED, by its name; nothing is silent."""
    text = json.dumps({"config": {"aws:region": region}, "steps": steps})
    read = estimate(read_preview(text))
    found = summarize(read, TODAY)
    for line in read.lines:
        said = line.after.charges or line.after.free or line.after.assumed or line.after.unpriced
        assert said and kind(line.after) != "not_offered", line
        assert all(charge.rows[0].region == line.after.resource.region for charge in line.after.charges)
    shown = terminal(found)
    assert all(gap.resource.name in shown for gap in found.not_priced) and not found.no_tables
    return found, {gap.resource.name: [reason.split(";")[0] for reason in gap.reasons] for gap in found.not_priced}


INDEX = "AmazonES storage:serverless in {}"
OCUS = [
    "AmazonES floor:nextgen in {}",
    "compute units while it is asked or written to: no dated source has the price of",
]
TRAINING = ["AmazonSageMaker training:ml.g6e.2xlarge in {}"]
MLFLOW = ["AmazonSageMaker mlflow-app in {}"]
OWN = {  # stack and region -> coverage, and what of it is NOT PRICED
    ("rag-dev", OREGON): ((64, 12, 6, 44, 2), {"rag-usage": [INDEX], "rag-collection": OCUS}),
    ("rag-dev", FRANKFURT): (
        (64, 12, 6, 44, 2),
        {
            "rag-usage": [INDEX, "AmazonBedrock input:amazon.titan-embed-text-v2:0 in {}"],
            "rag-collection": OCUS,
        },
    ),
    ("finetune-dev", OREGON): (
        (59, 6, 10, 40, 3),
        {"tuning-usage": TRAINING, "tuning-training-envelope": TRAINING, "tuning-tracking": MLFLOW},
    ),
    ("finetune-dev", FRANKFURT): (
        (59, 6, 10, 40, 3),
        {"tuning-usage": TRAINING, "tuning-training-envelope": TRAINING, "tuning-tracking": MLFLOW},
    ),
}


@pytest.mark.parametrize(("stack", "region"), OWN)
def test_our_stack_in_another_region(stack, region):
    found, missing = known(own(stack, region), region)
    coverage, expected = OWN[stack, region]
    assert found.coverage[:5] == coverage
    assert missing.keys() == expected.keys()
    for name, reasons in expected.items():
        assert [reason.format(region) in said for reason, said in zip(reasons, missing[name], strict=True)] == [
            True
        ] * len(reasons), missing[name]
    assert found.regions == (region,)
    print(f"{stack} in {region}: {found.coverage._asdict()}, NOT PRICED: {missing}")


def test_a_program_in_two_regions():
    """Questions are answered in Frankfurt, and models trained in Oregon."""
    trained = own("finetune-dev", OREGON)[1:]
    for each in trained:
        each["newState"]["inputs"] = {"region": OREGON} | each["newState"].get("inputs", {})
    found, missing = known([*own("rag-dev", FRANKFURT), *trained], FRANKFURT)
    assert found.regions == (FRANKFURT, OREGON)
    assert found.coverage[:5] == (123, 18, 16, 84, 5)
    assert missing.keys() == {*OWN["rag-dev", FRANKFURT][1], *OWN["finetune-dev", OREGON][1]}
    assert all(OREGON in missing[name][0] for name in OWN["finetune-dev", OREGON][1])
    prices = Counter(row.region for part in found.basis for row in part.charge.rows)
    assert set(prices) == {FRANKFURT, OREGON}
    print(f"two regions: {found.coverage._asdict()}, rows by region: {dict(prices)}, NOT PRICED: {missing}")


def test_the_page_has_these_numbers():
    page = (ROOT / "docs" / "prices.md").read_text()
    for (stack, region), (coverage, _) in OWN.items():
        resources, *parts, missing = coverage
        assert f"| `{stack}` | {region} | {resources} | {' | '.join(map(str, parts))} | {missing} |" in page
