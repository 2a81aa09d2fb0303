"""Training jobs: the code itself as a process, with the container's file layout in a folder, one job at a time.

`HOME/sagemaker/jobs/<name>/ml` is the job's /opt/ml while it runs; `log.txt` beside it stays.
"""

import json
import logging
import os
import queue
import shutil
import tarfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from subprocess import Popen, TimeoutExpired

from botocore.exceptions import BotoCoreError, ClientError

from localcloud import paths
from localcloud.services import Refused, supervisor
from localcloud.services.sagemaker.records import (
    Json,
    Mirror,
    Records,
    announce,
    arn,
    bucket_and_key,
    client,
    download,
    now,
    training_python,
)

FOLDER = paths.SAGEMAKER / "jobs"
ROOT = "/opt/ml"
CHECKPOINTS = f"{ROOT}/checkpoints"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
EVERY_SECONDS = 2.0  # checkpoints and log lines are copied
REASON_LENGTH = 1024
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
        if not algorithm.get("ContainerEntrypoint"):
            need = "give AlgorithmSpecification.ContainerEntrypoint"
            raise Refused("ValidationException", f"The local cloud starts the entry point, not the image: {need}.")
        if any(source.get("S3DataType") != "S3Prefix" for source in sources):
            raise Refused("ValidationException", "The local cloud reads channels of S3DataType S3Prefix only.")
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
        folder = FOLDER / job["TrainingJobName"]
        root, python = folder / "ml", training_python()
        shutil.rmtree(folder, ignore_errors=True)
        self._enter(job, "Downloading", "Downloading input data", TrainingStartTime=now())
        _lay_out(job, root)
        checkpoints = None
        if config := job.get("CheckpointConfig"):
            checkpoints = Mirror(Path(_inside(root, config.get("LocalPath", CHECKPOINTS))), config["S3Uri"])
            checkpoints.fetch()
        status, secondary, reason = "Stopped", "Stopped", ""
        if job["TrainingJobStatus"] == "InProgress":
            self._enter(job, "Training", "Training in progress")
            code, timed_out = self._train(job, root, python, checkpoints)
            if timed_out:
                secondary = "MaxRuntimeExceeded"
            elif code and job["TrainingJobStatus"] == "InProgress":
                status = secondary = "Failed"
                reason = _reason(root / "output" / "failure", folder / "log.txt", code)
            elif job["TrainingJobStatus"] == "InProgress":
                status = secondary = "Completed"
            self._enter(job, "Uploading", "Uploading the model")
            _upload(job, root, status)
        self._end(job, status, secondary, reason)

    def _train(self, job: Json, root: Path, python: Path, checkpoints: Mirror | None) -> tuple[int, bool]:
        """Run the code to its end, or end it; return its exit code, and whether it ran out of time."""
        algorithm, name = job["AlgorithmSpecification"], job["TrainingJobName"]
        command = [_inside(root, part) for part in algorithm["ContainerEntrypoint"]]
        if command[0] in ("python", "python3"):
            command[0] = str(python)
        command += [_inside(root, part) for part in algorithm.get("ContainerArguments", [])]
        environment = {key: value for key, value in os.environ.items() if key.startswith("AWS_")} | {
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            "TANDEM_ML_ROOT": str(root),
            "TRAINING_JOB_NAME": name,
            "TRAINING_JOB_ARN": arn("TrainingJob", name),
            **job.get("Environment", {}),
        }
        record, log = paths.RUN / f"sagemaker-job-{name}.json", root.parent / "log.txt"
        logs = Logs(log, f"{name}/algo-1-{int(time.time())}")
        process = supervisor.spawn(record, log, ["nice", "-n", "5", *command], environment, cwd=root)
        deadline = time.monotonic() + job["StoppingCondition"]["MaxRuntimeInSeconds"]
        timed_out = False
        while not _ended(process):
            timed_out = time.monotonic() > deadline
            if timed_out or job["TrainingJobStatus"] == "Stopping":
                job["TrainingJobStatus"] = "Stopping"
                self._enter(job, "Stopping", "Stopping the training job")
                break
            _copy(checkpoints, logs)
        # Also what the code left running.
        supervisor.end([record])
        code = process.wait()
        if checkpoints:
            checkpoints.push()
        _copy(None, logs)
        return code if code >= 0 else 128 - code, timed_out

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


class Logs:
    """The log's whole lines, in CloudWatch Logs."""

    def __init__(self, file: Path, stream: str) -> None:
        self.file, self.stream, self.offset = file, stream, 0
        logs = client("logs")
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=LOG_GROUP)
        logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)

    def push(self) -> None:
        with self.file.open("rb") as file:
            file.seek(self.offset)
            whole = file.read().rpartition(b"\n")[0]
        moment = int(time.time() * 1000)
        lines = [line for line in whole.decode(errors="replace").splitlines() if line.strip()]
        for at in range(0, len(lines), 1000):
            events = [{"timestamp": moment, "message": line[:200_000]} for line in lines[at : at + 1000]]
            client("logs").put_log_events(logGroupName=LOG_GROUP, logStreamName=self.stream, logEvents=events)
        self.offset += len(whole) + bool(whole)


def _copy(checkpoints: Mirror | None, logs: Logs) -> None:
    """Copy what is new; while the emulator is away, nothing is lost by trying again."""
    try:
        if checkpoints:
            checkpoints.push()
        logs.push()
    except (ClientError, BotoCoreError, OSError) as error:
        logging.warning("not copied yet: %s", error)


def _ended(process: Popen[bytes]) -> bool:
    with suppress(TimeoutExpired):
        process.wait(EVERY_SECONDS)
        return True
    return False


def _inside(root: Path, text: str) -> str:
    """An argument with the container's path replaced by the job's."""
    return str(root) + text.removeprefix(ROOT) if text == ROOT or text.startswith(f"{ROOT}/") else text


def _lay_out(job: Json, root: Path) -> None:
    """Make what a container of SageMaker finds: input with channels and config, model, output, checkpoints."""
    for name in ("input/config", "model", "output/data", "checkpoints"):
        (root / name).mkdir(parents=True)
    for channel in job.get("InputDataConfig", []):
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        if not download(uri, root / "input" / "data" / channel["ChannelName"]):
            missing = f'Data download failed: No S3 objects found under S3 URL "{uri}" given in input data source.'
            raise Refused("ClientError", missing)
    mode = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    texts = {
        "hyperparameters": job.get("HyperParameters", {}),
        "inputdataconfig": {channel["ChannelName"]: mode for channel in job.get("InputDataConfig", [])},
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"},
    }
    for name, content in texts.items():
        (root / "input" / "config" / f"{name}.json").write_text(json.dumps(content))


def _upload(job: Json, root: Path, status: str) -> None:
    """Copy the model, unless the job failed, and output/data, to where the request says."""
    target = job["ModelArtifacts"]["S3ModelArtifacts"]
    parts = {"output": root / "output" / "data", **({"model": root / "model"} if status != "Failed" else {})}
    for name, folder in parts.items():
        if not any(folder.iterdir()):
            continue
        if not target.endswith(".tar.gz"):
            Mirror(folder, f"{target.rpartition('/')[0]}/{folder.name}").push()
            continue
        packed = root / f"{name}.tar.gz"
        with tarfile.open(packed, "w:gz") as archive:
            archive.add(folder, arcname=".")
        bucket, prefix = bucket_and_key(target.rpartition("/")[0])
        client("s3").upload_file(str(packed), bucket, f"{prefix}/{packed.name}")


def _reason(failure: Path, log: Path, code: int) -> str:
    """What SageMaker makes of the file that the code wrote, or the end of the log where it wrote none."""
    text = failure.read_text(errors="replace").strip() if failure.is_file() else ""
    text = text or "\n".join(log.read_text(errors="replace").splitlines()[-10:])
    end = f", exit code: {code}"
    return f"AlgorithmError: {text[: REASON_LENGTH - len(end) - 16]}{end}"
