"""Training jobs: their records from one status to the next, and their hosts' outputs, one job at a time.

`HOME/sagemaker/jobs/<name>` is a job's folder.
"""

import logging
import queue
import shutil
import tarfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from localcloud import paths
from localcloud.services import Refused, supervisor
from localcloud.services.sagemaker.hosts import CHECKPOINTS, REASON_LENGTH, ROOT, Host, free_ports, names
from localcloud.services.sagemaker.records import (
    Json,
    Mirror,
    Records,
    announce,
    bucket_and_key,
    client,
    now,
    training_python,
)

FOLDER = paths.SAGEMAKER / "jobs"
EVERY_SECONDS = 2.0  # checkpoints and log lines are copied
INTERRUPTED = "InternalServerError: the runner was stopped while the job ran; what its checkpoints folder held is in S3"


class Jobs:
    """Runs the jobs of the records in the order in which they were created, each to its end."""

    def __init__(self, records: Records) -> None:
        self.records, self.waiting = records, queue.SimpleQueue()

    def resume(self) -> None:
        """Go on after a start: what ran is lost, as with an instance of AWS; what waited still waits."""
        jobs = self.records.kinds["TrainingJob"].values()
        for job in [job for job in jobs if job["TrainingJobStatus"] in ("InProgress", "Stopping")]:
            if job["SecondaryStatus"] == "Pending":
                self.waiting.put(job)
            else:
                shutil.rmtree(FOLDER / job["TrainingJobName"] / "ml", ignore_errors=True)
                self._end(job, "Failed", "Failed", INTERRUPTED)
        threading.Thread(target=self._work, daemon=True).start()

    def create(self, request: Json) -> Json:
        """The fields of a new job besides those of the request. Raises Refused for what can't be run here."""
        algorithm = request.get("AlgorithmSpecification", {})
        sources = [channel["DataSource"].get("S3DataSource", {}) for channel in request.get("InputDataConfig", [])]
        resources = request.get("ResourceConfig", {})
        if not algorithm.get("ContainerEntrypoint"):
            need = "give AlgorithmSpecification.ContainerEntrypoint"
            raise Refused("ValidationException", f"The local cloud starts the entry point, not the image: {need}.")
        if any(source.get("S3DataType") != "S3Prefix" for source in sources):
            raise Refused("ValidationException", "The local cloud reads channels of S3DataType S3Prefix only.")
        if not (resources.get("InstanceType") and resources.get("InstanceCount")):
            need = "give ResourceConfig.InstanceType and InstanceCount"
            raise Refused("ValidationException", f"The local cloud runs jobs of one instance type: {need}.")
        whole = all(source.get("S3DataDistributionType") != "ShardedByS3Key" for source in sources)
        if resources["InstanceCount"] > 1 and not whole:
            need = "make S3DataDistributionType FullyReplicated"
            raise Refused("ValidationException", f"The local cloud gives each host all of a channel: {need}.")
        kept = request.get("CheckpointConfig", {}).get("LocalPath", CHECKPOINTS)
        if not kept.startswith(f"{ROOT}/"):
            raise Refused("ValidationException", f"The local cloud keeps checkpoints below {ROOT}, not in {kept}.")
        target = request["OutputDataConfig"]["S3OutputPath"].rstrip("/") + f"/{request['TrainingJobName']}/output"
        packed = request["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP"
        return {
            "ModelArtifacts": {"S3ModelArtifacts": f"{target}/model{'.tar.gz' if packed else ''}"},
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Pending",
            "SecondaryStatusTransitions": [],
            "StoppingCondition": {"MaxRuntimeInSeconds": 86400} | request.get("StoppingCondition", {}),
        }

    def start(self, job: Json) -> None:
        self._enter(job, "Pending", "Waiting for the job before it")
        self.waiting.put(job)

    def stop(self, job: Json) -> None:
        if job["TrainingJobStatus"] != "InProgress":
            status = job["TrainingJobStatus"]
            reason = f"The request was rejected because the training job is in status {status}."
            raise Refused("ValidationException", reason)
        job["TrainingJobStatus"] = "Stopping"
        if job["SecondaryStatus"] == "Pending":
            self._end(job, "Stopped", "Stopped")

    def _work(self) -> None:
        while job := self.waiting.get():
            if job["TrainingJobStatus"] != "InProgress":
                continue
            try:
                self._run(job)
            except Refused as error:
                self._end(job, "Failed", "Failed", f"{error.code}: {error}")
            except Exception as error:  # one job must not end the runner's only worker
                logging.exception("%s failed", job["TrainingJobName"])
                self._end(job, "Failed", "Failed", f"InternalServerError: {error}")
            finally:
                shutil.rmtree(FOLDER / job["TrainingJobName"] / "ml", ignore_errors=True)

    def _run(self, job: Json) -> None:
        folder, python = FOLDER / job["TrainingJobName"], training_python()
        shutil.rmtree(folder, ignore_errors=True)
        self._enter(job, "Downloading", "Downloading input data", TrainingStartTime=now())
        hosts, writers = [Host(name, job, folder) for name in names(job)], {}
        for host in hosts:
            host.lay_out(writers)
        status, secondary, reason = "Stopped", "Stopped", ""
        if job["TrainingJobStatus"] == "InProgress":
            self._enter(job, "Training", "Training in progress")
            failed, timed_out = self._train(job, hosts, python)
            if timed_out:
                secondary = "MaxRuntimeExceeded"
            elif failed and job["TrainingJobStatus"] == "InProgress":
                status = secondary = "Failed"
                reason = failed.reason()
            elif job["TrainingJobStatus"] == "InProgress":
                status = secondary = "Completed"
            self._enter(job, "Uploading", "Uploading the model")
            _upload(job, hosts, status)
        self._end(job, status, secondary, reason)

    def _train(self, job: Json, hosts: list[Host], python: Path) -> tuple[Host | None, bool]:
        """Run the hosts' code to its end, or end it; return who failed first, and whether it ran out of time.

        The first to fail ends the others, whose failures say only that it is gone.
        """
        ended, port = queue.SimpleQueue[Host](), free_ports()
        running, failed, timed_out = len(hosts), None, False
        try:
            for host in hosts:
                host.start(python, port, ended.put)
            deadline = time.monotonic() + job["StoppingCondition"]["MaxRuntimeInSeconds"]
            while running and not failed:
                with suppress(queue.Empty):
                    host = ended.get(timeout=EVERY_SECONDS)
                    running, failed = running - 1, host if host.code else None
                    continue
                timed_out = time.monotonic() > deadline
                if timed_out or job["TrainingJobStatus"] == "Stopping":
                    job["TrainingJobStatus"] = "Stopping"
                    self._enter(job, "Stopping", "Stopping the training job")
                    break
                for host in hosts:
                    host.copy()
        finally:
            # Also what the code left running.
            supervisor.end([host.record for host in hosts])
        for host in hosts:
            if host.checkpoints:
                host.checkpoints.push()
            host.copy()
        return failed, timed_out

    def _enter(self, job: Json, secondary: str, message: str = "", **more: float) -> None:
        """Note the next secondary status."""
        with self.records.changing():
            moment, transitions = now(), job["SecondaryStatusTransitions"]
            if transitions:
                transitions[-1].setdefault("EndTime", moment)
            transitions.append({"Status": secondary, "StartTime": moment, "StatusMessage": message})
            job.update(more, SecondaryStatus=secondary, LastModifiedTime=moment)
        announce("TrainingJob", job)

    def _end(self, job: Json, status: str, secondary: str, reason: str = "") -> None:
        with self.records.changing():
            moment = now()
            job["TrainingJobStatus"] = status
            if reason:
                job["FailureReason"] = reason[:REASON_LENGTH]
            if "TrainingStartTime" in job:
                seconds = round(moment - job["TrainingStartTime"])
                job.update(TrainingEndTime=moment, TrainingTimeInSeconds=seconds, BillableTimeInSeconds=seconds)
            self._enter(job, secondary, reason)
            job["SecondaryStatusTransitions"][-1]["EndTime"] = moment


def _upload(job: Json, hosts: list[Host], status: str) -> None:
    """Copy the model, unless the job failed, and output/data, to where the request says: one artifact of all hosts.

    Of a name that several wrote the first host's stays: it is written last.
    """
    target = job["ModelArtifacts"]["S3ModelArtifacts"]
    parts = {"output": "output/data", **({"model": "model"} if status != "Failed" else {})}
    for name, inside in parts.items():
        folders = [host.root / inside for host in reversed(hosts) if any((host.root / inside).iterdir())]
        if not target.endswith(".tar.gz"):
            for folder in folders:
                Mirror(folder, f"{target.rpartition('/')[0]}/{folder.name}").push()
            continue
        if not folders:
            continue
        packed = FOLDER / job["TrainingJobName"] / "ml" / f"{name}.tar.gz"
        with tarfile.open(packed, "w:gz") as archive:
            for folder in folders:
                archive.add(folder, arcname=".")
        bucket, prefix = bucket_and_key(target.rpartition("/")[0])
        client("s3").upload_file(str(packed), bucket, f"{prefix}/{packed.name}")
