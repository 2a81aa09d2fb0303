"""What is registered as a plain string is one of the values that AWS has for it."""

import pytest

from scripts.aws_facts import FACTS
from tests.support.enumerations import CALLS, FREE, chosen
from tests.support.rendered import stacks

KNOWN = {
    "ServerlessCollectionGroup.generation",
    "ServerlessCollection.type",
    "Domain.clusterConfig.instanceType",
    "Function.runtime",
    "MetricAlarm.comparisonOperator",
    "EndpointConfiguration.productionVariants.inferenceAmiVersion",
    "EndpointConfiguration.productionVariants.instanceType",
    "NodeGroup.amiType",
}
"""Some that have to be found, or nothing was looked at."""


# What AWS takes though the SDK's list lacks it, with the fact that says so (scripts/aws_facts).
BEYOND = {("Domain.clusterConfig.instanceType", "r7g.medium.search"): "domain-r7g"}


@pytest.fixture(scope="module")
def ours():
    return [each for stack in stacks().values() for each in stack.resources if each.type.startswith("aws:")]


def test_each_type_has_its_call_or_no_enumeration(ours):
    assert {each.type for each in ours} - CALLS.keys() - FREE == set()
    assert CALLS.keys() & FREE == set()


def test_each_choice_is_one_of_awss(ours):
    made = [(each.name, choice) for each in ours if each.type in CALLS for choice in chosen(each.type, each.inputs)]
    assert KNOWN - {path for _, (path, _, _) in made} == set()
    other = {(path, value) for _, (path, value, values) in made if value not in values}
    assert other == BEYOND.keys()
    assert set(BEYOND.values()) <= {fact.key for fact in FACTS}


@pytest.mark.faults
def test_a_value_that_aws_has_not_is_found():
    found = chosen("aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup", {"generation": "NEXT"})
    assert [(path, value in values) for path, value, values in found] == [
        ("ServerlessCollectionGroup.generation", False)
    ]
