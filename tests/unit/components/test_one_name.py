"""Two environments of one name: in a program, in two stacks of a project, and in two projects of an account.

That names of AWS differ is in tests/unit/test_service_limits.py, what the guard ends in finetuning/test_guard.py, and
which one a command is about in cli/test_stack.py.
"""

import pytest
from pulumi.runtime.mocks import MockMonitor
from pulumi_tandem import FineTuningEnvironment, HybridEnvironment, RagEnvironment

from scripts.recorder import record

pytestmark = pytest.mark.faults


def test_in_one_program_those_of_other_classes_have_no_urn_in_common(monkeypatch):
    """Two of one class are refused by the engine, by their URN (tests/packaging/test_one_name.py)."""
    urns, make = [], MockMonitor.make_urn
    monkeypatch.setattr(MockMonitor, "make_urn", lambda *it: urns.append(make(*it)) or urns[-1])
    kinds = (RagEnvironment, FineTuningEnvironment, HybridEnvironment)
    recording = record(lambda: [kind("acme") for kind in kinds])
    assert len(recording.resources) > 200
    assert [urn for urn in set(urns) if urns.count(urn) > 1] == []


def tagged(recording):
    return {each.inputs["tags"]["tandem:stack"] for each in recording.resources if "tags" in each.inputs}


def test_in_two_stacks_tags_budgets_and_guards_keep_apart():
    def program():
        FineTuningEnvironment("acme", {"monthly_budget": 50, "alert_email": "a@example.com"})

    for stack in ("blue", "green"):
        recording = record(program, stack=stack)
        assert tagged(recording) == {stack}
        assert recording.one("Budget").inputs["costFilters"] == [
            {"name": "TagKeyValue", "values": [f"user:tandem:stack${stack}"]}
        ]
        guard = recording.one("aws:lambda/function:Function", "guard").inputs["environment"]["variables"]
        assert guard["TANDEM_STACK"] == stack


def test_in_one_program_each_guard_and_function_is_about_its_own_bucket():
    """And so in two projects whose stacks have one name, which share the tag: a bucket's name is nobody else's."""
    recording = record(lambda: [FineTuningEnvironment("blue"), FineTuningEnvironment("green")])
    told = {
        each.name.split("-")[0]: each.inputs["environment"]["variables"]["TANDEM_ARTIFACT_BUCKET"]
        for each in recording.of("aws:lambda/function:Function")
        if "TANDEM_ARTIFACT_BUCKET" in each.inputs.get("environment", {}).get("variables", {})
    }
    assert sorted(told) == ["blue", "green"]
    assert all(bucket.startswith(f"{name}-artifacts-") for name, bucket in told.items())
    guards = [each for each in recording.of("RolePolicy") if each.name.split("-")[1] == "guard"]
    assert len(guards) == 2
    for each in guards:
        assert told[each.name.split("-")[0]] in str(each.inputs["policy"])
