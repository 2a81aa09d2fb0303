"""The stage of the API shows what is registered: whatever of it changes makes a deployment."""

import hashlib
import json
import re

import pytest
from pulumi_tandem.foundation import rest_endpoint

from scripts.recorder import record_stack

CONFIG = {"tandem:environment": "rag", "tandem:retention": "erase"}
POOL = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_abc"
JWT = CONFIG | {"tandem:auth": "jwt", "tandem:userPoolArn": POOL}


def trigger(stack) -> dict:
    return stack.one("Deployment").inputs["triggers"]


@pytest.mark.parametrize("configuration", [CONFIG, JWT], ids=["iam", "jwt"])
def test_a_deployment_follows_all_that_it_shows(configuration):
    """Everything that was registered of route, authorizer, method and integration, and not a list of it."""
    stack = record_stack(configuration)
    shown = {}
    for kind in ("Resource", "Authorizer", "Method", "Integration"):
        for found in stack.of(f"aws:apigateway/{kind.lower()}:{kind}"):
            shown[kind.lower()] = {
                re.sub("[A-Z]", lambda it: "_" + it[0].lower(), key): int(it) if isinstance(it, float) else it
                for key, it in found.inputs.items()
            }
    assert trigger(stack) == {"shown": hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()}


def test_another_pool_and_another_function_are_deployed(monkeypatch):
    """The old pool's tokens would stay valid, and a function that is gone would be called, for ever."""
    before = trigger(record_stack(JWT))
    assert trigger(record_stack(JWT)) == before
    another_pool = trigger(record_stack(JWT | {"tandem:userPoolArn": POOL + "d"}))
    another_function = trigger(record_stack(JWT | {"tandem:environment": "hybrid"}))  # of another name
    monkeypatch.setattr(rest_endpoint, "TIMEOUT_MILLISECONDS", 20_000)
    another_limit = trigger(record_stack(JWT))
    found = [before, another_pool, another_function, another_limit, trigger(record_stack(CONFIG))]
    found = [json.dumps(it) for it in found]
    assert len(set(found)) == len(found)


def test_no_metrics_that_bill_are_turned_on():
    """Alarms and the dashboard use those of API and stage, which are free; those by method bill as one's own."""
    assert record_stack(CONFIG).one("MethodSettings").inputs["settings"]["metricsEnabled"] is False
