"""What our own stacks cost, as far as mocks tell it: what of them is NOT PRICED, and that nothing else is."""

from datetime import date

import pytest
import yaml

from samples.previews import STACK_URN, digest, state, step, urn
from scripts.recorder import ROOT, Recording, record_stack
from tandem.cost.estimate import estimate
from tandem.cost.gates import check, exit_code, limits_of, read
from tandem.cost.preview import read_preview
from tandem.cost.summary import Summary, summarize

TODAY = date(2026, 11, 30)
COLLECTION, MLFLOW = "rag-collection", "tuning-tracking"


def summary(stack: str) -> Summary:
    """Of a first preview of a stack file."""
    text = (ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text()
    config = {key: str(value) for key, value in yaml.safe_load(text)["config"].items()}
    return summarize(estimate(read_preview(preview(record_stack(config, preview=True)))))


def preview(made: Recording) -> str:
    """What was registered, as the preview of a stack in which nothing is."""
    urns, steps = {}, []
    parents = {id(child): key for key, children in made.children.items() for child in children}
    for each in made.resources:
        parent = urns.get(parents[id(each)], STACK_URN)
        urns[f"{each.type}::{each.name}"] = urn(each.type, each.name, parent)
        sources = {
            name: [there for key, there in urns.items() if key.split("::")[1] in of]
            for name, of in each.references.items()
        }
        given = {"parent": parent, "custom": each.custom, "propertyDependencies": sources}
        steps.append(step("create", None, state(each.type, each.name, each.inputs, **given)))
    return digest(*steps)


@pytest.mark.parametrize(
    ("stack", "names"),
    [
        ("rag-dev", {COLLECTION}),
        ("finetune-dev", {MLFLOW}),
        ("hybrid-dev", {f"hybrid-{COLLECTION}", f"hybrid-{MLFLOW}"}),
    ],
)
def test_nothing_else_of_ours_is_not_priced(stack, names):
    found = summary(stack)
    assert {gap.resource.name for gap in found.not_priced} == names
    assert not found.not_offered and not found.problems
    limits = limits_of(f"tandem/{stack}", read(ROOT / "cost-gates.yaml"))
    assert exit_code(check(limits, found, TODAY)) == 0


def test_what_no_price_considers_of_ours():
    found = {type_: list(inputs) for type_, inputs, _ in summary("hybrid-dev").not_considered}
    assert found == {
        "aws:lambda/function:Function": ["architectures", "memorySize"],
        "aws:sfn/stateMachine:StateMachine": ["loggingConfiguration"],
    }
