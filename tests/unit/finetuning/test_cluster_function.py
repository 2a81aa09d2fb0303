"""The function that runs jobs on a cluster, against a Kubernetes API over HTTPS and a bucket in memory."""

import base64
import datetime
import json
import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from tandem_contract.errors import TandemError, Unavailable
from tandem_contract.run_record import job_name, new_name

from tandem.finetuning.dataset import manifest as manifests
from tandem.finetuning.functions import cluster, records
from tandem.finetuning.job_record import JobRecord, record_key
from tandem.runtime import kubernetes
from tests.support import kubernetes_api

from . import cluster_objects as it
from .buckets import FakeBucket
from .cluster_setting import VARIABLES, cluster_setting
from .test_pipeline_functions import ENVIRONMENT, MANIFEST
from .test_pipeline_functions import RUN as SAGEMAKER_RUN

RUN = replace(SAGEMAKER_RUN, backend="eks")
ENVELOPE = {**RUN.envelope, "instance_type": "g6e.12xlarge", "evaluation_instance_type": "g6e.2xlarge"}
JOB, NEXT, EVALUATION = f"{RUN.name}-train-1", f"{RUN.name}-train-2", f"{RUN.name}-evaluate-1"
NOW = datetime.datetime(2026, 11, 29, 9, 46, 10, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with kubernetes_api.serve(tmp_path_factory.mktemp("api")) as served:
        yield served


@pytest.fixture
def bucket():
    return FakeBucket()


@pytest.fixture(autouse=True)
def there(api, bucket, monkeypatch):
    """A cluster, a run that has its record and its data set, and the time of the play."""
    for name, value in (ENVIRONMENT | {"TANDEM_ENVELOPE": json.dumps(ENVELOPE)}).items():
        monkeypatch.setenv(name, value)
    api.objects.clear()
    api.asked.clear()
    api.answer, api.lingering = lambda _method, _path: None, False
    clients = {"s3": bucket}
    cluster_setting(api, clients, monkeypatch)
    for module in (cluster, records, kubernetes):
        monkeypatch.setattr(module, "client", clients.get)
    monkeypatch.setattr(cluster, "_now", lambda: NOW)
    bucket.put_object(Bucket="artifacts", Key=f"runs/{RUN.name}/run.json", Body=RUN.to_json())
    bucket.put_object(Bucket="datasets", Key=f"{RUN.dataset}manifest.json", Body=manifests.encoded(MANIFEST))


def act(action: str, **event):
    return cluster.handler({"action": action, "run": RUN.name, "step": "train", **event}, None)


def record(bucket, job: str = JOB) -> JobRecord:
    return JobRecord.from_json(bucket.objects[record_key(RUN.name, job)]["data"])


def later(monkeypatch, seconds: float) -> None:
    monkeypatch.setattr(cluster, "_now", lambda: NOW + datetime.timedelta(seconds=seconds))


def queued(api, *conditions, job: str = JOB, **spec) -> None:
    """Have the queue see the job."""
    api.put(f"{it.WORKLOADS}/trainjob-{job}-6509f", it.workload(job, *conditions, run=RUN.name, **spec))


def pods(api, *statuses, job: str = JOB, attempt: int = 0) -> None:
    """Have these Pods, on a node each, and no others."""
    for path in [path for path in api.objects if path.startswith(it.PODS)]:
        del api.objects[path]
    for index, status in enumerate(statuses):
        node = f"node-{index}" if "startTime" in status else ""
        name = f"{it.PODS}/{job}-node-0-{index}-a{attempt}"
        api.put(name, it.pod(job, index, attempt=attempt, node=node, **status))


def jobset(api, restarts: int, counted: int | None = None, job: str = JOB) -> None:
    status = {"restarts": restarts, "restartsCountTowardsMax": restarts if counted is None else counted}
    api.put(f"{it.JOBSETS}/{job}", {"metadata": {}, "status": status})


def ends(api, *conditions, job: str = JOB) -> None:
    """Have the TrainJob end."""
    api.objects[f"{it.TRAINJOBS}/{job}"]["status"] = {"conditions": list(conditions)}


def made(bucket, job: str = JOB, file: str = "tandem.json") -> None:
    bucket.put_object(Bucket="artifacts", Key=f"runs/{RUN.name}/jobs/{job}/output/model/{file}", Body=b"{}")


def said(bucket, text: str, job: str = JOB) -> None:
    bucket.put_object(Bucket="artifacts", Key=f"runs/{RUN.name}/jobs/{job}/output/failure", Body=text.encode())


def test_a_job_says_what_the_runtime_leaves_open(api):
    assert act("start") == {"job": JOB}
    made = api.objects[f"{it.TRAINJOBS}/{JOB}"]
    assert made["metadata"]["labels"] == {
        "kueue.x-k8s.io/queue-name": "tandem",
        "tandem.dev/run": RUN.name,
        "tandem.dev/step": "train",
        "tandem.dev/stack": "dev",
    }
    spec, trainer = made["spec"], made["spec"]["trainer"]
    assert spec["runtimeRef"] == {"name": "tandem-0123456789"}
    assert spec["activeDeadlineSeconds"] == 3 * 14400
    assert (trainer["image"], trainer["args"], trainer["numNodes"]) == (
        VARIABLES["TANDEM_TRAINING_IMAGE"],
        ["train"],
        2,
    )
    # Four GPUs an instance: torchrun starts a rank for each that is there, so nobody says how many.
    assert "numProcPerNode" not in trainer
    asked = {"cpu": "24", "memory": "192Gi", "nvidia.com/gpu": "4"}
    assert trainer["resourcesPerNode"] == {"requests": asked, "limits": {"nvidia.com/gpu": "4"}}
    assert {it["name"]: it["value"] for it in trainer["env"]} == {
        "TANDEM_RUN": RUN.name,
        "MLFLOW_TRACKING_URI": ENVIRONMENT["TANDEM_TRACKING_URI"],
        "TANDEM_LOGS": "/opt/ml/output/logs",
        "AWS_REGION": "us-east-1",
    }
    (patch,) = spec["runtimePatches"]
    (pods,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    template = pods["template"]["spec"]["template"]
    assert pods["name"] == "node"
    assert template["metadata"]["labels"]["tandem.dev/run"] == RUN.name
    assert template["spec"]["nodeSelector"] == {"node.kubernetes.io/instance-type": "g6e.12xlarge"}
    fetch, mirror = template["spec"]["initContainers"]
    variables = {it["name"]: it["value"] for it in fetch["env"]}
    assert (fetch["name"], mirror["name"]) == ("fetch", "mirror")
    assert variables["TANDEM_CODE"] == "s3://artifacts/code/0123456789abcdef/tandem.pyz"
    assert json.loads(variables["TANDEM_CHANNELS"]) == {
        "dataset": "s3://datasets/datasets/faq/0123456789ab/",
        "recipe": f"s3://artifacts/runs/{RUN.name}/recipe/",
    }
    places = {"TANDEM_OUTPUT": f"s3://artifacts/runs/{RUN.name}/jobs/{JOB}/output/", "AWS_REGION": "us-east-1"}
    places["TANDEM_CHECKPOINTS"] = f"s3://artifacts/runs/{RUN.name}/checkpoints/"
    assert {it["name"]: it["value"] for it in mirror["env"]} == places


@pytest.mark.parametrize("title", ["a-data-set-of-a-long-name-about-everything", "2026", "...", "ä"])
@pytest.mark.parametrize(("step", "pod"), [("train", 15), ("evaluate", 0)])
def test_names_of_jobs_and_their_pods_are_ones_that_the_controllers_take(title, step, pod):
    """Trainer wants RFC 1035, and JobSet adds up a Pod's name before it creates one."""
    job = job_name(new_name(title, NOW), step, 10)
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", job) and len(f"{job}-node-0-{pod}-abcde") <= 63


def test_an_evaluation_asks_the_tuned_model_on_its_own_instance(api):
    model = f"s3://artifacts/runs/{RUN.name}/jobs/{JOB}/output/model"
    assert act("start", step="evaluate", trained={"model": model, "status": "Completed"}) == {"job": EVALUATION}
    spec = api.objects[f"{it.TRAINJOBS}/{EVALUATION}"]["spec"]
    assert (spec["trainer"]["image"], spec["trainer"]["numNodes"]) == (ENVIRONMENT["TANDEM_SERVING_IMAGE"], 1)
    assert spec["activeDeadlineSeconds"] == 3 * 3600
    (pods,) = spec["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    template = pods["template"]["spec"]["template"]["spec"]
    assert template["nodeSelector"] == {"node.kubernetes.io/instance-type": "g6e.2xlarge"}
    variables = {it["name"]: it["value"] for it in template["initContainers"][0]["env"]}
    assert json.loads(variables["TANDEM_CHANNELS"])["model"] == f"{model}/"
    assert variables["TANDEM_CHECKPOINTS"] == f"s3://artifacts/runs/{RUN.name}/evaluate/"


def test_without_a_gpu_there_is_one_rank(api, monkeypatch):
    monkeypatch.setenv("TANDEM_ENVELOPE", json.dumps(ENVELOPE | {"instance_type": "m7i.2xlarge"}))
    act("start")
    trainer = api.objects[f"{it.TRAINJOBS}/{JOB}"]["spec"]["trainer"]
    assert trainer["numProcPerNode"] == 1
    assert trainer["resourcesPerNode"] == {"requests": {"cpu": "4", "memory": "16Gi"}}


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


@pytest.mark.parametrize("lost", [False, True])
def test_the_same_call_again_starts_nothing_more(api, bucket, lost):
    act("start")
    if lost:  # it ended between the two writes
        del bucket.objects[record_key(RUN.name, JOB)]
    assert act("start") == {"job": JOB}
    assert [path for path in api.objects if path.startswith(it.TRAINJOBS)] == [f"{it.TRAINJOBS}/{JOB}"]
    assert record(bucket).state == "queued"


def test_the_cluster_learns_who_asks_from_a_signed_request_to_sts(api):
    act("start")
    bearer = api.tokens[-1].removeprefix("Bearer k8s-aws-v1.")
    url = urlsplit(base64.urlsafe_b64decode(bearer + "=" * (-len(bearer) % 4)).decode())
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert (url.netloc, query["Action"]) == ("sts.us-east-1.amazonaws.com", "GetCallerIdentity")
    # The cluster's name is signed, so that the token is good for no other.
    assert query["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id" and query["X-Amz-Security-Token"] == "session"
    assert query["X-Amz-Expires"] == "60"


def test_a_run_goes_through_the_queue_its_nodes_and_its_end(api, bucket, monkeypatch):
    act("start")
    assert act("observe", job=JOB)["reason"] == "waiting for the queue to see it: is Kueue running?"
    other = it.workload("other-train-1", it.RESERVED, it.ADMITTED, run="other")
    api.put(f"{it.WORKLOADS}/trainjob-other-train-1-1a2b3", other)
    queued(api, it.PENDING)
    assert act("observe", job=JOB) == {
        "state": "running",
        "reason": "waiting for quota: 8 of 8 GPUs in use by run other",
        "model": "",
        "status": "",
    }
    assert record(bucket).state == "queued"
    del api.objects[f"{it.WORKLOADS}/trainjob-other-train-1-1a2b3"]
    queued(api, it.RESERVED, it.ADMITTED)
    pods(api, it.UNPLACED, it.UNPLACED)
    assert act("observe", job=JOB)["reason"].startswith("waiting for a node: 0/1 nodes are available: 1 Insufficient")
    assert record(bucket).state == "starting"
    fetching = {"phase": "Pending", "startTime": it.at(5)}
    fetching["initContainerStatuses"] = [it.state("fetch", running={"startedAt": it.at(5)})]
    pods(api, it.RUNNING, fetching)
    assert act("observe", job=JOB)["reason"] == "its Pods fetch their inputs"
    pods(api, it.RUNNING, it.RUNNING)
    later(monkeypatch, 6)
    assert act("observe", job=JOB)["reason"] == ""
    seen = record(bucket)
    assert (seen.state, seen.node_seconds) == ("training", 2 * 11)  # since :05, at :16
    pods(api, it.over(0, 16), it.over(0, 16))
    ends(api, it.COMPLETE)
    made(bucket)
    later(monkeypatch, 10)
    # Its end is recorded with that of its place in the queue, which comes a moment after it.
    assert act("observe", job=JOB)["state"] == "running"
    queued(api, it.RESERVED, it.ADMITTED, it.FINISHED)
    assert act("observe", job=JOB) == {
        "state": "succeeded",
        "reason": "",
        "model": f"s3://artifacts/runs/{RUN.name}/jobs/{JOB}/output/model/",
        "status": "Completed",
    }
    assert f"{it.TRAINJOBS}/{JOB}" not in api.objects
    seen = record(bucket)
    assert [(each["type"], each["status"], each["time"]) for each in seen.conditions] == [
        ("QuotaReserved", "False", it.at(0)),
        ("QuotaReserved", "True", it.at(0)),
        ("Admitted", "True", it.at(0)),
        ("Finished", "True", it.at(18)),
    ]
    assert seen.node_seconds == 2 * 11 and seen.ended_at == "2026-11-29T09:46:20+00:00"
    assert [(pod["node"], pod["phase"], pod["exit_code"]) for pod in seen.pods.values()] == [
        ("node-0", "Succeeded", 0),
        ("node-1", "Succeeded", 0),
    ]
    asked = len(api.asked)
    assert act("observe", job=JOB)["state"] == "succeeded" and len(api.asked) == asked
    assert act("start") == {"trained": {"model": act("observe", job=JOB)["model"], "status": "Completed"}}


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
def test_a_job_without_a_word_of_its_own_fails_in_those_of_its_job(api):
    act("start")
    queued(api, it.RESERVED, it.ADMITTED, it.FINISHED)
    api.put(f"{it.JOBS}/{JOB}-node-0", it.child(JOB, it.broke(1)))
    ends(api, it.condition("Failed", 10, "True", "FailedJobs", "jobset failed"))
    assert "failed with exit code 1 matching FailJob rule" in act("observe", job=JOB)["reason"]


def test_a_stopped_job_saves_first_and_a_resumed_one_has_the_attempts_that_are_left(api, bucket):
    act("start")
    api.lingering = True
    assert act("stop", job=JOB) == {}
    assert record(bucket).state == "stopping"
    with pytest.raises(Unavailable, match="still stopping: try again"):
        act("start")
    del api.objects[f"{it.TRAINJOBS}/{JOB}"]
    found = act("observe", job=JOB)
    assert (found["state"], found["reason"], found["status"]) == ("failed", "stopped on request", "Stopped")
    assert act("stop", job=JOB) == {}
    assert act("start") == {"job": NEXT}
    assert api.objects[f"{it.TRAINJOBS}/{NEXT}"]["spec"]["activeDeadlineSeconds"] == 2 * 14400


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
def test_a_webhook_that_is_away_is_tried_again_and_then_named(api):
    away = 'failed calling webhook "vtrainjob.kb.io": connect: connection refused'
    api.answer = lambda method, _path: (500, away) if method == "POST" else None
    with pytest.raises(Unavailable, match="failed calling webhook"):
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
def test_a_server_that_another_authority_vouches_for_is_not_trusted(api, tmp_path):
    with kubernetes_api.serve(tmp_path) as other:
        client = kubernetes.Kubernetes(api.url, other.authority, "token")
        with pytest.raises(TandemError, match="can't be trusted"):
            client.get(f"{it.TRAINJOBS}/x")
    assert not api.asked


def test_the_guard_stops_what_is_past_all_its_limits_and_destroying_stops_all(api):
    old = {"metadata": {"labels": {"tandem.dev/stack": "dev"}, "creationTimestamp": "2026-11-28T09:00:00Z"}}
    young = {"metadata": {**old["metadata"], "creationTimestamp": "2026-11-29T09:00:00Z"}}
    waiting = {**old, "status": {"conditions": [it.condition("Suspended", 0)]}}
    resumed = {**old, "status": {"conditions": [it.condition("Suspended", 0, "False", "Resumed")]}}
    others = {"metadata": {**old["metadata"], "labels": {"tandem.dev/stack": "prod"}}}
    jobs = {"old": old, "young": young, "waiting": waiting, "resumed": resumed, "others": others}
    for name, job in jobs.items():
        api.put(f"{it.TRAINJOBS}/{name}", json.loads(json.dumps(job)))
    assert cluster.handler({"action": "guard"}, None) == {"jobs": ["old"]}
    assert cluster.handler({"action": "clean", "tf": {"action": "update"}}, None) == {"jobs": 0}
    assert cluster.handler({"action": "clean", "tf": {"action": "delete"}}, None) == {"jobs": 3}
    assert [path for path in api.objects if path.startswith(it.TRAINJOBS)] == [f"{it.TRAINJOBS}/others"]
