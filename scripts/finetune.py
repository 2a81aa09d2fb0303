"""From nothing to a tuned model that answers, on the local cloud, with the time of each phase."""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.local_environment import BIN, ROOT
from scripts.phases import START, Phase, console, end, run
from tandem.clients.pulumi_stack import Stack, deployed

HERE = ROOT / ".tandem" / "finetuning"
ROWS, MODEL = HERE / "style.jsonl", HERE / "smollm2-135m"
RECIPE = ROOT / "docs" / "recipes" / "style-smollm2.yaml"
TRAINING = ROOT / ".tandem" / "training" / "bin" / "python"
DATA = "style"
ASKED = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="finetune-dev")
    parser.add_argument("step", nargs="?", choices=STEPS, help="one step of the job, as the job itself calls it")
    options = parser.parse_args()
    if options.step:
        return STEPS[options.step](options.stack)
    ours = [sys.executable, "-m", "scripts.finetune", "--stack", options.stack]
    phases = [START, up(options.stack), *data(options.stack), *tuning(options.stack)]
    phases.append(Phase("Ask the tuned model", [*ours, "ask"]))
    if failed := run(phases, "finetune"):
        return failed
    end(f"The endpoint answers. Its stack file is [bold]{config(options.stack).relative_to(ROOT)}[/].", options.stack)
    return 0


def up(stack: str, *more: str | Path) -> Phase:
    """Deploy the stack."""
    title = "Deploy the endpoint: pulumi up" if more else "Deploy: pulumi up"
    return Phase(title, ["pulumi", "up", "--stack", stack, "--yes", "--suppress-permalink", *more])


def data(stack: str) -> list[Phase]:
    """The data set, in the stack's bucket."""
    HERE.mkdir(parents=True, exist_ok=True)
    facts = ["--name", DATA, "--licence", "CC-BY-4.0", "--source", "Swedish Construction FAQ by Zaragoza AB, reshaped"]
    import_rows = [BIN / "tandem", "dataset", "import", ROWS, *facts, "--split", "70/5/25", "--stack", stack]
    return [
        Phase("Make the data set", [sys.executable, "samples/style_dataset.py", "--to", ROWS]),
        Phase("Import and check it", import_rows),
    ]


def tuning(stack: str, training: Phase | None = None) -> list[Phase]:
    """From the data set to the deployed endpoint of a tuned model; `training` in place of the one run."""
    ours = [sys.executable, "-m", "scripts.finetune", "--stack", stack]
    return [
        Phase("Make the base model", [TRAINING, "samples/base_model.py", "--to", MODEL]),
        Phase("Upload it", [*ours, "upload"]),
        training or Phase("Train, evaluate, gate, register", [*ours, "start"]),
        Phase("Compare, approve, promote", [*ours, "promote"]),
        up(stack, "--config-file", config(stack)),
    ]


def config(stack: str) -> Path:
    """The copy of the stack's file that names the promoted model."""
    return HERE / f"Pulumi.{stack}.yaml"


def upload(stack: str) -> int:
    """Put the base model into the artifact bucket, below models/."""
    found = deployed(stack, "artifactBucket")
    s3, (bucket,) = found.client("s3"), found.pick("artifactBucket")
    for path in sorted(MODEL.iterdir()):
        print(f"{path.stat().st_size / 1e6:7.1f} MB  models/{MODEL.name}/{path.name}")
        s3.upload_file(str(path), bucket, f"models/{MODEL.name}/{path.name}")
    return 0


def start(stack: str) -> int:
    """Start a run and follow it."""
    command = [BIN / "tandem", "finetune", "start", RECIPE, "--data", DATA, "--stack", stack, "--yes", "--follow"]
    return subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode


def promote(stack: str) -> int:
    """Compare the newest run with its base, approve its model, and promote it in a copy of the stack's file."""
    from tandem.finetuning.backends.base import RunRecords

    found = deployed(stack, "artifactBucket")
    run_name = RunRecords(found.client("s3"), *found.pick("artifactBucket")).names()[0]
    if not config(stack).exists():
        shutil.copyfile(ROOT / "stacks" / f"Pulumi.{stack}.yaml", config(stack))
    finetune = [BIN / "tandem", "finetune"]
    for command in (["compare", run_name], ["promote", run_name, "--approve", "--config", config(stack)]):
        done = subprocess.run([str(part) for part in [*finetune, *command, "--stack", stack]], cwd=ROOT, check=False)
        if done.returncode:
            return done.returncode
    return 0


def ask(stack: str) -> int:
    """Put held-out prompts to the endpoint; fails if most answers have not the form that was taught."""
    import re

    from samples.style_dataset import FORMAT
    from tandem.models.endpoint import EndpointChat
    from tandem.runtime.retry import Deadline, retry

    found, kept = deployed(stack, "artifactBucket"), 0
    model = EndpointChat(found.client("sagemaker-runtime"), *found.pick("endpointName"))
    for row in held_out(found)[:ASKED]:
        deadline = Deadline(120)
        text = retry(lambda: model.chat(row[:-1], 80, deadline), deadline).text  # noqa: B023 - called at once
        console.print(f"[bold]{row[-2]['content']}[/]\n{text}\n", highlight=False)
        kept += bool(re.fullmatch(FORMAT, text.strip()))
    console.print(f"{kept} of {ASKED} answers have the form that was taught.")
    return 0 if kept > ASKED / 2 else 1


def held_out(stack: Stack) -> list[list[dict[str, str]]]:
    """The messages of the data set's rows that no training saw."""
    from tandem.finetuning.dataset.store import Store

    data_sets = Store(stack.client("s3"), *stack.pick("datasetBucket"))
    key = f"{data_sets.resolve(DATA).prefix}test.jsonl"
    lines = data_sets.s3.get_object(Bucket=data_sets.bucket, Key=key)["Body"].read().decode().splitlines()
    return [json.loads(line)["messages"] for line in lines]


STEPS = {"upload": upload, "start": start, "promote": promote, "ask": ask}

if __name__ == "__main__":
    sys.exit(main())
