"""The training pipeline's definition, read as data: where its states lead, what they read, what a job may cost."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi_tandem.finetuning.sagemaker_steps import sagemaker_steps
from pulumi_tandem.finetuning.training_state_machine import definition
from tandem_contract.envelope import FINISHING_SECONDS, PENDING_SECONDS

from .strict_sagemaker import MODEL

ENVELOPE = {
    "instance_type": "ml.g6e.2xlarge",
    "instance_count": 2,
    "max_runtime_seconds": 14400,
    "attempts": 3,
    "spot": False,
    "volume_gb": 200,
    "checkpoint": True,
    "evaluation_instance_type": "ml.g5.2xlarge",
    "evaluation_max_runtime_seconds": 3600,
}


def pipeline(**changes) -> dict[str, Any]:
    functions = {
        step: f"arn:aws:lambda:us-east-1:123456789012:function:{step}" for step in ("plan", "gate", "register")
    }
    steps = sagemaker_steps(
        plan=functions["plan"],
        role_arn="arn:aws:iam::123456789012:role/job",
        images={"train": "training:1", "evaluate": "serving:1"},
        envelope=ENVELOPE | changes,
    )
    return definition(functions=functions, steps=steps)


STATES = pipeline()["States"]
STEPS = [("Training", "Train", "PlanEvaluation"), ("Evaluation", "Evaluate", "Gate")]


def exits(state: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Where a state leads, each with the path of what is known there in addition."""
    if "Next" in state:
        yield state["Next"], state.get("ResultPath")
    for caught in state.get("Catch", []):
        yield caught["Next"], caught["ResultPath"]
    for choice in state.get("Choices", []):
        yield choice["Next"], None
    if "Default" in state:
        yield state["Default"], None


def known(machine: dict[str, Any]) -> dict[str, set[str]]:
    """State -> paths that are there whichever way it was reached."""
    found, work = {machine["StartAt"]: {"$.run"}}, [machine["StartAt"]]
    while work:
        name = work.pop()
        for target, path in exits(machine["States"][name]):
            there = found[name] | ({path} if path else set())
            before = found.get(target)
            found[target] = there if before is None else before & there
            if found[target] != before:
                work.append(target)
    return found


def paths(value: Any, key: str = "") -> Iterator[str]:
    """Every path that a state reads from its input, in whatever field."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in ("ResultSelector", "ResultPath", "Catch"):
                yield from paths(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, key)
    elif key.endswith(".$") or key in ("Variable", "InputPath", "CausePath", "ErrorPath", "SecondsPath"):
        yield from re.findall(r"\$(?:\.\w+)+", value)


def jobs() -> list[dict[str, Any]]:
    return [STATES["Train"], STATES["Evaluate"]]


def test_every_target_exists_and_every_state_is_reached():
    assert {target for state in STATES.values() for target, _ in exits(state)} <= set(STATES)
    assert set(known(pipeline())) == set(STATES)


def test_every_state_ends_or_leads_on_and_only_registering_succeeds():
    ends = {name for name, state in STATES.items() if not list(exits(state))}
    assert ends == {"Register", "GateFailed", "TimedOut"}
    assert [name for name in ends if STATES[name]["Type"] != "Fail"] == ["Register"]
    assert STATES["Register"]["End"] is True


def test_nothing_is_registered_without_the_gates_word():
    assert [name for name, state in STATES.items() if "Register" in dict(exits(state))] == ["Passed?"]
    assert STATES["Passed?"]["Default"] == "GateFailed"
    (choice,) = STATES["Passed?"]["Choices"]
    assert choice == {"Variable": "$.gate.value.passed", "BooleanEquals": True, "Next": "Register"}


def test_what_a_state_reads_was_produced_before_on_every_way_to_it():
    for name, there in known(pipeline()).items():
        for path in paths(STATES[name]):
            assert any(path == each or path.startswith(f"{each}.") for each in there), (name, path, there)


def test_what_is_taken_from_a_job_is_in_its_description():
    described = MODEL.operation_model("DescribeTrainingJob").output_shape
    for job in jobs():
        for path in job["ResultSelector"].values():
            shape = described
            for part in path.removeprefix("$.").split("."):
                shape = shape.members[part]
            assert shape.type_name == "string"


@pytest.mark.parametrize(("what", "task", "after"), STEPS)
def test_a_failed_attempt_is_planned_anew_and_one_that_waited_too_long_is_stopped(what, task, after):
    caught = {each["ErrorEquals"][0]: each["Next"] for each in STATES[task]["Catch"]}
    # `States.TaskFailed` is every error but `States.Timeout`.
    assert caught == {"States.TaskFailed": f"Plan{what}Again", "States.Timeout": "StopJob"}
    assert STATES[task]["Next"] == STATES[f"Take{what}"]["Next"] == after
    again = STATES[f"Plan{what}Again"]
    assert again["Next"] == STATES[f"Plan{what}"]["Next"] == f"{what}Planned?"
    assert again["Parameters"]["Payload"]["failure.$"] == "$.failure"
    assert again["Parameters"]["Payload"]["job.$"] == "$.job.value.TrainingJobName"


@pytest.mark.faults
@pytest.mark.parametrize(("what", "task", "after"), STEPS)
def test_a_job_that_goes_on_is_followed_to_its_end(what, task, after):
    planned = STATES[f"{what}Planned?"]
    ways = {choice["Variable"].rpartition(".")[2]: choice["Next"] for choice in planned["Choices"]}
    assert ways == {STATES[task]["ResultPath"].removeprefix("$."): f"Take{what}", "running": f"Follow{what}"}
    assert planned["Default"] == task
    ended = STATES[f"{what}Ended?"]
    goes_on = {choice["StringEquals"] for choice in ended["Choices"]}
    assert goes_on == {"InProgress", "Stopping"} and {each["Next"] for each in ended["Choices"]} == {f"Follow{what}"}
    assert ended["Default"] == f"Plan{what}Again"
    # For the longest job there can be, and each attempt of it, an execution's 25,000 events are enough.
    longest = pipeline(max_runtime_seconds=432_000)["States"]
    assert 9 * 5 * longest["Train"]["TimeoutSeconds"] / longest["FollowTraining"]["Seconds"] < 20_000


@pytest.mark.faults
def test_a_job_that_cannot_be_stopped_leaves_the_reason_of_the_run_as_it_is():
    assert STATES["StopJob"]["Next"] == "TimedOut"
    assert [each["ErrorEquals"] for each in STATES["StopJob"]["Catch"]] == [["States.ALL"]]
    assert {each["Next"] for each in STATES["StopJob"]["Catch"]} == {"TimedOut"}


@pytest.mark.parametrize("spot", [False, True])
def test_a_run_can_cost_no_more_than_its_envelope(spot):
    states = pipeline(spot=spot)["States"]
    train, evaluate = (states[name]["Parameters"] for name in ("Train", "Evaluate"))
    assert train["ResourceConfig"] == {"InstanceType": "ml.g6e.2xlarge", "InstanceCount": 2, "VolumeSizeInGB": 200}
    assert evaluate["ResourceConfig"] == {"InstanceType": "ml.g5.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 200}
    assert train["StoppingCondition"]["MaxRuntimeInSeconds"] == 14400
    assert evaluate["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}
    # Spot needs a longest wait, no less than the longest run, and may not have one without spot.
    assert train["EnableManagedSpotTraining"] is spot and evaluate["EnableManagedSpotTraining"] is False
    assert ("MaxWaitTimeInSeconds" in train["StoppingCondition"]) is spot
    assert train["StoppingCondition"].get("MaxWaitTimeInSeconds", 14400) >= 14400


def test_an_executions_input_decides_neither_instance_nor_time_nor_role():
    for job in jobs():
        fixed = (
            "ResourceConfig",
            "StoppingCondition",
            "RoleArn",
            "AlgorithmSpecification",
            "EnableManagedSpotTraining",
        )
        for field in fixed:
            assert field in job["Parameters"] and not list(paths(job["Parameters"][field], field)), field


def test_waiting_ends_after_the_job_had_all_its_time_and_before_the_execution_does():
    whole = pipeline()
    train, evaluate = jobs()
    assert train["TimeoutSeconds"] == 14400 + PENDING_SECONDS + FINISHING_SECONDS
    assert evaluate["TimeoutSeconds"] == 3600 + PENDING_SECONDS + FINISHING_SECONDS
    assert whole["TimeoutSeconds"] > 3 * (train["TimeoutSeconds"] + evaluate["TimeoutSeconds"])
    limits = pipeline(spot=True)["States"]["Train"]
    assert limits["Parameters"]["StoppingCondition"]["MaxWaitTimeInSeconds"] < limits["TimeoutSeconds"]


def test_jobs_run_our_code_in_the_image_of_their_step():
    for job, step, image in zip(jobs(), ("train", "evaluate"), ("training:1", "serving:1"), strict=True):
        assert job["Resource"] == "arn:aws:states:::sagemaker:createTrainingJob.sync"
        assert job["Parameters"]["AlgorithmSpecification"] == {
            "TrainingImage": image,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/tandem.pyz"],
            "ContainerArguments": [step],
        }


def test_functions_are_tried_again_only_where_lambda_failed():
    calls = [state for state in STATES.values() if state.get("Resource") == "arn:aws:states:::lambda:invoke"]
    assert len(calls) == 6
    for call in calls:
        (retry,) = call["Retry"]
        assert all(error.startswith("Lambda.") for error in retry["ErrorEquals"])
        assert (retry["MaxAttempts"], retry["JitterStrategy"]) == (4, "FULL")
