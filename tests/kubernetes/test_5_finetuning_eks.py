"""Fine-tuning on the local Kubernetes: `finetune-eks-dev` as it stands, and the real training code in its Pods."""

import json
import os
import re
import signal
from dataclasses import dataclass

import pytest
from tandem_contract.cluster import NAMESPACE, Label
from tandem_contract.names import Variable

from scripts.finetune_eks import ranks
from tests.kubernetes.conftest import Kubernetes
from tests.local.conftest import ROOT, Cloud, free_ports, until
from tests.support.tuning import Tuning, begin_training, deploy

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(1200)]

STACK = "finetune-eks-dev"
STEPS = 200  # enough that training still runs when its first checkpoint is seen
FEW = 30
NODES = "/api/v1/nodes?labelSelector=karpenter.sh/nodepool"


@dataclass
class Runs:
    """Runs of the stack, and the cluster that they train on."""

    tuning: Tuning
    kubernetes: Kubernetes

    def pods(self, run: str) -> list[dict]:
        return self.kubernetes.items(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector={Label.RUN}={run}")

    def nodes(self) -> list[dict]:
        """Those that Karpenter has made."""
        return self.kubernetes.items(NODES)

    def job(self, name: str) -> dict:
        """The record of a job."""
        run = re.sub(r"-(train|evaluate)-\d+$", "", name)
        return json.loads(self.tuning.read(f"runs/{run}/jobs/{name}/job.json"))

    def trained(self, job: str) -> dict:
        """What the trainer says in a job that has ended."""
        run = re.sub(r"-train-\d+$", "", job)
        return json.loads(self.tuning.read(f"runs/{run}/jobs/{job}/output/model/tandem.json"))

    def at(self, job: str, condition: str) -> str:
        """When a condition of its Workload came true."""
        true = [it["time"] for it in self.job(job)["conditions"] if (it["type"], it["status"]) == (condition, "True")]
        return true[0]

    def train(self, run: str) -> int:
        """Wait until a run trains and has a checkpoint in S3; returns how many of its steps are told there."""
        key = f"runs/{run}/checkpoints/"
        s3, bucket = self.tuning.cloud.client("s3"), self.tuning.outputs["artifactBucket"]

        def checkpointed() -> bool:
            found = s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", ())
            return any(each["Key"].endswith("complete.json") for each in found)

        until(checkpointed, 180, f"a checkpoint of {run}")
        return self.tuning.metrics(run)[-1]["step"]


@pytest.fixture(scope="module")
def runs(cloud: Cloud, kubernetes: Kubernetes) -> Runs:
    return Runs(deploy(cloud, STACK), kubernetes)


def test_second_preview_of_finetuning_on_eks_finds_nothing_to_do(runs):
    runs.tuning.cloud.pulumi("preview", "--stack", STACK, "--expect-no-changes")


@pytest.fixture(scope="module")
def two(runs) -> tuple[str, str]:
    """Two runs at once, of which the first lost a rank on its way; ended."""
    assert runs.nodes() == []
    first = runs.tuning.start(max_steps=STEPS)
    second = runs.tuning.start(max_steps=FEW)
    runs.train(first)
    assert len(runs.nodes()) == 2
    waits = runs.tuning.finetune("status", second).stdout
    assert f"queued: waiting for quota: 2 of 2 GPUs in use by run {first}" in waits
    assert runs.pods(second) == []
    os.kill(ranks(runs.pods(first))[-1], signal.SIGKILL)
    for run in (first, second):
        runs.tuning.follow(run)
    return first, second


def test_the_second_gets_its_quota_once_the_first_has_finished(runs, two):
    first, second = (f"{run}-train-1" for run in two)
    assert runs.at(first, "QuotaReserved") < runs.at(first, "Finished") <= runs.at(second, "QuotaReserved")
    assert {pod["phase"] for pod in runs.job(second)["pods"].values()} == {"Succeeded"}


@pytest.mark.faults
def test_a_killed_rank_restarts_its_gang_whose_step_numbers_go_on(runs, two):
    first, _ = two
    record = runs.job(f"{first}-train-1")
    assert (record["state"], record["restarts"], record["counted_restarts"]) == ("succeeded", 1, 1)
    assert sorted(pod["attempt"] for pod in record["pods"].values()) == [0, 0, 1, 1]
    recovered = [(it["status"], it["reason"]) for it in record["conditions"] if it["type"] == "PodsReady"]
    assert recovered[-1] == ("True", "Recovered")
    assert [line["step"] for line in runs.tuning.metrics(first)] == list(range(1, STEPS + 1))
    log = runs.tuning.finetune("logs", first, "--rank", "0").stdout
    assert log.count("Step 1 of") == 1
    assert int(re.search(r"Going on from checkpoint-(\d+)", log)[1]) > 1


def test_records_tell_hosts_ranks_and_a_falling_loss_and_both_ranks_have_logs(runs, two):
    for run, steps in zip(two, (STEPS, FEW), strict=True):
        record, losses = runs.trained(f"{run}-train-1"), [line["loss"] for line in runs.tuning.metrics(run)]
        assert (record["hosts"], record["world_size"], record["steps"]) == (["host-0", "host-1"], 2, steps)
        assert record["sharding"] == "fsdp2" and losses[-1] < losses[0]
        assert f"Step {steps} of {steps}" in runs.tuning.finetune("logs", run, "--rank", "0").stdout
        assert runs.tuning.finetune("logs", run, "--rank", "1").stdout


def test_the_gate_registers_both_and_they_wait_for_approval(runs, two):
    found = {package["CustomerMetadataProperties"]["run"]: package for package in runs.tuning.packages()}
    assert found.keys() == set(two)
    for package in found.values():
        assert package["ModelApprovalStatus"] == "PendingManualApproval"
        assert package["CustomerMetadataProperties"]["backend"] == "eks"


def test_the_same_recipe_as_a_sagemaker_job_and_on_a_plain_machine_leaves_the_same_record(runs, two, tmp_path):
    """Field by field: where it ran differs, and the loss by its last digits."""
    cloud, run = runs.tuning.cloud, two[1]
    of_pods = runs.trained(f"{run}-train-1")
    artifacts = f"s3://{runs.tuning.outputs['artifactBucket']}"
    function = cloud.client("lambda").get_function_configuration(FunctionName=runs.tuning.outputs["clusterFunction"])
    channels = {
        "code": function["Environment"]["Variables"][Variable.CODE],
        "recipe": f"{artifacts}/runs/{run}/recipe/",
        "base": f"{artifacts}/models/tiny/",
        "dataset": f"s3://{runs.tuning.outputs['datasetBucket']}/"
        + json.loads(runs.tuning.read(f"runs/{run}/run.json"))["dataset"],
    }
    of_job = sagemaker_record(runs, f"{run}-elsewhere", channels)

    port, machines = free_ports(1)[0], [tmp_path / "one", tmp_path / "two"]
    for machine in machines:
        runs.tuning.fetch(channels, machine)
    where = ["--nnodes=2", "--master-addr=127.0.0.1", f"--master-port={port}"]
    begun = [begin_training(machine, *where, f"--node-rank={rank}") for rank, machine in enumerate(machines)]
    assert [each.wait(300) for each in begun] == [0, 0]
    by_hand = json.loads((machines[0] / "model" / "tandem.json").read_text())

    for name, record in {"SageMaker": of_job, "a plain machine": by_hand}.items():
        assert record.keys() == of_pods.keys(), name
        assert {key for key in record if record[key] != of_pods[key]} - {"validation_loss"} <= {"hosts"}, name
        assert record["validation_loss"] == pytest.approx(of_pods["validation_loss"], rel=1e-3), name
    assert of_job["hosts"] == ["algo-1", "algo-2"]


def sagemaker_record(runs: Runs, name: str, channels: dict[str, str]) -> dict:
    """The record of a SageMaker job of two instances with these channels."""
    sagemaker, home = runs.tuning.cloud.client("sagemaker"), f"s3://{runs.tuning.outputs['artifactBucket']}/{name}/"
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn="arn:aws:iam::000000000000:role/trainer",
        AlgorithmSpecification={
            "TrainingImage": "000000000000.dkr.ecr.us-east-1.amazonaws.com/training:1",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/tandem.pyz"],
            "ContainerArguments": ["train"],
        },
        InputDataConfig=[
            {"ChannelName": key, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": address}}}
            for key, address in channels.items()
        ],
        OutputDataConfig={"S3OutputPath": f"{home}jobs/", "CompressionType": "NONE"},
        CheckpointConfig={"S3Uri": f"{home}checkpoints/"},
        ResourceConfig={"InstanceType": "ml.g6e.2xlarge", "InstanceCount": 2, "VolumeSizeInGB": 50},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    ended = until(lambda: sagemaker.describe_training_job(TrainingJobName=name).get("TrainingEndTime"), 300, "its end")
    assert ended and sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Completed"
    return runs.tuning.trained(name)


@pytest.mark.faults
def test_a_cancelled_run_saves_and_resumes_in_another_job(runs):
    run = runs.tuning.start(max_steps=2000)
    before = runs.train(run)
    assert f"{run}-train-1" in runs.tuning.finetune("cancel", run).stdout
    until(lambda: not runs.pods(run), 120, "its Pods have ended")
    assert "aborted" in runs.tuning.finetune("status", run).stdout
    assert runs.job(f"{run}-train-1")["state"] == "stopped"
    until(lambda: runs.tuning.finetune("resume", run, check=False).returncode == 0, 60, "it can be resumed")
    until(lambda: runs.tuning.metrics(run)[-1]["step"] > before, 120, "it goes on from where it was")
    assert [line["step"] for line in runs.tuning.metrics(run)].count(1) == 1
    assert f"{run}-train-2" in runs.tuning.finetune("cancel", run).stdout
    until(lambda: not runs.pods(run), 120, "its Pods have ended")


def test_a_model_that_was_trained_there_is_promoted_to_an_endpoint(runs, two):
    config = runs.tuning.cloud.home / f"Pulumi.{STACK}.yaml"
    config.write_text((ROOT / "stacks" / config.name).read_text())
    printed = runs.tuning.finetune("promote", two[0], "--approve", "--config", config).stdout
    assert "+  tandem:model: arn:aws:sagemaker:" in printed
    runs.tuning.cloud.pulumi("up", "--stack", STACK, "--yes", "--skip-preview", "--config-file", str(config))
    endpoint = runs.tuning.cloud.pulumi("stack", "output", "endpointName", "--stack", STACK).stdout.strip()
    body = json.dumps({"messages": [{"role": "user", "content": "How many stones has wall 3?"}], "max_tokens": 8})
    answer = runs.tuning.cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, ContentType="application/json", Body=body
    )
    assert json.loads(answer["Body"].read())["choices"][0]["message"]["role"] == "assistant"


def test_the_pool_is_empty_again(runs, two):
    until(lambda: not runs.nodes(), 240, "the nodes that Karpenter has made are gone")


def test_destroy_with_a_job_running_leaves_nothing(runs, two):
    run = runs.tuning.start(max_steps=2000)
    until(lambda: ranks(runs.pods(run)), 120, "a job trains")
    config = runs.tuning.cloud.home / f"Pulumi.{STACK}.yaml"
    runs.tuning.cloud.pulumi("destroy", "--stack", STACK, "--yes", "--skip-preview", "--config-file", str(config))
    assert not runs.tuning.process(run)
    assert runs.tuning.cloud.tandem("local", "audit", check=False).stdout.strip() == "nothing left"
