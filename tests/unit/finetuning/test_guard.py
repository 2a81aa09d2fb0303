"""The cost guard: what it ends, what it leaves alone, and whom it tells."""

import pytest
from botocore.exceptions import ClientError

from tandem.finetuning.functions import guard, owned
from tests.support.aws_requests import AwsService

from .strict_sagemaker import FakeSageMaker

OURS = {"tandem:stack": "dev", "tandem:artifacts": "artifacts"}
TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"


@pytest.fixture
def sagemaker(monkeypatch):
    fake = FakeSageMaker()
    monkeypatch.setenv("TANDEM_STACK", "dev")
    monkeypatch.setenv("TANDEM_ARTIFACT_BUCKET", "artifacts")
    monkeypatch.setenv("TANDEM_LONGEST_JOB_SECONDS", "14400")
    for module in (guard, owned):
        monkeypatch.setattr(module, "client", {"sagemaker": fake}.get)
    return fake


def test_the_guard_stops_what_is_ours_and_past_its_limit_on_every_page(sagemaker):
    # 4 hours of its own, 2 of waiting for an instance and half an hour to upload are a job's due.
    sagemaker.job("within", hours=6.4, stack="dev", artifacts="artifacts")
    sagemaker.job("others", hours=90, stack="prod")
    sagemaker.job("nobodys", hours=90)
    sagemaker.job("ended", hours=90, status="Completed", stack="dev", artifacts="artifacts")
    sagemaker.job("past", hours=6.6, stack="dev", artifacts="artifacts")
    ours = OURS | {"tandem:expires-hours": "8"}
    sagemaker.endpoint("young", 7.9, ours)
    sagemaker.endpoint("lasting", 900, OURS)
    sagemaker.endpoint("others", 900, ours | {"tandem:stack": "prod"})
    sagemaker.endpoint("expired", 8.1, ours | {"team": "search"})
    assert guard.handler({}, None) == {"jobs": ["past"], "endpoints": ["expired"]}
    assert sagemaker.stopped == ["past", "expired"]


def test_a_stack_of_the_same_name_keeps_its_own(sagemaker):
    """Of another project, or another person's: they share an account."""
    theirs = OURS | {"tandem:artifacts": "tuning-artifacts-1234567", "tandem:expires-hours": "8"}
    sagemaker.job("theirs", hours=90, stack="dev", artifacts="tuning-artifacts-1234567")
    sagemaker.endpoint("theirs", 900, theirs)
    assert guard.handler({}, None) == {"jobs": [], "endpoints": []}


def test_a_job_that_was_started_before_it_told_its_bucket_is_known_by_where_it_writes(sagemaker):
    sagemaker.job("ours", hours=90, stack="dev")
    sagemaker.job("theirs", hours=90, stack="dev", writes="tuning-artifacts-1234567")
    sagemaker.job("another", hours=90, stack="dev", writes="artifacts-2")
    assert guard.handler({}, None)["jobs"] == ["ours"]


def test_an_expired_endpoint_goes_after_its_inference_components(sagemaker):
    sagemaker.endpoint("expired", 9, OURS | {"tandem:expires-hours": "8"})
    sagemaker.component("others", "another")
    for name in ("a", "b", "c"):
        sagemaker.component(name, "expired")
    sagemaker.component("going", "expired", "Deleting")
    assert guard.handler({}, None)["endpoints"] == []
    assert sagemaker.stopped == ["a", "b", "c"]
    sagemaker.components = sagemaker.components[:1]
    assert guard.handler({}, None)["endpoints"] == ["expired"]


class FakeSns(AwsService):
    services = ("sns",)

    def __init__(self, refusing: bool = False):
        self.told, self.refusing = [], refusing

    def publish(self, **request):
        if self.refusing:
            raise ClientError({"Error": {"Code": "AuthorizationError", "Message": "no"}}, "Publish")
        self.told.append(request)


def listening(monkeypatch, sagemaker, sns: FakeSns) -> None:
    monkeypatch.setenv("TANDEM_ALARM_TOPIC", TOPIC)
    monkeypatch.setattr(guard, "client", {"sagemaker": sagemaker, "sns": sns}.get)


def test_the_guard_tells_the_topic_what_it_ended_and_how_to_have_it_again(sagemaker, monkeypatch):
    sns = FakeSns()
    listening(monkeypatch, sagemaker, sns)
    guard.handler({}, None)
    assert sns.told == []  # of nothing it says nothing
    sagemaker.job("past", hours=6.6, stack="dev", artifacts="artifacts")
    sagemaker.endpoint("expired", 8.1, OURS | {"tandem:expires-hours": "8"})
    guard.handler({}, None)
    (told,) = sns.told
    assert (told["TopicArn"], len(told["Subject"]) <= 100) == (TOPIC, True)
    assert "stack dev" in told["Subject"]
    job, endpoint = told["Message"].split("\n\n")
    assert "past was stopped" in job and "6.6 hours" in job and "`tandem finetune resume RUN --stack dev`" in job
    assert "expired was deleted" in endpoint and "`pulumi up --refresh --stack dev`" in endpoint


@pytest.mark.faults
def test_a_topic_that_takes_nothing_is_an_error_of_the_guards_after_its_work(sagemaker, monkeypatch):
    listening(monkeypatch, sagemaker, FakeSns(refusing=True))
    sagemaker.endpoint("expired", 9, OURS | {"tandem:expires-hours": "8"})
    with pytest.raises(RuntimeError, match=r"alarms: .*AuthorizationError"):
        guard.handler({}, None)
    assert sagemaker.stopped == ["expired"]


@pytest.mark.faults
def test_what_the_guard_cant_stop_keeps_nothing_else_running(sagemaker):
    sagemaker.refusing = {"ending"}
    sagemaker.job("ending", hours=90, stack="dev", artifacts="artifacts")
    sagemaker.job("past", hours=90, stack="dev", artifacts="artifacts")
    sagemaker.endpoint("expired", 9, OURS | {"tandem:expires-hours": "8"})
    with pytest.raises(RuntimeError, match=r"ending: .*status Completed"):
        guard.handler({}, None)
    assert sagemaker.stopped == ["past", "expired"]
