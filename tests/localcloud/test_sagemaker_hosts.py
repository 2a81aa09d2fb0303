"""A training job of several instances is as many processes here, which end together."""

import json
import os
import signal
import tarfile

import pytest
from botocore.exceptions import ClientError

from localcloud import paths
from localcloud.services import supervisor
from tests.support.sagemaker import BUCKET, WAITING, ended, living, process, request, start, text, until

pytestmark = pytest.mark.local

HOSTS = ["algo-1", "algo-2"]
# What each host's code below begins with.
BEGIN = """
import json, os, pathlib, signal, socket, subprocess, sys, time
root = pathlib.Path(os.environ["TANDEM_ML_ROOT"])
checkpoints = root / "checkpoints"
resources = json.loads((root / "input/config/resourceconfig.json").read_text())
host = resources["current_host"]
address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
def meet():
    if host == "algo-1":
        return socket.create_server(address).accept()[0]
    for _ in range(300):
        try:
            return socket.create_connection(address)
        except ConnectionRefusedError:
            time.sleep(0.1)
"""


def of_two(s3, code: str, **more) -> dict:
    asked = request(s3, BEGIN + code, **more)
    asked["ResourceConfig"]["InstanceCount"] = 2
    return asked


def listed(s3, prefix: str) -> set[str]:
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {item["Key"].removeprefix(prefix) for item in found}


def test_two_hosts_meet_and_leave_one_artifact_and_a_log_each(sagemaker, s3, aws):
    code = """
with meet() as peer:
    peer.sendall(host.encode())
    met = peer.recv(100).decode()
print(host, "met", met)
(checkpoints / host).write_text(host)
(root / "model" / "same").write_text(host)
files = sorted(str(path.relative_to(root)) for path in (root / "input" / "data").rglob("*") if path.is_file())
seen = {"resources": resources, "files": files, "checkpoints": os.listdir(checkpoints)}
(root / "model" / f"{host}.json").write_text(json.dumps(seen))
(root / "output" / "data" / host).write_text("done")
"""
    asked = of_two(s3, code)
    name = start(sagemaker, asked)
    job = ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    group, instance = "homogeneousCluster", asked["ResourceConfig"]["InstanceType"]
    output = f"{name}/jobs/{name}/output/"
    for host in HOSTS:
        seen = json.loads(text(s3, f"{output}model/{host}.json"))
        assert seen["resources"] == {
            "current_host": host,
            "current_group_name": group,
            "hosts": HOSTS,
            "instance_groups": [{"instance_group_name": group, "instance_type": instance, "hosts": HOSTS}],
            "network_interface_name": "lo",
        }
        assert seen["files"] == ["input/data/code/train.py", "input/data/dataset/rows/a.jsonl"]
        assert seen["checkpoints"] == [host]  # nothing of the other's
    assert listed(s3, f"{output}data/") == set(HOSTS)
    assert text(s3, f"{output}model/same") == "algo-1"
    assert listed(s3, f"{name}/checkpoints/") == set(HOSTS)
    logs, said = aws("logs"), {}
    where = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
    for stream in logs.describe_log_streams(**where, logStreamNamePrefix=f"{name}/")["logStreams"]:
        events = logs.get_log_events(**where, logStreamName=stream["logStreamName"])["events"]
        said[stream["logStreamName"].split("/")[1][:6]] = [event["message"] for event in events]
    assert said == {"algo-1": ["algo-1 met algo-2"], "algo-2": ["algo-2 met algo-1"]}
    folder = paths.HOME / "sagemaker" / "jobs" / name
    until(lambda: sorted(path.name for path in folder.iterdir()) == ["algo-1.txt", "algo-2.txt"])  # after it has ended


def test_compressed_outputs_of_two_hosts_are_one_archive(sagemaker, s3, tmp_path):
    code = """
(root / "model" / host).write_text("a part")
(root / "model" / "same").write_text(host)
"""
    asked = of_two(s3, code)
    asked["OutputDataConfig"].pop("CompressionType")
    name = start(sagemaker, asked)
    assert ended(sagemaker, name)["TrainingJobStatus"] == "Completed"
    s3.download_file(BUCKET, f"{name}/jobs/{name}/output/model.tar.gz", str(tmp_path / "model.tar.gz"))
    with tarfile.open(tmp_path / "model.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    assert {each: (tmp_path / each).read_text() for each in (*HOSTS, "same")} == {
        "algo-1": "a part", "algo-2": "a part", "same": "algo-1",
    }  # fmt: skip


def test_the_next_attempt_finds_the_checkpoints_of_all_hosts_and_takes_away_old_ones(sagemaker, s3):
    saves = """
(checkpoints / "checkpoint-1").mkdir()
(checkpoints / "checkpoint-1" / host).write_text("shard of " + host)
"""
    first = of_two(s3, saves)
    name = start(sagemaker, first)
    assert ended(sagemaker, name)["TrainingJobStatus"] == "Completed"
    prefix = f"{name}/checkpoints/"
    assert listed(s3, prefix) == {"checkpoint-1/algo-1", "checkpoint-1/algo-2"}
    goes_on = """
import shutil
found = {path.name: path.read_text() for path in (checkpoints / "checkpoint-1").iterdir()}
(root / "output" / "data" / host).write_text(json.dumps(found))
(checkpoints / "checkpoint-2").mkdir()
(checkpoints / "checkpoint-2" / host).write_text("shard of " + host)
shutil.rmtree(checkpoints / "checkpoint-1")
"""
    again = of_two(s3, goes_on, CheckpointConfig=first["CheckpointConfig"])
    second = start(sagemaker, again)
    assert ended(sagemaker, second)["TrainingJobStatus"] == "Completed"
    for host in HOSTS:
        found = json.loads(text(s3, f"{second}/jobs/{second}/output/data/{host}"))
        assert found == {each: f"shard of {each}" for each in HOSTS}
    assert listed(s3, prefix) == {"checkpoint-2/algo-1", "checkpoint-2/algo-2"}


@pytest.mark.faults
def test_one_host_that_fails_ends_the_other_and_gives_the_reason(sagemaker, s3):
    code = """
peer = meet()
if host == "algo-2":
    peer.recv(100)
    (root / "output" / "failure").write_text("row 7 has no messages")
    sys.exit(3)
def told(number, frame):
    (checkpoints / "told").write_text("saved")
    (root / "output" / "failure").write_text("told to end")
    sys.exit(143)
signal.signal(signal.SIGTERM, told)
peer.sendall(b"ready")
(root / "model" / "half").write_text("")
time.sleep(60)
"""
    name = start(sagemaker, of_two(s3, code))
    job = ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: row 7 has no messages, exit code: 3"
    assert text(s3, f"{name}/checkpoints/told") == "saved"
    assert listed(s3, f"{name}/jobs/") == set()


# A process in a session of its own, as torchrun starts its ranks.
RANK = """
rank = subprocess.Popen(["sleep", "600"], start_new_session=True)
(checkpoints / f"rank-{host}").write_text(str(rank.pid))
"""


def running(s3, name: str) -> tuple[list[int], list[int]]:
    """The process groups of both hosts, and of their ranks, once all run."""
    ranks = [until(lambda host=host: text(s3, f"{name}/checkpoints/rank-{host}")) for host in HOSTS]
    return [process(name, host) for host in HOSTS], [int(each) for each in ranks]


@pytest.mark.faults
def test_a_killed_host_fails_the_job_and_nothing_is_left(sagemaker, s3):
    name = start(sagemaker, of_two(s3, RANK + WAITING))
    hosts, ranks = running(s3, name)
    assert all(map(living, [*hosts, *ranks]))
    os.kill(hosts[1], signal.SIGKILL)
    job = ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].endswith(", exit code: 137")
    assert not any(map(living, [*hosts, *ranks]))
    assert not list(paths.RUN.glob("sagemaker-job-*"))


@pytest.mark.faults
def test_stopping_tells_all_hosts_at_once(sagemaker, s3):
    code = """
peer = meet()
def told(number, frame):
    peer.sendall(host.encode())
    (checkpoints / f"told-{host}").write_text(peer.recv(100).decode())  # which takes the other's being told
    sys.exit(143)
signal.signal(signal.SIGTERM, told)
"""
    name = start(sagemaker, of_two(s3, code + RANK + WAITING))
    hosts, ranks = running(s3, name)
    sagemaker.stop_training_job(TrainingJobName=name)
    job = ended(sagemaker, name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert [text(s3, f"{name}/checkpoints/told-{host}") for host in HOSTS] == HOSTS[::-1]
    assert not any(map(living, [*hosts, *ranks]))


@pytest.mark.faults
def test_a_killed_runner_leaves_no_host(sagemaker, s3, cloud):
    name = start(sagemaker, of_two(s3, RANK + WAITING))
    hosts, ranks = running(s3, name)
    os.kill(supervisor.SAGEMAKER.running()["pid"], signal.SIGKILL)
    assert all(map(living, [*hosts, *ranks]))
    cloud.up(print)
    assert not any(map(living, [*hosts, *ranks]))
    assert ended(sagemaker, name)["FailureReason"].startswith("InternalServerError: the runner was stopped")


@pytest.mark.faults
def test_what_it_cannot_give_several_hosts_is_refused(sagemaker, s3):
    asked = of_two(s3, "")
    asked["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    with pytest.raises(ClientError, match="gives each host all of a channel: make S3DataDistributionType Fully"):
        sagemaker.create_training_job(**asked)
    asked = of_two(s3, "")
    kind = asked["ResourceConfig"].pop("InstanceType")
    groups = [{"InstanceType": kind, "InstanceCount": 1, "InstanceGroupName": name} for name in ("a", "b")]
    asked["ResourceConfig"] = {"InstanceGroups": groups, "VolumeSizeInGB": 50}
    with pytest.raises(ClientError, match="jobs of one instance type: give ResourceConfig"):
        sagemaker.create_training_job(**asked)
