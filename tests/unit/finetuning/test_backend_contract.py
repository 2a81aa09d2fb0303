"""What every training back end has to do: SageMaker, both managed services, and one of the tests' own."""

import pytest
from tandem_contract.errors import TandemError

from tandem.finetuning import registry
from tandem.finetuning.backend_table import BACKENDS
from tandem.finetuning.backends.base import ABORTED, FAILED, RUNNING, STOPPING, SUCCEEDED

from .backend_harness import GROUP, HARNESSES, Harness, harness


@pytest.fixture(params=HARNESSES)
def stack(request, tmp_path, monkeypatch):
    with harness(request.param, tmp_path, monkeypatch) as made:
        yield made


def seen_to_the_end(stack: Harness, run) -> list:
    """Every status of a run until it has ended."""
    statuses = [stack.backend.status(run)]
    while statuses[-1].running:
        assert len(statuses) < 20
        stack.advance(run)
        statuses.append(stack.backend.status(run))
    return statuses


def test_every_row_of_the_table_is_tested():
    assert set(HARNESSES) == {*BACKENDS, "slow"}


def test_a_check_plans_a_run_and_does_nothing(stack):
    plan = stack.plan()
    assert plan.recipe["backend"] == stack.name and plan.notes
    assert bool(plan.envelope) == (plan.price is not None)
    assert plan.shown_price.keys() == {"expected", "ceiling"}
    assert stack.starts() == 0 and stack.written() == []


@pytest.mark.faults
def test_what_it_cannot_honour_is_refused_before_anything_is_written(stack):
    with pytest.raises(TandemError, match=stack.refused_key):
        stack.plan(**stack.refused)
    assert stack.starts() == 0 and stack.written() == []


@pytest.mark.faults
def test_a_run_that_was_never_started_says_so(stack):
    run = stack.backend.records.create(stack.plan())
    with pytest.raises(TandemError, match="never started: start it again"):
        stack.backend.status(run)


def test_starting_again_starts_nothing(stack):
    run = stack.started()
    stack.backend.start(run)
    assert stack.starts() == 1
    assert stack.backend.records.get(run.name) == run
    assert stack.backend.records.names() == [run.name]


def test_a_run_goes_to_the_registry_and_no_further(stack):
    run = stack.started()
    with pytest.raises(TandemError, match="has no evaluation: "):
        stack.backend.evaluation(run)
    statuses = seen_to_the_end(stack, run)
    assert {status.state for status in statuses[:-1]} == {RUNNING}
    assert all(status.activity for status in statuses[:-1])
    assert statuses[-1].state == SUCCEEDED, statuses[-1].cause
    assert [status.progress["step"] for status in statuses if status.progress]
    assert all(status.spent is None or status.spent >= 0 for status in statuses)
    assert all(status.spent_on for status in statuses)
    metrics = stack.backend.evaluation(run)["metrics"]["format_adherence"]
    assert metrics | {"interval": 0} == {"base": 0.0, "tuned": 1.0, "difference": 1.0, "interval": 0}
    assert stack.backend.status(run).state == SUCCEEDED
    (arn,) = registry.packages(stack.sagemaker, GROUP)
    record = registry.record(stack.sagemaker, arn)
    assert (record["backend"], record["run"], record["status"]) == (stack.name, run.name, registry.PENDING)
    container = stack.sagemaker.describe_model_package(ModelPackageName=arn).get("InferenceSpecification")
    assert bool(container) == BACKENDS[stack.name].needs_endpoint


@pytest.mark.faults
def test_a_failing_gate_registers_nothing_and_says_which_metric(stack):
    stack.learn_nothing()
    run = stack.started()
    last = seen_to_the_end(stack, run)[-1]
    assert last.state == FAILED and "format_adherence is 0.000, below 0.8" in last.cause
    assert registry.packages(stack.sagemaker, GROUP) == []
    assert stack.backend.evaluation(run)["metrics"]["format_adherence"]["tuned"] == 0


def test_cancelling_may_take_time_and_ends_as_aborted(stack):
    run = stack.started()
    stack.advance(run)
    assert len(stack.backend.cancel(run)) == 1
    statuses = seen_to_the_end(stack, run)
    assert {status.state for status in statuses[:-1]} <= {STOPPING}
    assert statuses[-1].state == ABORTED
    assert registry.packages(stack.sagemaker, GROUP) == []


def test_it_resumes_or_says_what_to_do_instead(stack):
    run = stack.started()
    stack.advance(run)
    stack.backend.cancel(run)
    seen_to_the_end(stack, run)
    if stack.resumes:
        assert stack.backend.resume(run) == "attempt 2 of 2"
        assert stack.backend.status(run).state == RUNNING
    else:
        with pytest.raises(TandemError, match="can't resume; start a new one"):
            stack.backend.resume(run)


def test_it_has_jobs_in_the_account_or_says_where_to_look(stack):
    run = stack.started()
    stack.advance(run)
    if stack.has_jobs:
        assert [job.step for job in stack.backend.jobs(run)] == ["train"]
    else:
        with pytest.raises(TandemError, match="look there"):
            stack.backend.jobs(run)
