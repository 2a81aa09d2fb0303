"""Names of quotas, against the service's own lists."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from tandem_contract.envelope import DEFAULT, RunEnvelope

from tandem.finetuning.backends.eks.quotas import ON_DEMAND, SPOT, STANDARD
from tandem.finetuning.backends.instances import SAGEMAKER
from tandem.finetuning.backends.sagemaker.quotas import quotas
from tandem.finetuning.backends.serving import Serving, serving_quotas
from tandem.runtime.quotas import Quotas, short_of

LISTED = json.loads((Path(__file__).parents[2] / "recorded_aws" / "service-quotas-names.json").read_text())
"""As the service lists them: the lists' sources and dates are in it."""
NAMES = set(LISTED["names"])
UNLISTED = set(LISTED["not listed"])
"""Kinds of usage that no list had, of instances that we know: what is said of them is that nobody knows."""


def test_what_a_run_takes_is_called_as_the_service_calls_it():
    asked = set()
    for instance in SAGEMAKER:
        for spot in (False, True):
            envelope = RunEnvelope(**{**vars(DEFAULT), "instance_type": instance, "spot": spot})
            asked |= set(quotas(envelope).wanted)
        asked |= set(serving_quotas(Serving(instance), again=False).wanted)
    assert asked - NAMES == UNLISTED


def test_processors_of_nodes_are_counted_by_names_that_there_are():
    assert {*ON_DEMAND.values(), *SPOT.values(), STANDARD} <= NAMES


@pytest.mark.faults
def test_a_quota_that_is_not_listed_is_unknown_and_not_zero():
    pages = [{"Quotas": [{"QuotaName": "a", "Value": 1.0}]}, {"Quotas": [{"QuotaName": "b", "Value": 0.0}]}]
    client = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: pages))
    short, unknown = short_of(client, Quotas("s", "S", {"a": 2, "b": 0, "c": 1}, "vCPUs"), "the run")
    assert [each.problem for each in short] == ["the account's 'a' is 1, and the run needs 2 vCPUs"]
    assert unknown == ["c"]
