"""An EKS cluster as a back end: the training pipeline's jobs are TrainJobs, whose records a function keeps in S3.

Commands read these alone, so that users need no way into the cluster; what changes a job goes through the function.
"""

import json
from collections.abc import Sequence
from typing import Any

from tandem_contract.envelope import RunEnvelope
from tandem_contract.errors import TandemError
from tandem_contract.run_record import Run

from tandem.finetuning import job_record
from tandem.finetuning.job_record import FAILED, STOPPED, STOPPING, SUCCEEDED, WORKING, JobRecord
from tandem.runtime.quotas import Quotas

from ..base import Job, Lines
from ..pipeline import COMPLETED, Pipeline, check_host
from .quotas import quotas

STATUSES = {SUCCEEDED: COMPLETED, FAILED: "Failed", STOPPED: "Stopped"}
IN_PROGRESS = "InProgress"


class Eks(Pipeline):
    """Runs of the stack's training pipeline, as TrainJobs of its cluster."""

    spent_on, instances = "of its Pods' time on nodes, at on-demand prices", ""

    def quotas(self, envelope: RunEnvelope) -> Quotas:
        """Of EC2's processors."""
        return quotas(envelope)

    def jobs(self, run: Run) -> list[Job]:
        """By their records. Nobody looks at a job that was stopped but who asks: then the function does."""
        return [_job(record) for record in self._records(run)]

    def used(self, run: Run, step: str) -> int:
        """A job restarts its Pods by itself; its restarts are attempts too."""
        return sum(record.attempts for record in self._records(run) if record.step == step)

    def doing(self, job: Job) -> str:
        """The step, or what it waits for."""
        return super().doing(job) if job.detail in WORKING.values() else f"{job.detail}: {job.reason}"

    def stop(self, run: Run, jobs: Sequence[Job]) -> None:
        """By the function."""
        for job in jobs:
            self._act("stop", run, job.step, job.name)

    def logs(self, job: Job, host: str = "", token: str | None = None, rank: int | None = None) -> Lines:
        """From S3, where its Pods copy theirs every few seconds: `host-0` and so on, and each rank's."""
        hosts = [f"host-{number}" for number in range(job.instances)]
        check_host(job, host, hosts)
        name = f"rank-{rank}" if rank is not None else host or hosts[0]
        prefix = job_record.logs(job.name.removesuffix(f"-{job.step}-{job.attempt}"), job.name)
        content = self.records.read(f"{prefix}{name}.log")
        if content is None:
            there = self.records.files(prefix)
            if rank is not None and there and not job.running:
                known = ", ".join(sorted(file.removesuffix(".log") for file in there))
                raise TandemError(f"{job.name} has no log of rank {rank}: it has {known}.")
            return [], token
        begin = int(token or 0)
        # What isn't a whole line yet is read with its end.
        end = content.rfind(b"\n") + 1 if job.running else len(content)
        lines = content[begin:end].decode(errors="replace").splitlines()
        return lines, str(max(begin, end))

    def _records(self, run: Run) -> list[JobRecord]:
        """Of the run's jobs, oldest first."""
        found = [self._record(run, name) for name in self.records.folders(job_record.jobs(run.name))]
        return sorted(filter(None, found), key=lambda record: record.created_at)

    def _record(self, run: Run, name: str) -> JobRecord | None:
        content = self.records.read(job_record.record_key(run.name, name))
        if content is None:  # a job whose function ended before it wrote one
            return None
        record = JobRecord.from_json(content)
        if record.state == STOPPING:
            self._act("observe", run, record.step, name)
            record = JobRecord.from_json(self.records.read(job_record.record_key(run.name, name)) or content)
        return record

    def _act(self, action: str, run: Run, step: str, job: str) -> None:
        """Have the function do something with a job."""
        request = {"action": action, "run": run.name, "step": step, "job": job}
        function = self.workspace.outputs["clusterFunction"]
        answer = self._client("lambda").invoke(FunctionName=function, Payload=json.dumps(request).encode())
        content: Any = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            raise TandemError(f"The cluster can't {action} {job}: {content.get('errorMessage', content)}")


def _job(record: JobRecord) -> Job:
    return Job(
        name=record.name,
        step=record.step,
        attempt=record.attempt,
        status=STATUSES.get(record.state, IN_PROGRESS),
        detail="" if record.ended else record.state,
        reason=record.sentence,
        seconds=round(record.node_seconds / record.instances),
        instance_type=record.instance_type,
        instances=record.instances,
        running=not record.ended,
    )
