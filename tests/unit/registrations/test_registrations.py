"""While the house is rebuilt: what each stack file registers stays as it was recorded at caff70f, but for code.

`python -m tests.unit.registrations.test_registrations` writes the recording anew; it goes when the rebuilding is done.
"""

import dataclasses
import json
import re
from pathlib import Path

import pytest
import yaml

from scripts.recorder import ROOT, record_stack

HERE = Path(__file__).parent
STACKS = sorted((ROOT / "stacks").glob("Pulumi.*.yaml"))
CODE = re.compile(r"code/[0-9a-f]{16}/")


def registered(stack: Path) -> dict:
    """Everything that the stack's program registers and exports, by name, without the content of code."""
    project = {
        f"tandem:{key}": str(entry["default"]).lower() if entry["type"] == "boolean" else str(entry["default"])
        for key, entry in yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"].items()
        if "default" in entry
    }
    own = {key: _text(value) for key, value in yaml.safe_load(stack.read_text())["config"].items()}
    recording = record_stack(project | own)
    resources = {f"{r.type} {r.name}": _without_code(dataclasses.asdict(r)) for r in recording.resources}
    for resource in resources.values():  # the engine takes these as sets
        resource["dependencies"].sort()
        resource["references"] = {name: sorted(found) for name, found in resource["references"].items()}
    assert len(resources) == len(recording.resources)
    return {"resources": resources, "outputs": recording.outputs}


def _text(value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _without_code(content):
    if isinstance(content, dict):
        if "4dabf18193072939515e22adb298388d" in content:  # the engine's mark of assets and archives
            return "CODE" if "path" in content else content
        return {key: _without_code(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_without_code(value) for value in content]
    return CODE.sub("code/DIGEST/", content) if isinstance(content, str) else content


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.stem)
def test_registrations_are_as_recorded(stack):
    recorded = json.loads((HERE / f"{stack.stem}.json").read_text())
    now = json.loads(json.dumps(registered(stack), default=str))
    assert now["outputs"] == recorded["outputs"]
    assert list(now["resources"].keys() ^ recorded["resources"].keys()) == []
    for name, resource in now["resources"].items():
        assert (name, resource) == (name, recorded["resources"][name])


if __name__ == "__main__":
    for each in STACKS:
        text = json.dumps(registered(each), indent=1, sort_keys=True, default=str)
        (HERE / f"{each.stem}.json").write_text(text + "\n")
