"""Which job of a run comes next: another attempt, none, or the one that goes on."""

import pytest
from tandem_contract.errors import TandemError

from tests.unit.finetuning import test_pipeline_functions as functions
from tests.unit.finetuning.test_pipeline_functions import RUN, failed, planned, trained

s3, sagemaker = functions.s3, functions.sagemaker


def test_attempts_are_what_sagemaker_lists_over_all_its_pages(sagemaker):
    for other in (f"{RUN.name}0-train-1", f"x-{RUN.name}-train-1", f"{RUN.name}-evaluate-1"):
        sagemaker.job(other)
    assert planned()["TrainingJobName"] == f"{RUN.name}-train-1"
    sagemaker.job(f"{RUN.name}-train-1", status="Failed")
    sagemaker.job(f"{RUN.name}-train-2", status="Stopped")
    assert planned(**failed(sagemaker))["TrainingJobName"] == f"{RUN.name}-train-3"
    sagemaker.jobs = [job for job in sagemaker.jobs if not job["TrainingJobName"].startswith(f"{RUN.name}-evaluate")]
    sagemaker.job(f"{RUN.name}-evaluate-1", status="Failed")
    assert planned("evaluate", trained=trained())["TrainingJobName"] == f"{RUN.name}-evaluate-2"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("reason", "status", "words"),
    [
        ("AlgorithmError: it broke, exit code: 1", "Failed", "Last failure: AlgorithmError: it broke"),
        ("", "Stopped", "Last failure: it ended as Stopped"),
        ("AlgorithmError: , exit code: 137", "Failed", "for want of memory: a larger instance has more"),
        (None, "Failed", "raise it, deploy, resume"),
    ],
)
def test_used_up_attempts_end_the_run(sagemaker, reason, status, words):
    for number in (1, 2, 3):
        sagemaker.job(f"{RUN.name}-train-{number}", status="Failed")
    with pytest.raises(TandemError, match="all 3 attempts of the run envelope are used") as caught:
        planned(**({} if reason is None else failed(sagemaker, reason, status)))
    assert words in str(caught.value)


@pytest.mark.faults
@pytest.mark.parametrize(
    "reason",
    [
        "ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions are "
        "incorrect.",
        "ClientError: API error (404): manifest for 123456789012.dkr.ecr.us-west-2.amazonaws.com/t:1 not found: "
        "manifest unknown: Requested image not found",
        "ClientError: SageMaker was unable to assume the role 'arn:aws:iam::123456789012:role/SageMakerRole'",
        "ClientError: TrainingHostAgent Initialization failed:InvalidInputException: SageMaker is unable to perform: "
        "sts:AssumeRole on the role.",
    ],
)
def test_what_sagemaker_itself_refuses_is_not_tried_again(sagemaker, reason):
    sagemaker.job(f"{RUN.name}-train-1", status="Failed")
    with pytest.raises(TandemError, match=r"^ClientError: "):
        planned(**failed(sagemaker, reason))


@pytest.mark.faults
def test_a_resumed_run_does_not_repeat_what_is_complete(sagemaker):
    sagemaker.job(f"{RUN.name}-train-1", status="Failed")
    sagemaker.job(f"{RUN.name}-train-2", status="Completed")
    sagemaker.job(f"{RUN.name}-evaluate-1", status="Failed")
    resumed = planned()
    assert resumed == {
        "trained": {"model": f"s3://artifacts/jobs/{RUN.name}-train-2/model", "status": "Completed"},
    }
    assert planned("evaluate", **resumed)["TrainingJobName"] == f"{RUN.name}-evaluate-2"
    # Registering was refused, by a policy say: neither training nor evaluation is paid for again.
    sagemaker.job(f"{RUN.name}-evaluate-2", status="Completed")
    assert planned("evaluate", **resumed) == {
        "evaluated": {"model": f"s3://artifacts/jobs/{RUN.name}-evaluate-2/model", "status": "Completed"},
    }


@pytest.mark.faults
def test_evaluations_too_are_no_more_than_the_attempts_that_were_priced(sagemaker):
    for number in (1, 2, 3):
        sagemaker.job(f"{RUN.name}-evaluate-{number}", status="Failed")
    with pytest.raises(TandemError, match="all 3 attempts of the run envelope are used"):
        planned("evaluate", trained=trained())


@pytest.mark.faults
@pytest.mark.parametrize(
    ("step", "code", "words"),
    [
        ("train", 2, "the longest row has 5000 tokens"),
        ("evaluate", 2, "the longest row has 5000 tokens"),
    ],
)
def test_what_another_attempt_would_not_mend_is_not_tried_again(sagemaker, step, code, words):
    given = {"trained": trained()} if step == "evaluate" else {}
    sagemaker.job(f"{RUN.name}-{step}-1")
    reason = "AlgorithmError: the longest row has 5000 tokens, 2048 are allowed, exit code: "
    with pytest.raises(TandemError, match=words):
        planned(step, **given, **failed(sagemaker, f"{reason}{code}", step=step))
    for other in (1, 137, 143, 255):
        again = planned(step, **given, **failed(sagemaker, f"{reason}{other}", step=step))
        assert again["TrainingJobName"] == f"{RUN.name}-{step}-2"


@pytest.mark.faults
def test_a_job_that_could_not_be_started_ends_the_run_instead_of_going_round_for_ever():
    """There is no job to count: a new account's quota for GPU instances is 0."""
    cause = "The account-level service limit 'ml.g6e.2xlarge for training job usage' is 0 Instances"
    failure = {"Error": "SageMaker.ResourceLimitExceededException", "Cause": cause}
    for named in ({"job": f"{RUN.name}-train-1"}, {}):  # the last release's machine names none
        with pytest.raises(TandemError, match="ResourceLimitExceededException: The account-level service limit"):
            planned(failure=failure, **named)


@pytest.mark.faults
@pytest.mark.parametrize("step", ["train", "evaluate"])
def test_a_job_whose_start_was_not_heard_of_is_followed_and_not_failed(sagemaker, step):
    """The answer to CreateTrainingJob was lost, and the retry met the job's own name."""
    given = {"trained": trained()} if step == "evaluate" else {}
    name = planned(step, **given)["TrainingJobName"]
    sagemaker.job(name)
    cause = f"Training job names must be unique within an AWS account and region, but a job {name} already exists"
    failure = {"Error": "SageMaker.ResourceInUseException", "Cause": cause}
    assert planned(step, **given, failure=failure, job=name) == {"running": True, "TrainingJobName": name}
    sagemaker.jobs[-1]["TrainingJobStatus"] = "Completed"
    ended = {"Error": "Ended", "Cause": "Completed"}
    (result,) = planned(step, **given, failure=ended, job=name)
    assert result == {"train": "trained", "evaluate": "evaluated"}[step]
    sagemaker.jobs[-1] |= {"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: no, exit code: 2"}
    with pytest.raises(TandemError, match="AlgorithmError: no"):
        planned(step, **given, failure={"Error": "Ended", "Cause": "Failed"}, job=name)
