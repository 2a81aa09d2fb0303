"""From nothing to a tuned model that answers, trained on Kubernetes: on the local cloud, with the time of each phase.

Two runs at once share a quota for one, the first loses a rank on its way, and at the end nothing is left.
"""

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from tandem_contract.cluster import NAMESPACE, Label
from tandem_contract.errors import TandemError
from tandem_contract.run_record import job_name

from localcloud.kubernetes import control_plane
from localcloud.kubernetes.api import Json
from localcloud.services import audit
from scripts import finetune
from scripts.finetune import DATA, RECIPE, config, data, tuning, up
from scripts.local_environment import BIN, ROOT
from scripts.phases import START, Phase, run
from tandem.clients.pulumi_stack import deployed
from tandem.finetuning import job_record
from tandem.finetuning.backends.base import RunRecords
from tandem.finetuning.job_record import JobRecord

BEFORE = finetune.HERE / "before.json"
PATIENCE_SECONDS = 900  # for what comes in a minute, on a machine that does nothing else
STEP = 12  # after the first checkpoint of the recipe


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="finetune-eks-dev")
    parser.add_argument("step", nargs="?", choices=STEPS, help="one step of the job, as the job itself calls it")
    options = parser.parse_args()
    if options.step:
        return STEPS[options.step](options.stack)
    stack = options.stack
    ours = [sys.executable, "-m", "scripts.finetune_eks", "--stack", stack]
    again = ["pulumi", "preview", "--stack", stack, "--expect-no-changes", "--suppress-permalink"]
    training = Phase("Train two runs at once, and kill a rank", [*ours, "train"])
    destroy = ["pulumi", "destroy", "--stack", stack, "--yes", "--suppress-permalink", "--config-file", config(stack)]
    phases = [
        START._replace(command=[*START.command, "--kubernetes"]),
        Phase("Note what there is", [*ours, "note"]),
        up(stack),
        Phase("Deploy again: nothing to do", again),
        *data(stack),
        *tuning(stack, training),
        Phase("Ask the tuned model", [sys.executable, "-m", "scripts.finetune", "--stack", stack, "ask"]),
        Phase("Wait for the last GPU node to go", [*ours, "empty"]),
        Phase("Destroy: pulumi destroy", destroy),
        Phase("Audit", [*ours, "audit"]),
    ]
    return run(phases, "finetune-eks")


def note(stack: str) -> int:
    """Write down what the local cloud holds before the stack is deployed, if it isn't."""
    try:
        deployed(stack, "artifactBucket")
    except TandemError:
        finetune.HERE.mkdir(parents=True, exist_ok=True)
        BEFORE.write_text(json.dumps(held()))
    print(f"{len(json.loads(BEFORE.read_text()))} resources of other stacks")
    return 0


def held() -> list[list[str]]:
    """What `tandem local audit` lists."""
    return [list(row) for row in (*audit.leftovers(), *control_plane.leftovers())]


def left(_stack: str) -> int:
    """What there is that wasn't there before; fails if there is anything."""
    before = json.loads(BEFORE.read_text())
    rows = [" ".join(row) for row in held() if row not in before]
    print("\n".join(rows) or "nothing left")
    return 1 if rows else 0


def train(stack: str) -> int:
    """Start two runs, kill a rank of the first while it trains, follow both, and say what their records say."""
    found = deployed(stack, "artifactBucket")
    records = RunRecords(found.client("s3"), *found.pick("artifactBucket"))
    print(f"{len(gpu_nodes())} GPU nodes")
    first, second = start(stack), start(stack)
    wait(lambda: any(step >= STEP for step in steps(records, first)), f"{first} has done {STEP} steps")
    for name in (first, second):
        tandem("status", name, stack)
    print(f"{len(gpu_nodes())} GPU nodes")
    victim = ranks(pods(first))[0]
    print(f"kill -9 {victim}, a rank of {first}")
    os.kill(victim, signal.SIGKILL)
    ended = [tandem("status", name, stack, "--follow") for name in (first, second)]
    tandem("logs", first, stack, "--rank", "1")
    return max(*ended, *(tell(records, name) for name in (first, second)), in_turn(records, first, second))


def start(stack: str) -> str:
    """Start a run; returns its name."""
    command = [BIN / "tandem", "finetune", "start", RECIPE, "--data", DATA, "--stack", stack, "--yes"]
    said = subprocess.run([str(part) for part in command], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    print(said.stdout, end="")
    return said.stdout.split()[-1]


def tandem(command: str, name: str, stack: str, *options: str) -> int:
    """Call `tandem finetune` about a run."""
    whole = [str(BIN / "tandem"), "finetune", command, name, "--stack", stack, *options]
    return subprocess.run(whole, cwd=ROOT, check=False).returncode


def wait(done: Callable[[], object], what: str) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            sys.exit(f"not within {PATIENCE_SECONDS} s: {what}")
        time.sleep(1)


def metrics(records: RunRecords, name: str) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl."""
    content = records.read(f"runs/{name}/checkpoints/metrics.jsonl") or b""
    return [json.loads(line) for line in content.splitlines()]


def steps(records: RunRecords, name: str) -> list[int]:
    """The steps that a run has done, in order."""
    return [line["step"] for line in metrics(records, name)]


def job(records: RunRecords, name: str) -> JobRecord:
    """The record of a run's first training job."""
    content = records.read(job_record.record_key(name, job_name(name, "train", 1)))
    return JobRecord.from_json(content or b"{}")


def tell(records: RunRecords, name: str) -> int:
    """What the records of a run say of its hosts, ranks, steps and restarts; fails if they aren't as they should be."""
    record, lines = job(records, name), metrics(records, name)
    made = records.read_json(f"{job_record.output(name, record.name)}model/tandem.json")
    losses = [line["loss"] for line in lines]
    done = [line["step"] for line in lines]
    nodes = {pod["node"] for pod in record.pods.values()}
    print(
        f"{name}: {made['world_size']} ranks on {', '.join(made['hosts'])}, {made['sharding']}; {len(done)} steps, the "
        f"last {done[-1]}; loss {losses[0]:.2f} to {losses[-1]:.2f}; {record.restarts} restarts; {len(record.pods)} "
        f"Pods on {len(nodes)} nodes"
    )
    whole = made["world_size"] == len(made["hosts"]) == 2 and done == list(range(1, made["steps"] + 1))
    return 0 if whole and losses[-1] < losses[0] else 1


def in_turn(records: RunRecords, first: str, second: str) -> int:
    """When the queue let them go; fails unless the second waited for the first."""
    freed, taken = at(job(records, first), "Finished"), at(job(records, second), "QuotaReserved")
    print(f"{first} Finished {freed}, {second} QuotaReserved {taken}")
    return 0 if freed <= taken else 1


def at(record: JobRecord, condition: str) -> str:
    """When a condition of its Workload came true."""
    return next(each["time"] for each in record.conditions if (each["type"], each["status"]) == (condition, "True"))


def pods(name: str) -> list[Json]:
    """The Pods of a run, as the API server has them."""
    return control_plane.api().items(f"/api/v1/namespaces/{NAMESPACE}/pods", labelSelector=f"{Label.RUN}={name}")


def ranks(pods: Iterable[Json]) -> list[int]:
    """The processes that train in Pods, on this machine: torchrun starts each as `python -u`, in the Pod's folder."""
    found = (["pgrep", "-f", f"python3 -u .*/{pod['metadata']['uid']}/"] for pod in pods)
    said = (subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True).stdout.split() for command in found)
    return [int(process) for process in itertools.chain.from_iterable(said)]


def gpu_nodes() -> list[Json]:
    """The nodes that Karpenter has made."""
    return control_plane.api().items("/api/v1/nodes", labelSelector="karpenter.sh/nodepool")


def empty(_stack: str) -> int:
    """Wait until Karpenter has ended all nodes."""
    wait(lambda: not gpu_nodes(), "the last GPU node has gone")
    print("0 GPU nodes")
    return 0


STEPS = {"note": note, "train": train, "empty": empty, "audit": left}

if __name__ == "__main__":
    sys.exit(main())
