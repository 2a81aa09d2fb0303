"""Violations of policies, read from the engine's events."""

import json
from pathlib import Path

import pytest

from tandem.cost.policies import Policies, Violation, read_policies

RECORDED = (Path(__file__).parent / "recorded_previews" / "policy-events.ndjson").read_text()
ENDED = {"summaryEvent": {"result": "succeeded"}}


def violated(level="advisory", **more):
    urn = "urn:pulumi:dev::shop::aws:sqs/queue:Queue::orders"
    return {
        "policyEvent": {"resourceUrn": urn, "policyName": "tags", "enforcementLevel": level, "message": "no"} | more
    }


def read(*events):
    return read_policies("".join(json.dumps(event) + "\n" for event in events))


def test_recorded_events():
    found = read_policies(RECORDED)
    assert found.judged and found.block
    assert [(each.level, each.rule, each.resource) for each in found.violations] == [
        ("mandatory", "budget-present", "big"),
        ("mandatory", "cost-tags", "big"),
        ("mandatory", "cost-tags", "orders"),
        ("mandatory", "instance-allowed", "big"),
    ]
    assert found.violations[-1].text.startswith(
        "Instances are among those that the kind of stack may use. p4d.24xlarge "
    )


def test_those_that_block_come_first_and_each_once():
    found = read(violated(), violated("mandatory", policyName="z"), violated(), ENDED)
    assert [each.level for each in found.violations] == ["mandatory", "advisory"]


def test_text_is_one_line_without_colours():
    told = violated(message="<{%fg 13%}>What.\nwhy\t<{%reset%}>\n", resourceUrn="")
    assert read(told, ENDED) == Policies(True, (Violation("advisory", "tags", "", "What. why"),))


@pytest.mark.faults
@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        RECORDED[: RECORDED.index('"summaryEvent"')],
        json.dumps({"summaryEvent": {"result": "failed"}}),  # by something else than a mandatory rule
        json.dumps(violated()) + "\n" + json.dumps({"summaryEvent": {"result": "failed"}}),
        '{"policyEvent": 5}\n{"summaryEvent": null}\n[1]\n',
    ],
)
def test_what_did_not_end_well_is_not_judged(text):
    assert not read_policies(text).judged
