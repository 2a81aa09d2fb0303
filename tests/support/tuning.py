"""A deployed fine-tuning stack with a small data set and a tiny base model in it, and runs on it."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.local.conftest import ROOT, Cloud

TRAINING = ROOT / ".tandem" / "training" / "bin" / "python"
RECIPE = {
    "base_model": "models/tiny/",
    "method": "lora",
    "max_sequence_tokens": 96,
    "max_steps": 6,
    "learning_rate": 0.01,
    "batch_size": 2,
    "gradient_accumulation": 1,
    "checkpoint_steps": 2,
    "lora": {"rank": 4, "alpha": 8, "dropout": 0.0},
    "evaluation": {"max_rows": 5, "max_new_tokens": 8, "format": {"regex": "(?s).+"}},
    "gate": {"format_adherence": {"at_least": 0.1}},
}


@dataclass
class Tuning:
    """The deployed stack."""

    cloud: Cloud
    stack: str
    outputs: dict[str, str]

    def finetune(self, *arguments: str | Path, **more):
        return self.cloud.tandem("finetune", *arguments, "--stack", self.stack, **more)

    def start(self, **changes) -> str:
        """Start a run and return its name."""
        file = self.cloud.home / "recipe.yaml"
        file.write_text(yaml.safe_dump(RECIPE | changes))
        return self.finetune("start", file, "--data", "walls", "--yes").stdout.split()[-1]

    def follow(self, run: str, **more):
        return self.finetune("status", run, "--follow", timeout=600, **more)

    def packages(self) -> list[dict]:
        sagemaker = self.cloud.client("sagemaker")
        group = self.outputs["modelPackageGroup"]
        listed = sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
        return [sagemaker.describe_model_package(ModelPackageName=each["ModelPackageArn"]) for each in listed]

    def read(self, key: str) -> str:
        """An object of the artifact bucket; empty if it isn't there."""
        s3 = self.cloud.client("s3")
        try:
            return s3.get_object(Bucket=self.outputs["artifactBucket"], Key=key)["Body"].read().decode()
        except s3.exceptions.NoSuchKey:
            return ""

    def trained(self, job: str) -> dict[str, Any]:
        """What the trainer says in a SageMaker job that has ended."""
        described = self.cloud.client("sagemaker").describe_training_job(TrainingJobName=job)
        prefix = described["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")[2]
        return json.loads(self.read(f"{prefix.rstrip('/')}/tandem.json"))

    def metrics(self, run: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.read(f"runs/{run}/checkpoints/metrics.jsonl").splitlines()]

    def process(self, part: str, at: int = 0) -> int | None:
        """The id of the process whose command line has `part`; of several, the one `at` that place."""
        found = subprocess.run(["pgrep", "-f", part], capture_output=True, text=True, check=False).stdout.split()
        return int(found[at]) if found else None

    def fetch(self, channels: dict[str, str], machine: Path) -> None:
        """Lay S3 prefixes out as a job's channels."""
        s3 = self.cloud.client("s3")
        for name, address in channels.items():
            bucket, _, prefix = address.removeprefix("s3://").partition("/")
            folder = machine / "input" / "data" / name
            folder.mkdir(parents=True)
            for each in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
                s3.download_file(bucket, each["Key"], str(folder / Path(each["Key"]).name))


def begin_training(machine: Path, *options: str) -> subprocess.Popen[bytes]:
    """Train by hand on this machine, from the channels that lie there."""
    code = machine / "input" / "data" / "code" / "tandem.pyz"
    variables = {"TANDEM_ML_ROOT": str(machine), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([TRAINING, code, "train", *options], env=os.environ | variables)


def deploy(cloud: Cloud, stack: str) -> Tuning:
    """Deploy the stack, with data set and model."""
    cloud.pulumi("up", "--stack", stack, "--yes")
    outputs = json.loads(cloud.pulumi("stack", "output", "--json", "--stack", stack).stdout)
    rows = cloud.home / "walls.jsonl"
    with rows.open("w") as file:
        for n in range(80):
            told = [("user", f"How many stones has wall {n}?"), ("assistant", f"Answer: wall {n} has {n} stones.")]
            file.write(json.dumps({"messages": [{"role": role, "content": text} for role, text in told]}) + "\n")
    facts = ["--name", "walls", "--licence", "CC0-1.0", "--source", "invented"]
    cloud.tandem("dataset", "import", rows, *facts, "--stack", stack)
    model = cloud.home / "tiny"
    shutil.rmtree(model, ignore_errors=True)
    cloud.run(TRAINING, "-m", "tests.training.tiny", model)
    for path in model.iterdir():
        cloud.client("s3").upload_file(str(path), outputs["artifactBucket"], f"models/tiny/{path.name}")
    return Tuning(cloud, stack, outputs)
