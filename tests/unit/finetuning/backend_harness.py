"""What the contract of back ends is tested with: for each back end a stack, and a way to have its runs go on."""

import contextlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tandem_contract.run_record import Run, checkpoints

from tandem.finetuning import recipe as recipes
from tandem.finetuning.backend_table import BACKENDS
from tandem.finetuning.backends.base import OUTPUTS, Backend, Plan, Workspace, open_backend
from tandem.finetuning.dataset import folder
from tandem.finetuning.dataset.collect import collect
from tandem.finetuning.dataset.importers import Reader
from tandem.finetuning.dataset.rows import decoded
from tandem.finetuning.dataset.store import Store
from tandem.finetuning.functions import cluster, gate, job_inputs, records, register
from tandem.finetuning.measure import BASE, TUNED, measure
from tandem.runtime import kubernetes
from tests.support import kubernetes_api
from tests.support.aws_requests import AwsService, stand_in
from tests.support.finetuning_api import serve
from tests.unit.cli.test_finetune import Aws, rows
from tests.unit.finetuning import cluster_objects as it
from tests.unit.finetuning import slow_backend
from tests.unit.finetuning.cluster_setting import cluster_setting
from tests.unit.finetuning.strict_sagemaker import FakeSageMaker

GROUP, PIPELINE = "tandem-models", "arn:aws:states:us-east-1:123456789012:stateMachine:p"
FUNCTION = "finetune-cluster"
GOOD, BAD = "Wall 1 has 1 stone.", "No idea."
RECIPE = {
    "max_sequence_tokens": 1024,
    "evaluation": {"max_rows": 6, "max_new_tokens": 16, "format": {"regex": r"Wall \d+ .+"}},
    "gate": {"format_adherence": {"at_least": 0.8, "gain": 0.1}},
}


class Harness:
    """A stack with a data set, whose runs are of one back end."""

    base_model = "Qwen/Qwen3-0.6B"
    refused: Mapping[str, Any]
    """Changes to a recipe that the back end refuses."""
    refused_key: str
    resumes = has_jobs = False

    def __init__(self, name: str, tmp_path: Path) -> None:
        self.name, self.aws, self.sagemaker = name, Aws(), FakeSageMaker()
        self.clients: dict[str, Any] = {"sagemaker": self.sagemaker}
        self.options: dict[str, Any] = {}
        file, made = tmp_path / "rows.jsonl", tmp_path / "set"
        file.write_text(rows(80))
        facts = {"name": "walls", "licence": "CC0-1.0", "source": "invented"}
        folder.write(made, collect([file], Reader(), "60/20/20", facts).splits, **facts)
        self.store = Store(self.aws, "data")
        self.data_set, _ = self.store.upload(made)

    @property
    def backend(self) -> Backend:
        values = {"artifactBucket": "artifacts", "datasetBucket": "data", "modelPackageGroup": GROUP}
        values |= {"trainingPipelineArn": PIPELINE, "runEnvelopeParameter": "/envelope", "clusterFunction": FUNCTION}
        outputs = {name: values[name] for name in (*OUTPUTS, *BACKENDS[self.name].outputs)}
        return open_backend(
            self.name, Workspace(lambda name: self.clients.get(name, self.aws), outputs, **self.options)
        )

    def plan(self, **changes: Any) -> Plan:
        recipe = recipes.check(RECIPE | {"backend": self.name, "base_model": self.base_model} | changes)
        return self.backend.check(recipe, self.data_set, self.store.manifest(self.data_set))

    def started(self, **changes: Any) -> Run:
        run = self.backend.records.create(self.plan(**changes))
        self.backend.start(run)
        return run

    def starts(self) -> int:
        """How often anything was started."""
        return len([key for key in self.aws.objects if key.endswith("slow.json")])

    def written(self) -> list[str]:
        return [key for key in self.aws.objects if key.startswith("runs/")]

    def advance(self, run: Run) -> None:
        """Have a run go on, where looking at it doesn't."""

    def learn_nothing(self) -> None:
        """From now on no tuned model answers as it was taught."""
        raise NotImplementedError


class SlowHarness(Harness):
    refused, refused_key = {"lora": {"rank": 65}}, "lora.rank"

    def __init__(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.setitem(BACKENDS, slow_backend.NAME, slow_backend.ROW)
        self.monkeypatch = monkeypatch
        super().__init__(slow_backend.NAME, tmp_path)

    def learn_nothing(self) -> None:
        self.monkeypatch.setattr(slow_backend.SlowBackend, "learns", False)


class ManagedHarness(Harness):
    refused, refused_key = {"max_steps": 5}, "max_steps"

    def __init__(self, api: Any, tmp_path: Path) -> None:
        super().__init__(api.dialect, tmp_path)
        self.api = api
        self.base_model = "gpt-4.1-mini-2025-04-14" if api.dialect == "openai" else "Qwen/Qwen3-8B"
        self.clients["secretsmanager"] = stand_in(
            "secretsmanager", get_secret_value=lambda SecretId: {"SecretString": api.key}
        )
        self.options = {"url": api.url}
        api.speak = lambda model, messages: GOOD if ":walls-" in model else BAD

    def starts(self) -> int:
        return len(self.api.jobs)

    def advance(self, run: Run) -> None:
        for name, job in self.api.jobs.items():
            self.api.served.add(f"acme/{job['asked']['model']}:{job['asked']['suffix']}:{name}")

    def learn_nothing(self) -> None:
        self.api.speak = lambda model, messages: BAD


class Pipeline(AwsService):
    """Step Functions with the executions of the training pipeline."""

    services = ("stepfunctions",)

    class exceptions:
        class ExecutionDoesNotExist(Exception):
            pass

    def __init__(self) -> None:
        self.executions: dict[str, dict[str, Any]] = {}

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> None:
        arn = f"{stateMachineArn.replace(':stateMachine:', ':execution:')}:{name}"
        self.executions.setdefault(arn, {"executionArn": arn, "name": name, "status": "RUNNING", "input": input})

    def list_executions(self, *, stateMachineArn: str, statusFilter: str) -> dict[str, Any]:
        prefix = stateMachineArn.replace(":stateMachine:", ":execution:")
        found = [it for arn, it in self.executions.items() if arn.startswith(prefix) and it["status"] == statusFilter]
        return {"executions": found}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        if executionArn not in self.executions:
            raise self.exceptions.ExecutionDoesNotExist
        return self.executions[executionArn]

    def stop_execution(self, *, executionArn: str, error: str, cause: str) -> None:
        self.executions[executionArn] |= {"status": "ABORTED", "cause": cause}


class SageMakerHarness(Harness):
    refused, refused_key = {"max_sequence_tokens": 1_000_000}, "memory"
    resumes = has_jobs = True
    learned = True

    def __init__(self, tmp_path: Path, monkeypatch: Any, name: str = "sagemaker") -> None:
        super().__init__(name, tmp_path)
        self.clients["stepfunctions"] = self.pipeline = Pipeline()
        environment = {
            "TANDEM_ARTIFACT_BUCKET": "artifacts",
            "TANDEM_MODEL_PACKAGE_GROUP": GROUP,
            "TANDEM_SERVING_IMAGE": "123456789012.dkr.ecr.us-east-1.amazonaws.com/vllm:1",
            "TANDEM_SERVING_ENVIRONMENT": "{}",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for module in (records, register):
            monkeypatch.setattr(module, "client", lambda name: self.clients.get(name, self.aws))

    def starts(self) -> int:
        return len(self.pipeline.executions)

    def advance(self, run: Run) -> None:
        """What the pipeline does: the training job, then its end, the evaluation and the functions after it."""
        execution = list(self.pipeline.executions.values())[-1]
        jobs = {job["TrainingJobName"]: job for job in self.sagemaker.jobs}
        if execution["status"] != "RUNNING":
            return
        train = f"{run.name}-train-1"
        if train not in jobs:
            self.sagemaker.job(train)
            line = json.dumps({"step": 1, "steps": 3, "loss": 2.0})
            self.aws.put_object(
                Bucket="artifacts", Key=f"{checkpoints(run.name)}metrics.jsonl", Body=f"{line}\n".encode()
            )
            return
        jobs[train] |= {"TrainingJobStatus": "Completed", "BillableTimeInSeconds": 1800}
        self.sagemaker.job(f"{run.name}-evaluate-1", status="Completed")
        prefix = f"s3://artifacts/{run.folder}jobs/{run.name}-evaluate-1/output/model/"
        self._evaluate(run, prefix)
        verdict = gate.handler({"run": run.name, "evaluation": prefix}, None)
        if not verdict["passed"]:
            execution |= {"status": "FAILED", "error": "GateFailed", "cause": verdict["reasons"]}
            return
        model = f"s3://artifacts/{run.folder}jobs/{train}/output/model"
        register.handler({"run": run.name, "model": model, "metrics": verdict["metrics"]}, None)
        execution["status"] = "SUCCEEDED"

    def _evaluate(self, run: Run, prefix: str) -> None:
        test = decoded(self.aws.objects[f"{run.dataset}test.jsonl"]["data"], "test.jsonl")
        answers = {BASE: [BAD] * len(test), TUNED: [GOOD if self.learned else BAD] * len(test)}
        content = {"rows": len(test), "metrics": measure(test, answers, run.recipe["evaluation"]["format"])}
        content |= {"manifest_digest": run.manifest_digest, "recipe_digest": run.recipe_digest}
        key = f"{prefix.removeprefix('s3://artifacts/')}evaluation.json"
        self.aws.put_object(Bucket="artifacts", Key=key, Body=json.dumps(content).encode())
        config = f"{run.folder}jobs/{run.name}-train-1/output/model/config.json"
        self.aws.put_object(Bucket="artifacts", Key=config, Body=b'{"max_position_embeddings": 40960}')

    def learn_nothing(self) -> None:
        self.learned = False


class EksHarness(SageMakerHarness):
    """The pipeline's function for jobs on a cluster, and a cluster that does at once what it is asked to."""

    def __init__(self, api: kubernetes_api.Cluster, tmp_path: Path, monkeypatch: Any) -> None:
        super().__init__(tmp_path, monkeypatch, "eks")
        self.aws.envelope |= {"instance_type": "g6e.2xlarge", "evaluation_instance_type": "g6e.2xlarge"}
        self.api, self.calls = api, 0
        self.clients["lambda"] = stand_in("lambda", invoke=self._invoke)
        cluster_setting(api, self.clients, monkeypatch)
        environment = {
            "TANDEM_DATASET_BUCKET": "data",
            "TANDEM_CODE": "s3://artifacts/code/0123/",
            "TANDEM_STACK": "dev",
            "TANDEM_ENVELOPE": json.dumps(self.aws.envelope),
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(job_inputs, "read", lambda _bucket, key: self.aws.objects[key]["data"])
        for module in (cluster, kubernetes):
            monkeypatch.setattr(module, "client", lambda name: self.clients.get(name, self.aws))

    def _invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        assert FunctionName == FUNCTION
        self.api.objects = {
            path: it for path, it in self.api.objects.items() if not it["metadata"].get("deletionTimestamp")
        }
        return {"Payload": io.BytesIO(json.dumps(cluster.handler(json.loads(Payload), None)).encode())}

    def _does(self, run: Run, step: str, **more: Any) -> dict[str, Any]:
        return cluster.handler({"run": run.name, "step": step, **more}, None)

    def advance(self, run: Run) -> None:
        """What the pipeline does: start, and observe; the first time Pods run, the second time they have ended."""
        execution = list(self.pipeline.executions.values())[-1]
        if execution["status"] != "RUNNING":
            return
        job = self._does(run, "train", action="start").get("job", "")
        self.calls += 1
        if self.calls == 1:
            line = json.dumps({"step": 1, "steps": 3, "loss": 2.0})
            self.aws.put_object(
                Bucket="artifacts", Key=f"{checkpoints(run.name)}metrics.jsonl", Body=f"{line}\n".encode()
            )
            self._does(run, "train", action="observe", job=job)
            return
        trained = self._ends(run, "train", job, "tandem.json")
        given = {"action": "start", "trained": {"model": trained["model"], "status": trained["status"]}}
        evaluation = self._does(run, "evaluate", **given)["job"]
        prefix = f"s3://artifacts/{run.folder}jobs/{evaluation}/output/model/"
        self._evaluate(run, prefix)
        assert self._ends(run, "evaluate", evaluation)["model"] == prefix
        verdict = gate.handler({"run": run.name, "evaluation": prefix}, None)
        if not verdict["passed"]:
            execution |= {"status": "FAILED", "error": "GateFailed", "cause": verdict["reasons"]}
            return
        register.handler({"run": run.name, "model": trained["model"], "metrics": verdict["metrics"]}, None)
        execution["status"] = "SUCCEEDED"

    def _ends(self, run: Run, step: str, job: str, result: str = "") -> dict[str, Any]:
        path = f"{it.TRAINJOBS}/{job}"
        self.api.objects[path]["status"] = {"conditions": [it.COMPLETE]}
        self.api.put(f"{it.WORKLOADS}/{job}", it.workload(job, it.RESERVED, it.ADMITTED, it.FINISHED, run=run.name))
        if result:
            key = f"{run.folder}jobs/{job}/output/model/{result}"
            self.aws.put_object(Bucket="artifacts", Key=key, Body=b"{}")
        return self._does(run, step, action="observe", job=job)


HARNESSES = ("sagemaker", "eks", "openai", "together", "slow")


@contextlib.contextmanager
def harness(name: str, tmp_path: Path, monkeypatch: Any) -> Iterator[Harness]:
    """The harness of a back end."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    if name == "sagemaker":
        yield SageMakerHarness(tmp_path, monkeypatch)
    elif name == "eks":
        folder = tmp_path / "api"
        folder.mkdir()
        with kubernetes_api.serve(folder) as api:
            api.lingering = True
            yield EksHarness(api, tmp_path, monkeypatch)
    elif name == "slow":
        yield SlowHarness(tmp_path, monkeypatch)
    else:
        with serve(name) as api:
            yield ManagedHarness(api, tmp_path)
