"""The function that runs jobs on a cluster, against a Kubernetes API over HTTPS and a bucket in memory."""

import base64
import json
import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from tandem_contract.errors import Unavailable
from tandem_contract.run_record import job_name, new_name

from tandem.finetuning.functions import cluster
from tandem.finetuning.job_record import record_key
from tests.unit.finetuning import cluster_objects as it
from tests.unit.finetuning.cluster_setting import VARIABLES
from tests.unit.finetuning.test_pipeline_functions import ENVIRONMENT

from .runs import (
    ENVELOPE,
    EVALUATION,
    JOB,
    NEXT,
    NOW,
    RUN,
    act,
    ends,
    later,
    made,
    pods,
    queued,
    record,
)


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
    assert spec["runtimeRef"] == {"kind": "TrainingRuntime", "name": "tandem-0123456789"}
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
        "TANDEM_INSTANCE_TYPE": "g6e.12xlarge",
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


def test_both_jobs_of_an_urgent_run_go_first(api, bucket):
    urgent = replace(RUN, urgent=True)
    bucket.put_object(Bucket="artifacts", Key=f"runs/{RUN.name}/run.json", Body=urgent.to_json())
    act("start")
    act("start", step="evaluate", trained={"model": f"s3://artifacts/runs/{RUN.name}/m/", "status": "Completed"})
    labels = [api.objects[f"{it.TRAINJOBS}/{job}"]["metadata"]["labels"] for job in (JOB, EVALUATION)]
    assert [each["kueue.x-k8s.io/priority-class"] for each in labels] == [f"{it.NAMESPACE}-urgent"] * 2


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


@pytest.mark.parametrize(
    ("instance", "count", "adapters"),
    [("p4d.24xlarge", 2, "4"), ("g6e.24xlarge", 2, "2"), ("p4d.24xlarge", 1, None), ("p5.48xlarge", 2, None)],
)
def test_several_instances_have_all_adapters_that_their_nodes_offer(api, monkeypatch, instance, count, adapters):
    envelope = ENVELOPE | {"instance_type": instance, "instance_count": count}
    monkeypatch.setenv("TANDEM_ENVELOPE", json.dumps(envelope))
    act("start")
    trainer = api.objects[f"{it.TRAINJOBS}/{JOB}"]["spec"]["trainer"]
    resources = trainer["resourcesPerNode"]
    assert resources["limits"].get("vpc.amazonaws.com/efa") == adapters
    assert resources["requests"].get("vpc.amazonaws.com/efa") == adapters
    told = {each["name"] for each in trainer["env"] if each["name"].startswith("FI_")}
    rdma = {"FI_EFA_USE_DEVICE_RDMA"} if instance.startswith("p4d") else set()
    assert told == ({"FI_PROVIDER", "FI_EFA_FORK_SAFE"} | rdma if adapters else set())


def test_without_a_gpu_there_is_one_rank(api, monkeypatch):
    monkeypatch.setenv("TANDEM_ENVELOPE", json.dumps(ENVELOPE | {"instance_type": "m7i.2xlarge"}))
    act("start")
    trainer = api.objects[f"{it.TRAINJOBS}/{JOB}"]["spec"]["trainer"]
    assert trainer["numProcPerNode"] == 1
    assert trainer["resourcesPerNode"] == {"requests": {"cpu": "4", "memory": "16Gi"}}


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
