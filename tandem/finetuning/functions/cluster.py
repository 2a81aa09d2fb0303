"""Lambda handler of a run's jobs on an EKS cluster: starts, observes and stops them, and keeps each job's record.

What users' commands show is that record in the artifact bucket, so that they need no way into the cluster.
"""

import datetime
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError
from tandem_contract.cluster import GPU, QUEUE, Label, flavor_name, label_value
from tandem_contract.envelope import FINISHING_SECONDS, RunEnvelope
from tandem_contract.errors import TandemError, Unavailable
from tandem_contract.names import Variable
from tandem_contract.run_record import Run, job_name

from tandem.finetuning import job_record
from tandem.finetuning.job_record import FAILED, STOPPED, STOPPING, SUCCEEDED, WORKING, JobRecord
from tandem.runtime import kubernetes
from tandem.runtime.clients import client, region
from tandem.runtime.kubernetes import Kubernetes, segment
from tandem.runtime.pages import each
from tandem.runtime.telemetry import log

from . import job_inputs, observation, trainjob
from .records import read

TRAINER, KUEUE, JOBSET = trainjob.API, "kueue.x-k8s.io/v1beta2", "jobset.x-k8s.io/v1alpha2"
RESULTS = {"train": "tandem.json", "evaluate": "evaluation.json"}
"""What a step writes last to `model/`: without it in S3 the model isn't there whole."""
QUEUE_LAG_SECONDS = 60
"""That the queue may take to count a finished job's quota as free, before its record is closed."""
CLEAN_SECONDS = 480  # the function may take ten minutes


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
    """One of five actions.

    `{"action": "start", "run", "step": "train"}`, or `"evaluate"` with `"trained": {"model", "status"}` ->
    `{"job": NAME}`, or `{"trained": {"model", "status"}}` where a completed training is there already. The same call
    again starts nothing more. Raises `TandemError`, which ends the run, and `Unavailable` where another try may help.

    `{"action": "observe", "run", "step", "job"}` -> `{"state": "running" | "succeeded" | "failed", "reason", "model",
    "status"}`.

    `{"action": "stop", "run", "step", "job"}` -> `{}`; its Pods save a checkpoint first.

    `{"action": "guard"}` stops the stack's jobs that are past all their limits -> `{"jobs": NAMES}`.

    `{"action": "clean", "tf": {"action"}}`: on `delete` ends all jobs of the stack and waits for it -> `{"jobs": N}`.
    """
    return ACTIONS[event["action"]](event)


def start(event: Mapping[str, Any]) -> dict[str, Any]:
    """Create the TrainJob of a step, and its record."""
    step, envelope = event["step"], RunEnvelope.from_json(os.environ[Variable.ENVELOPE])
    run = job_inputs.checked(event["run"])
    records = _records(run.name, step)
    if done := next((it for it in records if it.state == SUCCEEDED), None):
        return {job_inputs.COMPLETE[step]: {"model": _model(done), "status": "Completed"}}
    model = job_inputs.trained_model(event["trained"]) if step == "evaluate" else None
    if records and not records[-1].ended:  # of an execution that was stopped, or of this very call's first try
        records[-1] = _seen(records[-1])
    if records and records[-1].state == STOPPING:
        raise Unavailable(f"{records[-1].name} is still stopping: try again in a minute")
    if records and not records[-1].ended:
        return {"job": records[-1].name}
    limit = envelope.max_runtime_seconds if step == "train" else envelope.evaluation_max_runtime_seconds
    used = sum(record.attempts for record in records)
    # A job that the queue puts back uses time and no attempt.
    spent = sum(round(record.node_seconds / record.instances) for record in records)
    left = min((envelope.attempts - used) * limit, envelope.attempts * limit - spent)
    if left <= 0:
        last = records[-1].sentence
        text = f"all {envelope.attempts} attempts of the run envelope are used"
        raise TandemError(f"{text}. Last failure: {last}" if last else f"{text}: raise it, deploy, resume")
    record = _new(run, step, len(records) + 1, envelope)
    content = trainjob.manifest(
        run,
        step,
        record.name,
        runtime=os.environ[Variable.CLUSTER_RUNTIME],
        namespace=os.environ[Variable.CLUSTER_NAMESPACE],
        image=os.environ[Variable.TRAINING_IMAGE if step == "train" else Variable.SERVING_IMAGE],
        instance_type=record.instance_type,
        instances=record.instances,
        efa=record.instance_type in os.environ[Variable.CLUSTER_EFA].split(),
        seconds=left,
        stack=os.environ[Variable.STACK],
        region=region(),
        places=trainjob.Places(
            job_inputs.channels(run, model), job_inputs.kept(run, step), _s3(job_record.output(run.name, record.name))
        ),
        environment=job_inputs.environment(run),
    )
    made = _api().create(_path(TRAINER, "trainjobs"), content)
    _write(record)
    log("started", run=run.name, step=step, job=record.name, made=made)
    return {"job": record.name}


def observe(event: Mapping[str, Any]) -> dict[str, Any]:
    """How a job stands, after its record was brought up to date; an ended one's objects are deleted."""
    record = _read(event["run"], event["job"])
    if not record.ended:
        try:
            record = _seen(record)
        except TandemError as error:  # training goes on whether it is seen or not; the run has a time limit
            record = replace(record, sentence=f"it can't be seen at the moment: {error}")
            _write(record)
            log("unseen", job=record.name, reason=str(error))
    if not record.ended:
        return {"state": "running", "reason": record.sentence, "model": "", "status": ""}
    succeeded = record.state == SUCCEEDED
    return {
        "state": "succeeded" if succeeded else "failed",
        "reason": record.sentence,
        "model": _model(record),
        "status": "Completed" if succeeded else record.state.capitalize(),
    }


def stop(event: Mapping[str, Any]) -> dict[str, Any]:
    """End a job that hasn't ended."""
    record = _read(event["run"], event["job"])
    if not record.ended:
        _api().delete(_path(TRAINER, "trainjobs", record.name))
        _seen(replace(record, state=STOPPING, sentence="asked to stop"))
        log("stopped", job=record.name)
    return {}


def guard(_event: Mapping[str, Any]) -> dict[str, Any]:
    """Stop the stack's jobs that the queue let go longer ago than all their attempts may take.

    A job has a deadline of its own; this is for one whose controllers don't keep it, or that lost it.
    """
    envelope, now, stopped = RunEnvelope.from_json(os.environ[Variable.ENVELOPE]), _now(), []
    longest = envelope.attempts * max(envelope.max_runtime_seconds, envelope.evaluation_max_runtime_seconds)
    for job in _ours():
        resumed = next((it for it in job.get("status", {}).get("conditions", ()) if it["type"] == "Suspended"), None)
        if resumed and resumed["status"] == "True":
            continue  # in the queue, which costs nothing
        since = (resumed or {}).get("lastTransitionTime") or job["metadata"]["creationTimestamp"]
        if (now - datetime.datetime.fromisoformat(since)).total_seconds() > longest + FINISHING_SECONDS:
            _api().delete(_path(TRAINER, "trainjobs", job["metadata"]["name"]))
            stopped.append(job["metadata"]["name"])
    log("guard", jobs=stopped)
    return {"jobs": stopped}


def clean(event: Mapping[str, Any]) -> dict[str, Any]:
    """At destroy: end all jobs of the stack, for what they run by can't be deleted before them."""
    if event["tf"]["action"] != "delete":
        return {"jobs": 0}
    names = [job["metadata"]["name"] for job in _ours()]
    for name in names:
        _api().delete(_path(TRAINER, "trainjobs", name))
    deadline = time.monotonic() + CLEAN_SECONDS
    while waiting := [job["metadata"]["name"] for job in _ours()]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"still stopping: {', '.join(waiting)}; destroy again in a few minutes")
        time.sleep(3)
    log("cleaned", jobs=names)
    return {"jobs": len(names)}


ACTIONS = {"start": start, "observe": observe, "stop": stop, "guard": guard, "clean": clean}


def _seen(record: JobRecord) -> JobRecord:
    """The record of a job as it is now, written; the objects of one that has ended are deleted.

    A runtime that a TrainJob refers to, even a finished one, can't be deleted, and its Pods hold a node's place.
    """
    api, now = _api(), _now()
    found = api.get(_path(TRAINER, "trainjobs", record.name))
    if found is None:
        stopped = record.state == STOPPING
        why = "stopped on request" if stopped else "somebody deleted its TrainJob"
        record = observation.ended(record, STOPPED if stopped else FAILED, why, now)
    else:
        record = observation.observed(record, _objects(api, record, found), now)
    if found is not None and record.state in (SUCCEEDED, FAILED):
        if observation.in_queue(record) and observation.finished_seconds(found, now) < QUEUE_LAG_SECONDS:
            record = replace(
                record, state=WORKING[record.step], sentence="it has ended, and the queue counts its quota"
            )
        else:
            record = observation.ended(record, *_result(record), now)
            api.delete(_path(TRAINER, "trainjobs", record.name))
    _write(record)
    return record


def _result(record: JobRecord) -> tuple[str, str]:
    """Its last state, and why: without its result in S3 it hasn't succeeded."""
    last = f"{job_record.output(record.run, record.name)}model/{RESULTS[record.step]}"
    if record.state != SUCCEEDED or _content(last) is not None:
        return record.state, record.sentence
    return FAILED, f"its Pods ended well, and {_s3(last)} isn't there: could they write to the bucket?"


def _objects(api: Kubernetes, record: JobRecord, found: Mapping[str, Any]) -> observation.Seen:
    """All objects that say something about a job."""
    uid, mine = found["metadata"]["uid"], f"jobset.sigs.k8s.io/jobset-name={record.name}"
    workloads = api.items(_path(KUEUE, "workloads"))
    own = (it for it in workloads if any(owner["uid"] == uid for owner in it["metadata"].get("ownerReferences", ())))
    events = api.items(_path("v1", "events"), fieldSelector="involvedObject.kind=Job,reason=FailedCreate")
    jobs = api.items(_path("batch/v1", "jobs"), labelSelector=mine)
    names = {job["metadata"]["name"] for job in jobs}
    failure = _content(f"{job_record.output(record.run, record.name)}failure") or b""
    return observation.Seen(
        found,
        workload=next(own, None),
        jobset=api.get(_path(JOBSET, "jobsets", record.name)),
        jobs=jobs,
        pods=api.items(_path("v1", "pods"), labelSelector=mine),
        events=[event for event in events if event["involvedObject"]["name"] in names],
        workloads=workloads,
        flavor=(flavor := flavor_name(os.environ[Variable.CLUSTER_NAMESPACE], record.instance_type)),
        quota=_quota(api, flavor),
        failure=failure.decode(errors="replace"),
    )


def _quota(api: Kubernetes, flavor: str) -> int | None:
    """GPUs of a flavor that the queue may give out; None where its ClusterQueue can't be read."""
    try:
        queue = api.get(_path(KUEUE, "localqueues", QUEUE)) or {}
        cluster_queue = api.get(f"/apis/{KUEUE}/clusterqueues/{segment(queue['spec']['clusterQueue'])}") or {}
        groups = cluster_queue["spec"]["resourceGroups"]
    except (kubernetes.Refused, KeyError):
        return None
    own = [each for group in groups for each in group["flavors"] if each["name"] == flavor]
    quotas = [resource for each in own for resource in each["resources"] if resource["name"] == GPU]
    return int(quotas[0]["nominalQuota"]) if quotas else None


def _new(run: Run, step: str, attempt: int, envelope: RunEnvelope) -> JobRecord:
    training = step == "train"
    return JobRecord(
        name=job_name(run.name, step, attempt),
        run=run.name,
        step=step,
        attempt=attempt,
        instance_type=envelope.instance_type if training else envelope.evaluation_instance_type,
        instances=envelope.instance_count if training else 1,
        created_at=_now().isoformat(timespec="seconds"),
        sentence="asked for",
    )


def _records(run: str, step: str) -> list[JobRecord]:
    """The records of a step's jobs, oldest first."""
    prefix = job_record.jobs(run)
    where = {"Bucket": os.environ[Variable.ARTIFACT_BUCKET], "Prefix": prefix, "Delimiter": "/"}
    names = [
        it["Prefix"].removeprefix(prefix).rstrip("/")
        for it in each(client("s3"), "list_objects_v2", "CommonPrefixes", **where)
    ]
    own = job_name(run, step, 0)[:-1]
    found = [_content(job_record.record_key(run, name)) for name in names if name.startswith(own)]
    return sorted((JobRecord.from_json(it) for it in found if it), key=lambda it: it.attempt)


def _read(run: str, job: str) -> JobRecord:
    if (content := _content(job_record.record_key(run, job))) is None:
        raise TandemError(f"there is no record of a job {job!r} of run {run!r}")
    return JobRecord.from_json(content)


def _content(key: str) -> bytes | None:
    try:
        return read(os.environ[Variable.ARTIFACT_BUCKET], key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None


def _write(record: JobRecord) -> None:
    bucket, key = os.environ[Variable.ARTIFACT_BUCKET], job_record.record_key(record.run, record.name)
    client("s3").put_object(Bucket=bucket, Key=key, Body=record.to_json())


def _ours() -> list[dict[str, Any]]:
    """The TrainJobs of this stack."""
    stack = label_value(os.environ[Variable.STACK])
    return _api().items(_path(TRAINER, "trainjobs"), labelSelector=f"{Label.STACK}={stack}")


def _api() -> Kubernetes:
    return kubernetes.connect(os.environ[Variable.CLUSTER])


def _path(api: str, kind: str, name: str = "") -> str:
    """Path of a kind of objects in the namespace, or of one of them."""
    root = "/api/v1" if api == "v1" else f"/apis/{api}"
    namespace = segment(os.environ[Variable.CLUSTER_NAMESPACE])
    return f"{root}/namespaces/{namespace}/{kind}" + (f"/{segment(name)}" if name else "")


def _model(record: JobRecord) -> str:
    """S3 prefix of what it made."""
    return _s3(f"{job_record.output(record.run, record.name)}model/")


def _s3(key: str) -> str:
    return f"s3://{os.environ[Variable.ARTIFACT_BUCKET]}/{key}"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
