"""The hosts of a training job: each a process of this machine, with the container's file layout in a folder of its own.

`JOB/ml/<host>` is a host's /opt/ml while the job runs; `JOB/<host>.txt`, what it prints, stays.
"""

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

from botocore.exceptions import BotoCoreError, ClientError

from localcloud import paths
from localcloud.services import Refused, supervisor
from localcloud.services.sagemaker.records import Json, Mirror, arn, client, download

ROOT = "/opt/ml"
CHECKPOINTS = f"{ROOT}/checkpoints"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
REASON_LENGTH = 1024
# Below those that a system gives away by itself, from 32768 on Linux and 49152 on macOS: such a one could be gone
# before the first host listens.
MASTER_PORTS = range(20_000, 30_000)


class Host:
    """One host of a job, by its name in `names(job)`."""

    def __init__(self, name: str, job: Json, folder: Path) -> None:
        self.name, self.job = name, job
        self.root, self.log = folder / "ml" / name, folder / f"{name}.txt"
        self.record = paths.RUN / f"sagemaker-job-{job['TrainingJobName']}-{name}.json"
        self.process: Popen[bytes] | None = None
        self.checkpoints: Mirror | None = None
        self.logs: Logs | None = None

    @property
    def code(self) -> int:
        """How its process has ended: the exit code, 128 and the number of the signal that killed it."""
        code = self.process.returncode if self.process else 0
        return code if code >= 0 else 128 - code

    def lay_out(self, writers: dict[str, Mirror]) -> None:
        """Make what a container of SageMaker finds: input with channels and config, model, output, checkpoints.

        `writers` is what the mirrors of all hosts' checkpoints share: they have one prefix in S3, as on AWS.
        """
        for name in ("input/config", "model", "output/data", "checkpoints"):
            (self.root / name).mkdir(parents=True)
        channels = self.job.get("InputDataConfig", [])
        for channel in channels:
            uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
            if not download(uri, self.root / "input" / "data" / channel["ChannelName"]):
                missing = f'Data download failed: No S3 objects found under S3 URL "{uri}" given in input data source.'
                raise Refused("ClientError", missing)
        mode = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
        texts = {
            "hyperparameters": self.job.get("HyperParameters", {}),
            "inputdataconfig": {channel["ChannelName"]: mode for channel in channels},
            "resourceconfig": self._resources(),
        }
        for name, content in texts.items():
            (self.root / "input" / "config" / f"{name}.json").write_text(json.dumps(content))
        if config := self.job.get("CheckpointConfig"):
            folder = Path(self._inside(config.get("LocalPath", CHECKPOINTS)))
            self.checkpoints = Mirror(folder, config["S3Uri"], writers)
            self.checkpoints.fetch()

    def start(self, python: Path, port: int, ended: Callable[["Host"], None]) -> None:
        """Start the code, which finds the first host at `port`; `ended` is called once its process has ended."""
        algorithm, name = self.job["AlgorithmSpecification"], self.job["TrainingJobName"]
        command = [self._inside(part) for part in algorithm["ContainerEntrypoint"]]
        if command[0] in ("python", "python3"):
            command[0] = str(python)
        command += [self._inside(part) for part in algorithm.get("ContainerArguments", [])]
        environment = {key: value for key, value in os.environ.items() if key.startswith("AWS_")} | {
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            "TANDEM_ML_ROOT": str(self.root),
            "TRAINING_JOB_NAME": name,
            "TRAINING_JOB_ARN": arn("TrainingJob", name),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            **self.job.get("Environment", {}),
        }
        self.logs = Logs(self.log, f"{name}/{self.name}-{int(time.time())}")
        command = ["nice", "-n", "5", *command]
        self.process = process = supervisor.spawn(self.record, self.log, command, environment, cwd=self.root)

        def wait() -> None:
            process.wait()
            ended(self)

        threading.Thread(target=wait, daemon=True).start()

    def copy(self) -> None:
        """Copy what is new; while the emulator is away, nothing is lost by trying again."""
        try:
            if self.checkpoints:
                self.checkpoints.push()
            if self.logs:
                self.logs.push()
        except (ClientError, BotoCoreError, OSError) as error:
            logging.warning("%s: not copied yet: %s", self.name, error)

    def reason(self) -> str:
        """What SageMaker makes of the file that the code wrote, or the end of the log where it wrote none."""
        failure = self.root / "output" / "failure"
        text = failure.read_text(errors="replace").strip() if failure.is_file() else ""
        text = text or "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
        end = f", exit code: {self.code}"
        return f"AlgorithmError: {text[: REASON_LENGTH - len(end) - 16]}{end}"

    def _resources(self) -> Json:
        """As SageMaker has it for instances of one type, but for `current_instance_type`: it is this machine."""
        hosts, group, instance = names(self.job), "homogeneousCluster", self.job["ResourceConfig"]["InstanceType"]
        return {
            "current_host": self.name,
            "current_group_name": group,
            "hosts": hosts,
            "instance_groups": [{"instance_group_name": group, "instance_type": instance, "hosts": hosts}],
            "network_interface_name": "lo",
        }

    def _inside(self, text: str) -> str:
        """An argument with the container's path replaced by the host's."""
        within = text == ROOT or text.startswith(f"{ROOT}/")
        return str(self.root) + text.removeprefix(ROOT) if within else text


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


def names(job: Json) -> list[str]:
    """The hosts of a job, the first one first."""
    return [f"algo-{number}" for number in range(1, job["ResourceConfig"]["InstanceCount"] + 1)]


def free_ports() -> int:
    """The first of two ports that nobody listens at: the launcher uses both (docs/training-image.md)."""
    while True:
        port = secrets.choice(MASTER_PORTS)
        with suppress(OSError), socket.create_server(("", port)), socket.create_server(("", port + 1)):
            return port
