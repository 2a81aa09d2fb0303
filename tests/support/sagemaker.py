"""Jobs, models and waiting, for the tests of the local cloud's SageMaker."""

import subprocess
import time
import uuid

from localcloud import paths
from localcloud.services import supervisor

BUCKET = "models-of-the-runner"
ROLE = "arn:aws:iam::000000000000:role/trainer"
# The environment with torch: the tests' own Python, which serves with the stub below.
PYTHON = """#!/bin/sh
[ "$1" = -P ] && shift 2 && exec %s %s "$@"
exec %s "$@"
"""
# Answers with the model's file `says`, whether it is ill, and how long it takes.
SERVE = """
import http.server, json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
if not (folder / "says").exists():
    sys.exit("no model here")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, b"")
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "die" in asked:
            os._exit(1)
        if "status" in asked:
            return self.answer(asked["status"], b"out of memory")
        content = (folder / "says").read_text() + os.environ.get("SUFFIX", "")
        self.answer(200, json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode())
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[3])), Handler).serve_forever()
"""


def request(s3, code: str, **more) -> dict:
    """A training job of this code, under a name of its own."""
    name = f"job-{uuid.uuid4().hex[:8]}"
    s3.put_object(Bucket=BUCKET, Key=f"{name}/code/train.py", Body=code)
    s3.put_object(Bucket=BUCKET, Key=f"{name}/data/rows/a.jsonl", Body=b"[1]")
    channels = {"code": f"s3://{BUCKET}/{name}/code/", "dataset": f"s3://{BUCKET}/{name}/data/"}
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": "000000000000.dkr.ecr.us-east-1.amazonaws.com/training:1",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/train.py"],
            "ContainerArguments": ["train", "/opt/ml/input/data/dataset"],
        },
        "InputDataConfig": [
            {"ChannelName": key, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}
            for key, uri in channels.items()
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/{name}/jobs/", "CompressionType": "NONE"},
        "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/{name}/checkpoints/"},
        "ResourceConfig": {"InstanceType": "ml.g6e.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "HyperParameters": {"epochs": "3"},
        "Environment": {"TANDEM_RUN": "spring"},
        "Tags": [{"Key": "run", "Value": "spring"}],
    } | more


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.3)
    return value


def start(sagemaker, asked) -> str:
    sagemaker.create_training_job(**asked)
    return asked["TrainingJobName"]


def ended(sagemaker, name) -> dict:
    def job():
        found = sagemaker.describe_training_job(TrainingJobName=name)
        return found if found["TrainingJobStatus"] not in ("InProgress", "Stopping") else None

    return until(job)


def text(s3, key: str) -> str | None:
    try:
        return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()
    except s3.exceptions.NoSuchKey:
        return None


# Runs until the file `go` appears in its own folder of checkpoints.
WAITING = """
import os, pathlib, sys, time
root = pathlib.Path(os.environ["TANDEM_ML_ROOT"])
(root / "checkpoints" / "step").write_text("1")
print("waiting", flush=True)
while not (root / "checkpoints" / "go").exists():
    time.sleep(0.1)
"""


def process(name: str, host: str = "algo-1") -> int:
    return supervisor.running(paths.RUN / f"sagemaker-job-{name}-{host}.json").get("pid", 0)


def living(group: int) -> list[str]:
    listing = subprocess.run(["ps", "-A", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listing.splitlines()]
    return [row[2] for row in rows if row[0] == str(group) and row[1][0] != "Z"]
