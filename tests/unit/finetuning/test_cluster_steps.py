"""The state machine of a run on a cluster: read as data, and run by the local cloud's interpreter of the language."""

import importlib
import itertools
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pulumi_tandem.finetuning.cluster_steps import cluster_steps
from pulumi_tandem.finetuning.training_state_machine import definition
from tandem_contract.envelope import FINISHING_SECONDS, QUEUE_SECONDS

from .test_state_machine import ENVELOPE, exits, known, paths

LIMIT = sys.getrecursionlimit()
stepfunctions = importlib.import_module("ministack.services.stepfunctions")
sys.setrecursionlimit(LIMIT)  # which what it imports has raised, for all tests of this process

EVENTS_A_LOOK, MOST_EVENTS = 11, 25_000  # entered and left: four states; the task's scheduled, started, succeeded
WORKING = {"state": "running", "reason": "waiting for quota", "model": "", "status": ""}
DONE = {
    "state": "succeeded",
    "reason": "",
    "model": "s3://artifacts/runs/r/jobs/j/output/model/",
    "status": "Completed",
}
FAILED = WORKING | {"state": "failed", "reason": "exit code 2: the recipe has no such column"}


def machine(poll_seconds: int = 15, **changes) -> dict[str, Any]:
    steps = cluster_steps(cluster="cluster", envelope=ENVELOPE | changes, poll_seconds=poll_seconds)
    return definition(functions={"gate": "gate", "register": "register"}, steps=steps)


MACHINE = machine()
STATES = MACHINE["States"]


def run(monkeypatch, cluster: Callable[[dict], Any], whole: dict[str, Any] = MACHINE) -> tuple[list[dict], str]:
    """What the function was asked, in order, and the error that ended the execution: empty where none did."""
    asked: list[dict] = []
    answers = {
        "gate": lambda _: {"passed": True, "reasons": "", "metrics": {}},
        "register": lambda _: {"package": "arn"},
        "cluster": lambda payload: (asked.append(payload), cluster(payload))[1],
    }
    monkeypatch.setattr(stepfunctions, "_SFN_WAIT_SCALE", 0)
    monkeypatch.setattr(stepfunctions, "_resolve_lambda_function_ref", lambda name, **_: name)
    monkeypatch.setattr(stepfunctions, "_call_lambda", lambda name, payload: answers[name](payload))
    execution = {"stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:m", "events": []}
    execution |= {"executionArn": "arn", "name": "e", "status": "RUNNING"}
    context: dict[str, Any] = {"Execution": {"Id": "arn", "Name": "e"}, "StateMachine": {"Name": "m"}}
    try:
        stepfunctions._run_sub_machine(whole["States"], whole["StartAt"], {"run": "r"}, execution, context)
    except stepfunctions._ExecutionError as error:
        return asked, f"{error.error}: {error.cause}"
    return asked, ""


def answering(
    *seen: dict[str, Any], trained: dict[str, str] | None = None, evaluated: dict[str, str] | None = None
) -> Callable[[dict], Any]:
    """A cluster function that shows these states, the last one again and again."""
    looks = itertools.chain(seen, itertools.repeat(seen[-1]))

    def answer(payload: dict) -> Any:
        if payload["action"] == "start":
            there = {"train": {"trained": trained}, "evaluate": {"evaluated": evaluated}}[payload["step"]]
            return there if any(there.values()) else {"job": f"r-{payload['step']}-1"}
        return next(looks) if payload["action"] == "observe" else {}

    return answer


def test_every_target_exists_and_every_state_is_reached():
    assert {target for state in STATES.values() for target, _ in exits(state)} <= set(STATES)
    assert set(known(MACHINE)) == set(STATES)


def test_what_a_state_reads_was_produced_before_on_every_way_to_it():
    for name, there in known(MACHINE).items():
        for path in paths(STATES[name]):
            assert any(path == each or path.startswith(f"{each}.") for each in there), (name, path, there)


def test_no_job_outlives_a_run_that_ends_without_it():
    """Each end that isn't the gate's comes after the function was asked to stop the job."""
    ends = {name for name, state in STATES.items() if state["Type"] == "Fail"} - {"GateFailed"}
    before = {end: [name for name, state in STATES.items() if end in dict(exits(state))] for end in ends}
    assert ends == {"JobFailed", "TimedOut", "Unseen"}
    for names in before.values():
        assert [STATES[name]["Parameters"]["Payload"]["action"] for name in names] == ["stop"]


def test_a_run_that_goes_well_is_trained_evaluated_and_registered(monkeypatch):
    asked, error = run(monkeypatch, answering(WORKING, WORKING, DONE, WORKING, DONE))
    assert error == ""
    assert [(each["action"], each["step"]) for each in asked] == [
        ("start", "train"),
        *[("observe", "train")] * 3,
        ("start", "evaluate"),
        *[("observe", "evaluate")] * 2,
    ]
    assert asked[4]["trained"] == {"model": DONE["model"], "status": "Completed"}
    assert {each["job"] for each in asked if each["action"] == "observe"} == {"r-train-1", "r-evaluate-1"}


def test_a_resumed_run_whose_training_is_there_only_evaluates(monkeypatch):
    trained = {"model": "s3://artifacts/before/", "status": "Completed"}
    asked, error = run(monkeypatch, answering(DONE, trained=trained))
    assert error == ""
    assert [(each["action"], each["step"]) for each in asked] == [
        ("start", "train"),
        ("start", "evaluate"),
        ("observe", "evaluate"),
    ]
    assert asked[1]["trained"] == trained


@pytest.mark.faults
def test_a_resumed_run_whose_evaluation_is_there_pays_for_neither(monkeypatch):
    """Registering was refused, by a policy say."""
    before = {"model": "s3://artifacts/before/", "status": "Completed"}
    asked, error = run(monkeypatch, answering(DONE, trained=before, evaluated=before))
    assert error == ""
    assert [(each["action"], each["step"]) for each in asked] == [("start", "train"), ("start", "evaluate")]


@pytest.mark.faults
def test_a_failed_job_ends_the_run_with_its_reason(monkeypatch):
    asked, error = run(monkeypatch, answering(WORKING, FAILED))
    assert error == f"JobFailed: {FAILED['reason']}"
    assert asked[-1] == {"action": "stop", "run": "r", "step": "train", "job": "r-train-1"}


@pytest.mark.faults
def test_a_job_that_waits_for_ever_is_looked_after_less_often_and_then_stopped(monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(stepfunctions, "_scaled_sleep", slept.append)
    whole = machine(max_runtime_seconds=720, attempts=1, evaluation_max_runtime_seconds=720)
    asked, error = run(monkeypatch, answering(WORKING), whole)
    assert error.startswith("TimedOut: ")
    assert asked[-1]["action"] == "stop"
    looks = sum(each["action"] == "observe" for each in asked)
    assert looks == len(slept) and set(slept[:400]) == {15} and len(set(slept[401:])) == 1 and slept[-1] > 15
    assert 0 <= sum(slept) - (720 + QUEUE_SECONDS + FINISHING_SECONDS) <= 2 * slept[-1]


@pytest.mark.faults
def test_a_cluster_that_cant_be_reached_for_a_while_loses_no_run(monkeypatch):
    failures = iter(range(15))

    def away(payload: dict) -> Any:
        if payload["action"] == "observe" and next(failures, None) is not None:
            raise stepfunctions._ExecutionError("Unavailable", "the API server of the cluster doesn't answer")
        return answering(DONE)(payload)

    assert run(monkeypatch, away)[1] == ""


@pytest.mark.faults
def test_a_cluster_that_stays_away_ends_the_run_and_says_so(monkeypatch):
    def away(payload: dict) -> Any:
        if payload["action"] == "observe":
            raise stepfunctions._ExecutionError("Unavailable", "the API server of the cluster doesn't answer")
        return answering(DONE)(payload)

    asked, error = run(monkeypatch, away)
    assert error == "ClusterUnreachable: the API server of the cluster doesn't answer"
    assert [each["action"] for each in asked[-2:]] == ["observe", "stop"]


@pytest.mark.parametrize("hours", [0.2, 4, 120])
@pytest.mark.parametrize("poll_seconds", [1, 15, 300])
def test_an_execution_has_room_for_all_its_looks(hours, poll_seconds):
    seconds = round(hours * 3600)
    changes = {"max_runtime_seconds": seconds, "attempts": 5, "evaluation_max_runtime_seconds": seconds}
    whole = machine(poll_seconds, **changes)
    states, every = whole["States"], 0
    for step, longest in (("Training", 5 * seconds), ("Evaluation", seconds)):
        soon, later = (states[f"{step}{name}"]["Parameters"]["seconds"] for name in ("GoesOn", "GoesOnLong"))
        most, first = (each["NumericGreaterThanEquals"] for each in states[f"{step}Ended?"]["Choices"][2:])
        assert states[f"Count{step}"]["Result"]["seconds"] == soon == poll_seconds <= later
        assert first * soon + (most - first) * later >= longest + QUEUE_SECONDS + FINISHING_SECONDS
        every += most + 1
    assert every * EVENTS_A_LOOK < MOST_EVENTS - 200
    assert whole["TimeoutSeconds"] > 6 * seconds + 2 * (QUEUE_SECONDS + FINISHING_SECONDS)
