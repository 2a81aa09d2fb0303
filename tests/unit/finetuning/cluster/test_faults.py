"""What can go wrong with a job on a cluster, and in which words it is told."""

import json
from dataclasses import replace

import pytest
from tandem_contract.errors import TandemError, Unavailable

from tandem.runtime import kubernetes
from tests.support import kubernetes_api
from tests.unit.finetuning import cluster_objects as it

from .runs import (
    ENVELOPE,
    JOB,
    RUN,
    act,
    ends,
    jobset,
    later,
    made,
    pods,
    queued,
    record,
    said,
)


@pytest.mark.faults
def test_an_instance_type_that_is_not_known_is_refused_before_anything_is_created(api, bucket, monkeypatch):
    monkeypatch.setenv("TANDEM_ENVELOPE", json.dumps(ENVELOPE | {"instance_type": "g99.2xlarge"}))
    with pytest.raises(TandemError, match=r"g99\.2xlarge is no instance type that is known"):
        act("start")
    assert not [path for path in api.objects if path.startswith(it.TRAINJOBS)]


@pytest.mark.faults
def test_what_was_not_priced_is_refused(bucket):
    other = replace(RUN, recipe={**RUN.recipe, "epochs": 50})
    bucket.put_object(Bucket="artifacts", Key=f"runs/{RUN.name}/run.json", Body=other.to_json())
    with pytest.raises(TandemError, match="is not the one whose digest was recorded"):
        act("start")


@pytest.mark.faults
def test_an_end_without_its_result_in_the_bucket_is_a_failure(api, bucket, monkeypatch):
    act("start")
    queued(api, it.RESERVED, it.ADMITTED, it.FINISHED)
    ends(api, it.COMPLETE)
    found = act("observe", job=JOB)
    assert found["state"] == "failed" and found["status"] == "Failed"
    assert found["reason"].endswith("/output/model/tandem.json isn't there: could they write to the bucket?")


@pytest.mark.faults
def test_a_queue_that_does_not_count_a_finished_job_keeps_it_no_longer_than_a_minute(api, bucket, monkeypatch):
    act("start")
    queued(api, it.RESERVED, it.ADMITTED)
    ends(api, it.COMPLETE)
    made(bucket)
    assert act("observe", job=JOB)["state"] == "running"
    later(monkeypatch, 70)
    assert act("observe", job=JOB)["state"] == "succeeded"


@pytest.mark.faults
def test_others_that_have_the_quota_are_named_and_the_sum_without_a_right_to_the_queue(api, bucket):
    act("start")
    queued(api, it.PENDING)
    api.put(f"{it.WORKLOADS}/trainjob-other-1", it.workload("other-train-1", it.RESERVED, run="other", gpus=2))
    api.put(f"{it.WORKLOADS}/job-notebook-1", it.workload("notebook", it.RESERVED, it.ADMITTED, gpus=1))
    elsewhere = it.workload("small-train-1", it.RESERVED, run="small", flavor=f"{it.NAMESPACE}-g6e-2xlarge")
    api.put(f"{it.WORKLOADS}/trainjob-small-1", elsewhere)
    api.put(f"{it.WORKLOADS}/job-done-1", it.workload("done", it.RESERVED, it.ADMITTED, it.FINISHED))
    words = "GPUs in use by Job notebook, which is no run of Tandem's, run other"
    assert act("observe", job=JOB)["reason"] == f"waiting for quota: 6 of 8 {words}"
    api.answer = lambda _method, path: (403, "forbidden") if path.startswith(it.CLUSTER_QUEUES) else None
    assert act("observe", job=JOB)["reason"].startswith(f"waiting for quota: 6 {words} (couldn't assign flavors")


@pytest.mark.faults
def test_a_job_that_no_quota_will_ever_admit_shows_what_the_queue_says(api):
    act("start")
    said = "couldn't assign flavors to pod set node: insufficient quota for nvidia.com/gpu (24) > maximum capacity (8)"
    queued(api, it.condition("QuotaReserved", 0, "False", "Pending", said))
    assert act("observe", job=JOB)["reason"] == f"waiting for quota: {said}"


@pytest.mark.faults
def test_pods_that_the_cluster_refuses_are_told(api, bucket):
    """Only the Job's events know; the TrainJob and the JobSet say nothing, and the quota stays taken."""
    act("start")
    queued(api, it.RESERVED, it.ADMITTED)
    api.put(f"{it.JOBS}/{JOB}-node-0", it.child(JOB))
    refusal = 'pods "x-node-0-0" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
    for number, name in enumerate((f"{JOB}-node-0", "another-node-0")):
        event = {"reason": "FailedCreate", "message": f"Error creating: {refusal}", "lastTimestamp": it.at(number)}
        event["involvedObject"] = {"kind": "Job", "name": name}
        api.put(f"{it.EVENTS}/{name}.1", {"metadata": {}, **event})
    assert act("observe", job=JOB)["reason"] == f"the cluster refuses its Pods: Error creating: {refusal}"
    evicted = it.condition("Evicted", 9, "True", "DeactivatedDueToRequeuingLimitExceeded", "exceeded the limit")
    queued(api, it.condition("QuotaReserved", 9, "False"), evicted, active=False)
    found = act("observe", job=JOB)
    assert found["state"] == "failed"
    assert found["reason"].startswith("its Pods were not ready in time, as often as the queue tries: the cluster ref")
    assert f"{it.TRAINJOBS}/{JOB}" not in api.objects  # which frees the quota


@pytest.mark.faults
def test_an_image_or_a_secret_that_is_not_there_is_told(api):
    act("start")
    queued(api, it.RESERVED, it.ADMITTED)
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "train:1": not found'}
    pods(api, {"startTime": it.at(5), "initContainerStatuses": [it.state("fetch", waiting=waiting)]})
    found = act("observe", job=JOB)["reason"]
    assert found == 'an image can\'t be pulled for container fetch: Back-off pulling image "train:1": not found'
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "hf" not found'}
    starting = it.state("mirror", waiting={"reason": "PodInitializing"})
    containers = {"initContainerStatuses": [it.FETCHED, starting]}
    pods(api, {"startTime": it.at(5), **containers, "containerStatuses": [it.state("node", waiting=waiting)]})
    assert act("observe", job=JOB)["reason"].endswith('start: CreateContainerConfigError: secret "hf" not found')


@pytest.mark.faults
def test_a_trainer_that_refuses_ends_the_job_in_its_own_words(api, bucket):
    act("start")
    queued(api, it.RESERVED, it.ADMITTED, it.FINISHED)
    api.put(f"{it.JOBS}/{JOB}-node-0", it.child(JOB, it.broke(2)))
    pods(api, it.over(2, 9), it.over(2, 9))
    ends(api, it.condition("Failed", 10, "True", "FailedJobs", "jobset failed (first failed job: x-node-0)"))
    said(bucket, "The longest row has 5000 tokens, 2048 are allowed.")
    found = act("observe", job=JOB)
    assert (found["state"], found["reason"]) == ("failed", "The longest row has 5000 tokens, 2048 are allowed.")
    assert [pod["exit_code"] for pod in record(bucket).pods.values()] == [2, 2]


@pytest.mark.faults
def test_a_restart_that_nobody_saw_is_told_in_the_trainers_words_or_by_where_they_are(api, bucket):
    act("start")
    queued(api, it.RESERVED, it.ADMITTED)
    jobset(api, 1)
    pods(api, it.UNPLACED, it.UNPLACED, attempt=1)
    assert act("observe", job=JOB)["reason"].startswith("restart 1, since its Pods have ended, their logs say why: ")
    said(bucket, "Rank 1 was killed by SIGKILL")
    assert act("observe", job=JOB)["reason"].startswith("restart 1, since Rank 1 was killed by SIGKILL: ")


@pytest.mark.faults
def test_a_gang_that_restarts_says_why_and_keeps_what_its_first_pods_cost(api, bucket, monkeypatch):
    act("start")
    queued(api, it.RESERVED, it.ADMITTED)
    pods(api, it.over(137, 15), it.over(1, 16))
    api.put(f"{it.JOBS}/{JOB}-node-0", it.child(JOB, it.broke(137)))
    jobset(api, 0)
    later(monkeypatch, 6)
    act("observe", job=JOB)
    del api.objects[f"{it.JOBS}/{JOB}-node-0"]
    jobset(api, 1)
    pods(api, it.UNPLACED, it.UNPLACED, attempt=1)
    later(monkeypatch, 8)
    found = act("observe", job=JOB)
    assert found["reason"].startswith("restart 1, since a Pod on node-1 ended: Error 1: waiting for a node: 0/1 nodes")
    assert record(bucket).state == "restarting"
    again = {**it.RUNNING, "startTime": it.at(20)}
    pods(api, again, again, attempt=1)
    later(monkeypatch, 20)
    assert act("observe", job=JOB)["reason"] == ""
    seen = record(bucket)
    assert (seen.state, seen.restarts, seen.attempts, len(seen.pods)) == ("training", 1, 2, 4)
    assert seen.node_seconds == 10 + 11 + 2 * 10


@pytest.mark.faults
def test_more_restarts_than_the_attempts_end_the_job_and_are_the_last(api, bucket):
    act("start")
    queued(api, it.RESERVED, it.ADMITTED, it.FINISHED)
    jobset(api, 3, counted=2)  # one was an eviction
    pods(api, it.over(1, 9), it.over(1, 9), attempt=3)
    reached = "jobset failed due to reaching max number of restarts (first failed job: x-node-0)"
    ends(api, it.condition("Failed", 10, "True", "ReachedMaxRestarts", reached))
    said(bucket, "Rank 1 was killed by SIGKILL.")
    assert act("observe", job=JOB)["reason"] == "Rank 1 was killed by SIGKILL. (attempt 3 of the job, 3 restarts)"
    with pytest.raises(TandemError, match=r"all 3 attempts of the run envelope are used\. Last failure: Rank 1"):
        act("start")


@pytest.mark.faults
def test_the_deadline_of_a_job_is_told_as_such(api, bucket):
    act("start")
    queued(api, it.RESERVED, it.ADMITTED, it.FINISHED)
    ends(api, it.condition("Failed", 10, "True", "DeadlineExceeded", "TrainJob exceeded its active deadline"))
    assert act("observe", job=JOB)["reason"] == "its time was up, that of all its attempts together"


@pytest.mark.faults
def test_a_job_that_the_queue_lets_go_anew_has_no_more_time_in_all(api, bucket, monkeypatch):
    """Trainer counts its deadline from the last time that the queue let it go."""
    act("start")
    queued(api, it.RESERVED, it.ADMITTED)
    pods(api, it.RUNNING, it.RUNNING)
    later(monkeypatch, 2 * 14400)
    act("observe", job=JOB)
    queued(api, it.PENDING, it.condition("Evicted", 9, "True", "Preempted", "a more urgent job came"))
    pods(api)
    assert act("observe", job=JOB)["reason"].startswith("put back into the queue (a more urgent job came); ")
    queued(api, it.RESERVED, it.ADMITTED)
    pods(api, it.RUNNING, it.RUNNING, attempt=1)  # since the start of the play too, which doubles their time
    later(monkeypatch, 14400 - 20)
    assert act("observe", job=JOB)["state"] == "running"
    later(monkeypatch, 14400 + 20)
    found = act("observe", job=JOB)
    assert found["state"] == "failed" and found["reason"].startswith("its time was up, that of all its attempts tog")
    assert f"{it.TRAINJOBS}/{JOB}" not in api.objects
    with pytest.raises(TandemError, match=r"all 3 attempts of the run envelope are used\. Last failure: its time was"):
        act("start")


@pytest.mark.faults
def test_evictions_without_end_are_ended(api, bucket):
    """JobSet restarts an evicted gang whatever its number of restarts, and a Pod too large for its node goes again."""
    act("start")
    queued(api, it.RESERVED, it.ADMITTED)
    jobset(api, 12, counted=2)
    pods(api, it.over(137, 9, reason="Evicted"), it.RUNNING, attempt=12)
    assert act("observe", job=JOB)["state"] == "running"
    jobset(api, 13, counted=2)
    found = act("observe", job=JOB)
    assert found["state"] == "failed"
    assert "evicted 11 times, 10 at most are made up for: a Pod on node-0 ended: Evicted 137. Where" in found["reason"]
    assert f"{it.TRAINJOBS}/{JOB}" not in api.objects


@pytest.mark.faults
def test_the_deadline_of_an_attempt_is_told_with_what_the_trainer_said_of_its_end(api, bucket):
    act("start")
    queued(api, it.RESERVED, it.ADMITTED, it.FINISHED)
    late = "Job was active longer than specified deadline"
    api.put(f"{it.JOBS}/{JOB}-node-0", it.child(JOB, it.condition("Failed", 9, "True", "DeadlineExceeded", late)))
    ends(api, it.condition("Failed", 10, "True", "FailJobSetFailurePolicyAction", "applying FailJobSet action"))
    said(bucket, "Interrupted after step 5 of 30.")
    reason = act("observe", job=JOB)["reason"]
    assert reason == "its time was up, that of one attempt; last: Interrupted after step 5 of 30."


@pytest.mark.faults
def test_a_job_without_a_word_of_its_own_fails_in_those_of_its_job(api):
    act("start")
    queued(api, it.RESERVED, it.ADMITTED, it.FINISHED)
    api.put(f"{it.JOBS}/{JOB}-node-0", it.child(JOB, it.broke(1)))
    ends(api, it.condition("Failed", 10, "True", "FailedJobs", "jobset failed"))
    assert "failed with exit code 1 matching FailJob rule" in act("observe", job=JOB)["reason"]


@pytest.mark.faults
def test_a_train_job_that_somebody_deletes_ends_the_run(api):
    act("start")
    del api.objects[f"{it.TRAINJOBS}/{JOB}"]
    assert act("observe", job=JOB)["reason"] == "somebody deleted its TrainJob"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("status", "said"), [(503, "etcdserver: leader changed"), (403, "User tandem cannot get resource trainjobs")]
)
def test_training_that_cannot_be_seen_goes_on(api, bucket, status, said):
    act("start")
    api.answer = lambda _method, _path: (status, said)
    found = act("observe", job=JOB)
    assert found["state"] == "running" and said in found["reason"]
    assert record(bucket).sentence.startswith("it can't be seen at the moment: The cluster")


@pytest.mark.faults
@pytest.mark.parametrize(
    ("status", "away"),
    [(500, 'failed calling webhook "vtrainjob.kb.io": connect: connection refused'), (401, "Unauthorized")],
)
def test_what_is_away_for_now_is_tried_again_and_then_named(api, status, away):
    """A webhook; or the access entry of a function that was just deployed."""
    api.answer = lambda method, _path: (status, away) if method == "POST" else None
    with pytest.raises(Unavailable, match=away[:8]):
        act("start")
    assert api.asked.count(("POST", it.TRAINJOBS)) > 1
    api.answer = lambda _method, _path: None
    assert act("start") == {"job": JOB}


@pytest.mark.faults
def test_what_a_webhook_refuses_ends_the_run_in_its_words(api):
    api.answer = lambda method, _path: (422, "spec.runtimeRef: must be created before") if method == "POST" else None
    with pytest.raises(TandemError, match=r"refuses POST .*/trainjobs: spec\.runtimeRef: must be created before"):
        act("start")


@pytest.mark.faults
def test_a_token_that_is_refused_is_signed_anew(api, monkeypatch):
    """As of a function that slept longer than its token lives: the same one would be refused for ten minutes."""
    numbers, before = iter(range(9)), len(api.tokens)
    monkeypatch.setattr(kubernetes, "token", lambda _cluster: f"token-{next(numbers)}")
    kubernetes._connected.cache_clear()
    api.answer = lambda _method, _path: (401, "Unauthorized") if api.tokens[-1] == "Bearer token-0" else None
    assert act("start") == {"job": JOB}
    assert api.tokens[before] == "Bearer token-0" and set(api.tokens[before + 1 :]) == {"Bearer token-1"}


@pytest.mark.faults
def test_a_server_that_another_authority_vouches_for_is_not_trusted(api, tmp_path):
    with kubernetes_api.serve(tmp_path) as other:
        client = kubernetes.Kubernetes(api.url, other.authority, lambda: "token")
        with pytest.raises(TandemError, match="can't be trusted"):
            client.get(f"{it.TRAINJOBS}/x")
    assert not api.asked
