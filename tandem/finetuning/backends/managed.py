"""Runs of a managed service, behind the same commands as those of SageMaker."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tandem_contract import run_record
from tandem_contract.run_record import Run

from tandem.finetuning.dataset.rows import decoded
from tandem.finetuning.runs import RUNNING, SUCCEEDED, Job, RunError, Runs, Status

from .dialects import CANCELLED, DIALECTS, FAILED
from .dialects import SUCCEEDED as SERVED
from .finish import finish
from .service import Service, api_key

STATES = {FAILED: "FAILED", CANCELLED: "ABORTED"}


class ManagedRuns(Runs):
    """The runs of one stack whose recipes name a managed service.

    A run's job is noted in `runs/<run>/managed.json`; when the service has finished it, whoever asks for its status
    evaluates the model through the service, lets the gate decide, and registers it.
    """

    def __init__(
        self,
        client: Any,
        *,
        artifacts: str,
        datasets: str,
        group: str,
        secret: str | None = None,
        url: str | None = None,
        served: Mapping[str, str] | None = None,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> None:
        """`secret` and `url` replace the dialect's own; `served` and `progress` are `finish`'s."""
        super().__init__(client, artifacts=artifacts, pipeline_arn="", envelope_parameter="")
        self._datasets, self._group = datasets, group
        self._secret, self._url, self._served, self._say = secret, url, served, progress

    def check(self, run: Run) -> None:
        """Refuse what the service can't do; raises `RecipeError` with every mistake. Nothing is sent."""
        self._service(run).check(run, self._split(run, "train"))

    def start(self, run: str) -> None:
        """Upload the rows and start the service's job; a second call finds the first one's job."""
        record = self.record(run)
        job = self._service(record).start(record, self._split(record, "train"), self._split(record, "validation"))
        self._write(run, "managed.json", {"job": job})

    def status(self, run: str) -> Status:
        """How the run stands; the first call after the job has succeeded evaluates and registers."""
        record, noted = self.record(run), self._read(run, "managed.json")
        if noted is None:
            raise RunError(f"Run {run!r} was prepared but never started: start it again.")
        now = self._service(record).status(noted["job"])
        progress = None
        if now.step is not None and now.steps is not None:
            progress = {"step": now.step, "steps": now.steps, "loss": now.loss}
        if now.state in STATES:
            return Status(run, STATES[now.state], now.message, progress=progress)
        if now.state != SERVED:
            return Status(run, RUNNING, now.message, progress=progress)
        if not self._read(run, "evaluation.json"):
            self._finish(record, str(now.model))
        reasons = self._read(run, "verdict.json") or []
        return Status(run, "FAILED" if reasons else SUCCEEDED, "; ".join(reasons), progress=progress)

    def jobs(self, run: str) -> Iterator[Job]:  # noqa: ARG002 - as in Runs
        """None of SageMaker's."""
        return iter(())

    def evaluation(self, run: str) -> dict[str, Any]:
        """The run's evaluation; raises `RunError` before there is one."""
        if found := self._read(run, "evaluation.json"):
            return found
        raise RunError(f"Run {run!r} has no evaluation: `tandem finetune status {run}` says how it stands.")

    def cancel(self, run: str) -> list[str]:
        """Ask the service to stop the run's job."""
        noted = self._read(run, "managed.json")
        if noted is None:
            return []
        self._service(self.record(run)).cancel(noted["job"])
        return [noted["job"]]

    def resume(self, run: str) -> int:
        """Refused: the service keeps no checkpoints for us."""
        raise RunError(f"Run {run!r} is {self.record(run).recipe['backend']}'s, which can't resume: start a new one.")

    def _finish(self, run: Run, model: str) -> None:
        made = finish(
            self._service(run),
            run,
            model,
            decoded(self._split(run, "test"), "test.jsonl"),
            run.manifest_digest,
            self._client("sagemaker"),
            self._group,
            served=self._served,
            progress=self._say,
        )
        self._client("s3").put_object(
            Bucket=self._artifacts, Key=f"{run_record.folder(run.name)}answers.jsonl", Body=made.answers
        )
        self._write(run.name, "verdict.json", made.reasons)
        self._write(run.name, "evaluation.json", made.evaluation)  # last: it says that all is done

    def _service(self, run: Run) -> Service:
        dialect = DIALECTS[run.recipe["backend"]]
        return Service(dialect, api_key(self._client("secretsmanager"), self._secret or dialect.secret), self._url)

    def _split(self, run: Run, split: str) -> bytes:
        key = f"{run.dataset}{split}.jsonl"
        return self._client("s3").get_object(Bucket=self._datasets, Key=key)["Body"].read()

    def _read(self, run: str, name: str) -> Any:
        s3 = self._client("s3")
        try:
            answer = s3.get_object(Bucket=self._artifacts, Key=f"{run_record.folder(run)}{name}")
        except s3.exceptions.NoSuchKey:
            return None
        return json.loads(answer["Body"].read())

    def _write(self, run: str, name: str, content: Any) -> None:
        body = json.dumps(content, indent=2, sort_keys=True).encode()
        self._client("s3").put_object(Bucket=self._artifacts, Key=f"{run_record.folder(run)}{name}", Body=body)
