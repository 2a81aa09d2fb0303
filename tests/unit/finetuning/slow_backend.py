"""A training back end of the tests' own, unlike ours: it stops slowly, tells its cost at the end, and can't resume.

Its runs are notes in the artifact bucket that go one state further each time they are read. Its models are served at an
endpoint of the stack, by a container of its own.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tandem_contract.checks import Checks
from tandem_contract.run_record import Run

from tandem.finetuning.backend_table import BackendFacts
from tandem.finetuning.backends.base import (
    ABORTED,
    FAILED,
    RUNNING,
    STOPPING,
    SUCCEEDED,
    TRAINING,
    Backend,
    Plan,
    Status,
)
from tandem.finetuning.dataset.rows import decoded
from tandem.finetuning.gate import failing
from tandem.finetuning.measure import BASE, TUNED, measure
from tandem.finetuning.registry import register

NAME = "slow"
ROW = BackendFacts(
    title="the slow cluster",
    implementation="tests.unit.finetuning.slow_backend:SlowBackend",
    methods=("lora",),
    reads_artifact_bucket=True,
    needs_endpoint=True,
)
STEPS, STOPPING_READS = 3, 2
COST = Decimal("4.20")
MOST_RANK = 64
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/slow-server:1"


class SlowBackend(Backend):
    """Runs of the slow cluster."""

    learns = True
    """Whether its tuned models answer as they were taught."""

    def check(self, recipe: Mapping[str, Any], data_set: Any, manifest: Mapping[str, Any]) -> Plan:
        checks = Checks()
        checks.under("lora").number("rank", recipe["lora"]["rank"], 1, MOST_RANK, remedy="Its cards are small.")
        checks.finish("The recipe")
        return Plan(recipe, data_set, manifest, None, ("The slow cluster tells what a run costs when it has ended.",))

    def start(self, run: Run) -> None:
        if self._note(run) is None:
            self._write(run, {"reads": 0, "stopping": None})

    def status(self, run: Run) -> Status:
        if (note := self._note(run)) is None:
            raise self.never_started(run)
        note["reads"] += 1
        if note["stopping"] is not None:
            note["stopping"] += 1
        self._write(run, note)
        if (stopping := note["stopping"]) is not None and stopping <= STOPPING_READS:
            return Status(run.name, STOPPING, spent_on="told at the end")
        if stopping is not None:
            return Status(run.name, ABORTED, "cancelled", spent=COST, spent_on="of cluster time")
        if (step := note["reads"] - 1) < STEPS:
            progress = {"step": step, "steps": STEPS, "loss": 1 / step} if step else None
            return Status(run.name, RUNNING, "", TRAINING, progress, spent_on="told at the end")
        reasons = self._finish(run)
        state = FAILED if reasons else SUCCEEDED
        progress = {"step": STEPS, "steps": STEPS}
        return Status(run.name, state, "; ".join(reasons), "", progress, (), COST, "of cluster time")

    def cancel(self, run: Run) -> list[str]:
        note = self._note(run)
        if note is None or note["stopping"] is not None or note["reads"] > STEPS:
            return []
        self._write(run, note | {"stopping": 0})
        return [f"{NAME}/{run.name}"]

    def _finish(self, run: Run) -> list[str]:
        bucket, key = self.workspace.outputs["datasetBucket"], f"{run.dataset}test.jsonl"
        rows = decoded(self.workspace.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read(), "test.jsonl")
        taught = [row.messages[-1][1] for row in rows]
        answers = {BASE: ["No idea."] * len(rows), TUNED: taught if self.learns else ["No idea."] * len(rows)}
        evaluation = {"rows": len(rows), "metrics": measure(rows, answers, run.recipe["evaluation"]["format"])}
        evaluation |= {"manifest_digest": run.manifest_digest, "recipe_digest": run.recipe_digest, "engine": NAME}
        model = f"s3://{self.workspace.outputs['artifactBucket']}/{run.folder}model/"
        source = {"S3Uri": model, "S3DataType": "S3Prefix", "CompressionType": "None"}
        if not (reasons := failing(evaluation, run)):
            register(
                self.workspace.client("sagemaker"),
                self.workspace.outputs["modelPackageGroup"],
                run,
                backend=NAME,
                model_reference=model,
                metrics=evaluation["metrics"],
                container={"Image": IMAGE, "ModelDataSource": {"S3DataSource": source}},
            )
        self.records.write_json(f"{run.folder}evaluation.json", evaluation)
        return reasons

    def _note(self, run: Run) -> dict[str, Any] | None:
        return self.records.read_json(f"{run.folder}slow.json")

    def _write(self, run: Run, note: dict[str, Any]) -> None:
        self.records.write_json(f"{run.folder}slow.json", note)
