"""Managed services as a back end: a run is a job of a service with the fine-tuning API, by its key."""

from collections.abc import Mapping
from typing import Any

from tandem_contract.checks import Checks
from tandem_contract.run_record import Run

from tandem.finetuning.dataset.rows import Row, decoded
from tandem.finetuning.dataset.store import DataSetVersion
from tandem.runtime.secret import api_key

from .. import row_lengths
from ..base import ABORTED, FAILED, RUNNING, STOPPING, SUCCEEDED, TRAINING, Backend, Plan, RunRecords, Status, Workspace
from . import dialects
from .finish import finish
from .service import Service

STATES = {
    dialects.FAILED: FAILED,
    dialects.CANCELLED: ABORTED,
    dialects.STOPPING: STOPPING,
    dialects.SUCCEEDED: SUCCEEDED,
}


class Managed(Backend):
    """Runs of one managed service.

    A run's job is noted in `runs/<run>/managed.json`, and each answer of its evaluation is kept in `answers/` there.
    Nothing of ours runs beside it: once the service has finished the job, the first look at the run's status evaluates
    the model through the service, lets the gate decide, and registers it.
    """

    def __init__(self, name: str, workspace: Workspace) -> None:
        super().__init__(name, workspace)
        self._dialect = dialects.DIALECTS[name]

    def check(self, recipe: Mapping[str, Any], data_set: DataSetVersion, manifest: Mapping[str, Any]) -> Plan:
        """By the keys that the service can honour and the rows that it needs; nothing is sent."""
        train = manifest["splits"]["train"]
        calling = () if self._dialect.tools else [row for row in self._rows(data_set, "train") if row.tools]
        dialects.check(self._dialect, recipe, train["rows"], calling)
        notes = self._check_rows(recipe, data_set, manifest)
        tokens = f"{train['rows'] * train['tokens']['mean']:,.0f} tokens an epoch"
        note = f"{self.facts.title} trains on about {tokens}; its prices have no row here: NOT PRICED."
        return Plan(recipe, data_set, manifest, None, (note, *notes))

    def start(self, run: Run) -> None:
        """Upload the rows and start the service's job; a second call finds the first one's job."""
        job = self._service().start(run, self._split(run, "train"), self._split(run, "validation"))
        self.records.write_json(f"{run.folder}managed.json", {"job": job})

    def status(self, run: Run) -> Status:
        """By the service's job; the first call after it has succeeded evaluates and registers."""
        if (job := self._job(run)) is None:
            raise self.never_started(run)
        now = self._service().status(job)
        state, cause, activity, progress = STATES.get(now.state, RUNNING), now.message, "", None
        if now.step is not None and now.steps is not None:
            progress = {"step": now.step, "steps": now.steps, "loss": now.loss}
        if state == SUCCEEDED:
            if not self.records.read_json(f"{run.folder}evaluation.json"):
                self._finish(run, now.model)
            reasons = self.records.read_json(f"{run.folder}verdict.json") or []
            state, cause = FAILED if reasons else SUCCEEDED, "; ".join(reasons)
        elif state == RUNNING:
            activity = TRAINING if progress else "waiting for the first step"
        billed = f"{now.tokens:,} tokens" if now.tokens else "tokens"
        return Status(
            run.name, state, cause, activity, progress, spent_on=f"{self.facts.title} bills {billed}: NOT PRICED"
        )

    def cancel(self, run: Run) -> list[str]:
        """Ask the service to stop the run's job."""
        if (job := self._job(run)) is None:
            return []
        self._service().cancel(job)
        return [job]

    def _job(self, run: Run) -> str | None:
        noted = self.records.read_json(f"{run.folder}managed.json")
        return noted and noted["job"]

    def _finish(self, run: Run, model: str | None) -> None:
        made = finish(
            self._service(),
            run,
            model,
            decoded(self._split(run, "test"), "test.jsonl"),
            run.manifest_digest,
            self.workspace.client("sagemaker"),
            self.workspace.outputs["modelPackageGroup"],
            served=self.workspace.served,
            progress=self.workspace.progress,
            kept=_Kept(self.records, f"{run.folder}answers/"),
        )
        self.records.write(f"{run.folder}answers.jsonl", made.answers)
        self.records.write_json(f"{run.folder}verdict.json", made.reasons)
        self.records.write_json(f"{run.folder}evaluation.json", made.evaluation)  # last: it says that all is done

    def _check_rows(
        self, recipe: Mapping[str, Any], data_set: DataSetVersion, manifest: Mapping[str, Any]
    ) -> list[str]:
        """What of the rows the service or the gate can't use; raises `Mistakes` for too much."""
        checks, notes = Checks(), []
        row_lengths.check_questions(self._rows(data_set, "test"), checks, notes)
        tokens = {name: split["tokens"] for name, split in manifest["splits"].items()}
        if "max_sequence_tokens" not in self._dialect.refused and all("counts" in each for each in tokens.values()):
            counted, fate = row_lengths.Counted("as an estimate", tokens), "the service may cut them off"
            row_lengths.check(counted, recipe, None, checks, notes, fate)
        checks.finish("The data set")
        return notes

    def _rows(self, data_set: DataSetVersion, split: str) -> list[Row]:
        s3 = self.workspace.client("s3")
        return row_lengths.read_split(s3, self.workspace.outputs["datasetBucket"], data_set, split)

    def _service(self) -> Service:
        key = api_key(self.workspace.client("secretsmanager"), self.workspace.secret or self._dialect.secret)
        return Service(self._dialect, key, self.workspace.url)

    def _split(self, run: Run, split: str) -> bytes:
        bucket, key = self.workspace.outputs["datasetBucket"], f"{run.dataset}{split}.jsonl"
        return self.workspace.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


class _Kept:
    """The answers of a run's evaluation, an object each: what was paid for isn't asked again after a kill."""

    def __init__(self, records: RunRecords, folder: str) -> None:
        self._records, self._folder = records, folder

    def get(self, key: str) -> Mapping[str, Any] | None:
        return self._records.read_json(f"{self._folder}{key}.json")

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        self._records.write_json(f"{self._folder}{key}.json", answer)
