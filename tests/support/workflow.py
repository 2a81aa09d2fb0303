"""Runs a job of a GitHub workflow here: its scripts and conditions, our actions' too; others are taken as done."""

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scripts.recorder import ROOT

TERM = re.compile(r"(!?)cancelled\(\)|([\w.-]+) (==|!=) '([^']*)'|([\w.-]+)")
ACTION, COMMENT = (yaml.safe_load((ROOT / name).read_text()) for name in ("action.yml", "comment/action.yml"))
OURS = {"./": (ACTION, "."), "./comment": (COMMENT, "comment")}


@dataclass
class Job:
    """What became of a job."""

    outcomes: dict[str, str] = field(default_factory=dict)
    """Step -> success, failure or skipped; those of our actions among them."""
    printed: str = ""
    summary: str = ""
    files: dict[str, Path] = field(default_factory=dict)
    places: str = ""
    elsewhere: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def conclusion(self) -> str:
        """As GitHub shows it."""
        return "failure" if "failure" in self.outcomes.values() else "success"


def run_job(
    steps: list[dict[str, Any]],
    contexts: dict[str, Any],
    folder: Path,
    environment: dict[str, str],
    elsewhere: dict[str, dict[str, str]],
) -> Job:
    """Run the steps in `folder`, in an environment that has PATH; `contexts` are what expressions read.

    Steps that are named in `elsewhere` are taken as done too, with these outputs.
    """
    done = Job(places=environment["PATH"], elsewhere=elsewhere)
    for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"):
        done.files[name] = folder / f".{name.lower()}"
    _run(steps, contexts, folder, environment, done)
    summary = done.files["GITHUB_STEP_SUMMARY"]
    done.summary = summary.read_text() if summary.exists() else ""
    return done


def _run(
    steps: list[dict[str, Any]], contexts: dict[str, Any], folder: Path, environment: dict[str, str], done: Job
) -> None:
    ended: dict[str, Any] = {}
    for step in steps:
        values = contexts | {"steps": ended}
        outcome, outputs = "skipped", {}
        if _holds(step.get("if", ""), values, done.conclusion == "success"):
            if step.get("uses") in OURS:
                action, where = OURS[step["uses"]]
                inner = contexts | {"inputs": _inputs(action, step["with"], values)}
                _run(
                    action["runs"]["steps"],
                    inner,
                    folder,
                    environment | {"GITHUB_ACTION_PATH": str(ROOT / where)},
                    done,
                )
                continue
            outcome, outputs = "success", done.elsewhere.get(step["name"], {})
            if "run" in step and step["name"] not in done.elsewhere:
                outcome, outputs = _ran(step, values, folder, environment, done)
        done.outcomes[step["name"]] = outcome
        if "id" in step:
            ended[step["id"]] = {"outputs": outputs, "outcome": outcome}


def _inputs(action: dict[str, Any], given: dict[str, str], values: dict[str, Any]) -> dict[str, str]:
    """The inputs of an action of ours, by what a step gives and by their defaults."""
    assert given.keys() <= action["inputs"].keys()
    defaults = {name: each.get("default", "") for name, each in action["inputs"].items()}
    return {name: _filled(value, values) for name, value in (defaults | given).items()}


def _ran(
    step: dict[str, Any], values: dict[str, Any], folder: Path, environment: dict[str, str], done: Job
) -> tuple[str, dict[str, str]]:
    """The outcome of a script, and its outputs."""
    for name in ("GITHUB_OUTPUT", "GITHUB_PATH"):
        done.files[name].write_text("")
    variables = {name: _filled(value, values) for name, value in step.get("env", {}).items()}
    everything = {**environment, **variables, **{name: str(file) for name, file in done.files.items()}}
    ran = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=folder / _filled(step.get("working-directory", "."), values),
        env={**everything, "PATH": done.places},
        capture_output=True,
        text=True,
        check=False,
    )
    done.printed += ran.stdout + ran.stderr
    added = done.files["GITHUB_PATH"].read_text().split()
    done.places = os.pathsep.join([*reversed(added), done.places])
    outputs = dict(line.split("=", 1) for line in done.files["GITHUB_OUTPUT"].read_text().splitlines())
    return "failure" if ran.returncode else "success", outputs


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
