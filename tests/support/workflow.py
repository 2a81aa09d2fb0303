"""Runs a job of a GitHub workflow here: its own `run:` scripts and conditions, with `uses:` steps taken as done."""

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TERM = re.compile(r"(!?)cancelled\(\)|([\w.-]+) (==|!=) '([^']*)'|([\w.-]+)")


@dataclass
class Job:
    """What became of a job."""

    outcomes: dict[str, str] = field(default_factory=dict)
    """Step -> success, failure or skipped."""
    printed: str = ""
    summary: str = ""

    @property
    def conclusion(self) -> str:
        """As GitHub shows it."""
        return "failure" if "failure" in self.outcomes.values() else "success"


def run_job(
    job: dict[str, Any], contexts: dict[str, Any], folder: Path, environment: dict[str, str], programs: Path
) -> Job:
    """Run the steps in `folder`, with `programs` first on PATH; `contexts` are what expressions read."""
    done, steps, places = Job(), {}, os.pathsep.join([str(programs), os.environ["PATH"]])
    files = {name: folder / f".{name.lower()}" for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
    for step in job["steps"]:
        values = contexts | {"steps": steps}
        for name in ("GITHUB_OUTPUT", "GITHUB_PATH"):
            files[name].write_text("")
        outcome = "skipped"
        if _holds(step.get("if", ""), values, done.conclusion == "success"):
            variables = {name: _filled(value, values) for name, value in (job["env"] | step.get("env", {})).items()}
            everything = {**environment, **variables, **{name: str(file) for name, file in files.items()}}
            command = ["bash", "-e", "-c", step.get("run", "true")]
            ran = subprocess.run(
                command, cwd=folder, env={**everything, "PATH": places}, capture_output=True, text=True, check=False
            )
            done.printed += ran.stdout + ran.stderr
            outcome = "failure" if ran.returncode else "success"
            places = os.pathsep.join([*reversed(files["GITHUB_PATH"].read_text().split()), places])
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        done.outcomes[step["name"]] = outcome
        if "id" in step:
            steps[step["id"]] = {"outputs": outputs, "outcome": outcome}
    done.summary = files["GITHUB_STEP_SUMMARY"].read_text() if files["GITHUB_STEP_SUMMARY"].exists() else ""
    return done


def _filled(text: Any, contexts: dict[str, Any]) -> str:
    """A text with its expressions replaced by their values."""
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: _shown(_value(found[1], contexts)), str(text))


def _holds(condition: str, contexts: dict[str, Any], well: bool) -> bool:
    """Whether a step runs; without a status function only after success."""
    condition = condition.removeprefix("${{ ").removesuffix(" }}")
    terms = [bool(_value(term, contexts)) for term in condition.split(" && ")] if condition else []
    return all(terms) and (well or "cancelled()" in condition)


def _value(term: str, contexts: dict[str, Any]) -> Any:
    match = TERM.fullmatch(term)
    assert match, f"this stand-in for GitHub doesn't know the expression {term}"
    if "cancelled()" in term:
        return bool(match[1])  # nothing is cancelled here
    value: Any = contexts
    for part in (match[2] or match[5]).split("."):
        value = (value or {}).get(part, "")
    if not match[3]:
        return value
    return (str(value or "") == match[4]) == (match[3] == "==")


def _shown(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str("" if value is None else value)
