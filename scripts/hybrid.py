"""Base, retrieval, tuning and both on the same held-out questions: one report, on the local cloud."""

import argparse
import json
import re
import sys

from samples.style_dataset import FORMAT, SYSTEM
from scripts.finetune import config, data, held_out, tuning, up
from scripts.local_environment import BIN, ROOT
from scripts.phases import START, Phase, end, run
from tandem.clients.pulumi_stack import deployed

HERE = ROOT / ".tandem" / "hybrid"
QUESTIONS, FORM, REPORT = HERE / "questions.jsonl", HERE / "format.json", HERE / "report.html"
SAMPLES = ROOT / ".tandem" / "samples"
UNANSWERABLE = ROOT / "samples" / "questions.jsonl"
ASKED = 40  # of 117 held-out ones
GENERATOR, EMBEDDER = "amazon.nova-lite-v1:0", "amazon.titan-embed-text-v2:0"
RUNS = ("base", "rag", "tuned", "hybrid")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="hybrid-dev")
    parser.add_argument("step", nargs="?", choices=["questions"], help="one step of the job")
    options = parser.parse_args()
    stack = options.stack
    if options.step:
        return questions(stack)
    tandem = BIN / "tandem"
    phases = [
        START,
        up(stack),
        Phase("Collect the sample documents", [sys.executable, "samples/collect.py"]),
        Phase("Ingest them", [tandem, "ingest", SAMPLES, "--stack", stack]),
        *data(stack),
        Phase("Write the held-out questions", [sys.executable, "-m", "scripts.hybrid", "--stack", stack, "questions"]),
        evaluation("base", f"bedrock:{GENERATOR}"),
        evaluation("rag", f"stack:{stack}"),
        *tuning(stack),
        evaluation("tuned", f"endpoint:{stack}"),
        evaluation("hybrid", f"stack:{stack}"),
        Phase("Report", [tandem, "eval", "report", *RUNS, "--to", REPORT, "--markdown", REPORT.with_suffix(".md")]),
        Phase("Advise", [tandem, "advise", "samples/facts.yaml", *(f"--run={name}={name}" for name in RUNS)]),
    ]
    if failed := run(phases, "hybrid"):
        return failed
    file = config(stack).relative_to(ROOT)
    end(f"The report is [bold]{REPORT.relative_to(ROOT)}[/]; the stack's file {file}.", stack)
    return 0


def evaluation(name: str, target: str) -> Phase:
    """Put the questions to one target; models alone get the system message of the data set."""
    command = [BIN / "tandem", "eval", "run", QUESTIONS, "--target", target, "--name", name, "--format", FORM]
    alone = [] if target.startswith("stack:") else ["--system", SYSTEM]
    command += ["--similarity", EMBEDDER, "--concurrency", "1", "--seconds", "120", *alone, "--fresh"]
    return Phase(f"Evaluate: {name}", command)


def said(answer: str) -> tuple[str, str]:
    """The document that an answer of the data set comes from, and what it says of it."""
    text, topic = next(re.finditer(FORMAT, answer)).group("answer", "topic")
    return f"construction/{topic}.md", text


def questions(stack: str) -> int:
    """Write questions that no training saw, with reference and document, and some that no document answers."""
    HERE.mkdir(parents=True, exist_ok=True)
    rows = held_out(deployed(stack, "datasetBucket"))
    entries = []
    for number, messages in enumerate(rows[:: len(rows) // ASKED][:ASKED], start=1):
        document, reference = said(messages[-1]["content"])
        entry = {"id": f"held-out-{number:02}", "question": messages[-2]["content"]}
        entries.append(entry | {"document": document, "reference": reference})
    labelled = map(json.loads, UNANSWERABLE.read_text(encoding="utf-8").splitlines())
    entries += [entry for entry in labelled if entry["document"] is None]
    lines = (json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
    QUESTIONS.write_text("".join(lines), encoding="utf-8")
    FORM.write_text(json.dumps({"regex": FORMAT}), encoding="utf-8")
    print(f"{len(entries)} questions in {QUESTIONS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
