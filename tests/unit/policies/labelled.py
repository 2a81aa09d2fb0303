"""Cases from real stacks, documents and other scanners' tests, with labels: `labelled_cases/`.

The rules were built to them, but for those of UNSEEN and HARDER: these were labelled when the rules stood, so what the
rules made of them at first (`scripts/policies_page.py`) is what to expect of a stack that they don't know.

A group names its rule, and what its cases have in common. A case has a `name`, a `label` (`dangerous`, `fine`,
`can't decide`), where its form was seen (`source`; without one, a form of our own) and the resource. In its properties
`{json: ...}` is JSON text and UNKNOWN a value that no preview knows; `allow` and `deny` are a policy of one statement,
`variables` those of a function; `others` stand in the stack with it.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from tests.unit.policies.judging import UNKNOWN, Thing, judge

FILES = sorted((Path(__file__).parent / "labelled_cases").glob("*.yaml"))
UNSEEN, HARDER = "unseen.yaml", "harder.yaml"
LABELS = ("dangerous", "fine", "can't decide")


def cases() -> list[dict[str, Any]]:
    """All cases, each with its file, the rule and what its group says."""
    groups = [{"file": file.name, **group} for file in FILES for group in yaml.safe_load(file.read_text())]
    return [{**group, **case} for group in groups for case in group["cases"]]


def verdict(case: dict[str, Any]) -> str:
    """What the case's rule says of it, as a label."""
    reports = judge(case["rule"], *_things(case))
    known = [report for report in reports if "can't decide" not in report]
    return "dangerous" if known else "can't decide" if reports else "fine"


def _things(case: dict[str, Any]) -> list[Thing]:
    properties = dict(case.get("properties", {}))
    for effect in ("allow", "deny"):
        if effect in case:
            properties["policy"] = {"json": {"Statement": [{"Effect": effect.capitalize(), **case[effect]}]}}
    if "variables" in case:
        properties["environment"] = {"variables": case["variables"]}
    first = Thing(case["type"], _values(properties), refers=case.get("refers", {}))
    return [first, *(Thing(each["type"], _values(each["properties"]), each["name"]) for each in case.get("others", ()))]


def _values(given: Any) -> Any:
    if isinstance(given, dict):
        return json.dumps(given["json"]) if given.keys() == {"json"} else {k: _values(v) for k, v in given.items()}
    return [_values(each) for each in given] if isinstance(given, list) else UNKNOWN if given == "UNKNOWN" else given


def confusion() -> dict[str, Counter]:
    """For each label, how many cases got which verdict."""
    table = {label: Counter() for label in LABELS}
    for case in cases():
        table[case["label"]][verdict(case)] += 1
    return table
