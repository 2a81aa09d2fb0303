"""A run on a cluster, and what happens to its jobs."""

import datetime
from dataclasses import replace

from tandem.finetuning.functions import cluster
from tandem.finetuning.job_record import JobRecord, record_key
from tests.unit.finetuning import cluster_objects as it
from tests.unit.finetuning.test_pipeline_functions import RUN as SAGEMAKER_RUN

RUN = replace(SAGEMAKER_RUN, backend="eks")
ENVELOPE = {**RUN.envelope, "instance_type": "g6e.12xlarge", "evaluation_instance_type": "g6e.2xlarge"}
JOB, NEXT, EVALUATION = f"{RUN.name}-train-1", f"{RUN.name}-train-2", f"{RUN.name}-evaluate-1"
NOW = datetime.datetime(2026, 11, 29, 9, 46, 10, tzinfo=datetime.UTC)


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
