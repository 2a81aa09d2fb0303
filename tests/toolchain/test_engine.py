"""The real engine on an emulator of its own: a small program goes up, stays as it is, changes and comes down."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from localcloud.toolchain import build
from tests.support.pulumi_project import STACK, Project

pytestmark = pytest.mark.local

BRIDGE = "pulumi-resource-terraform-provider 127.0.0.1:"  # with its argument, since others are told its name

PROGRAM = """
import pulumi
import pulumi_aws as aws

config = pulumi.Config()
days = config.require_int("days")
if days == 1:
    raise pulumi.RunError("small:days is 1: give 7 or more")
logs = aws.cloudwatch.LogGroup("logs", retention_in_days=days, tags={"days": str(days)})
role = aws.iam.Role("role", assume_role_policy=aws.iam.get_policy_document_output(statements=[{
    "actions": ["sts:AssumeRole"],
    "principals": [{"type": "Service", "identifiers": ["lambda.amazonaws.com"]}],
}]).json)
function = aws.lambda_.Function(
    "function",
    role=role.arn, runtime="python3.12", handler="handler.handler",
    code=pulumi.AssetArchive({"handler.py": pulumi.StringAsset("def handler(event, context):\\n    return event\\n")}),
    environment={"variables": {"DAYS": str(days)}},
)
group = aws.opensearch.ServerlessCollectionGroup("group", standby_replicas="ENABLED", generation="NEXTGEN")
pulumi.export("function", function.name)
pulumi.export("group", group.arn)
if config.get_bool("unserved"):
    aws.cloudwatch.LogGroup("unserved", deletion_protection_enabled=True)
if config.get_bool("slow"):
    import time
    logs.name.apply(lambda name: time.sleep(60))  # once a resource has been registered
"""


@pytest.fixture(scope="module")
def project(emulator, tmp_path_factory):
    environment = build.ensure(print)
    made = Project(os.environ | environment, tmp_path_factory.mktemp("small") / "small", emulator, PROGRAM)
    build.ensure_stack(made.environment, "dev", made.folder)
    build.ensure_stack(made.environment, "dev", made.folder)
    return made


def test_a_program_goes_up_stays_changes_and_comes_down(project):
    project.run("up", "--yes", "--skip-preview")
    outputs = json.loads(project.run("stack", "output", "--json"))
    assert re.fullmatch(r"function-[0-9a-f]{7}", outputs["function"])
    assert outputs["group"].startswith("arn:aws:local:")
    project.run("preview", "--expect-no-changes")
    project.configured("14")
    changed = project.run("up", "--yes", "--skip-preview")
    assert re.search(r"LogGroup logs updated .*~retentionInDays,tags", changed)
    assert re.search(r"Function function updated .*~environment", changed)
    project.run("preview", "--expect-no-changes")
    project.configured("7")
    project.run("destroy", "--yes", "--skip-preview")
    assert (project.folder / "stacks" / "Pulumi.dev.yaml").read_text() == STACK


def test_errors_say_what_is_wrong_once_and_where(project):
    project.configured("1")
    shown = project.run("preview", code=1)
    assert shown.partition("Diagnostics:")[2].count("small:days is 1: give 7 or more") == 1
    assert "Traceback" not in shown
    project.configured("7\n  small:unserved: true")
    shown = project.run("preview", code=1)
    assert "has no deletionProtectionEnabled on aws:cloudwatch/logGroup:LogGroup: leave it out" in shown


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGKILL])
def test_no_child_outlives_the_engine(project, signal_):
    project.configured("7\n  small:slow: true")
    deadline = time.monotonic() + 60
    started = {"language_python", "pulumi-language-python-exec", "aws_stand_in", BRIDGE}
    with project.start("preview") as process:
        while not all(any(name in line for line in _descendants(process.pid).values()) for name in started):
            assert time.monotonic() < deadline, _descendants(process.pid)
            time.sleep(0.2)
        children = _descendants(process.pid)
        stand_in, bridge = (
            next(line.split() for line in children.values() if name in line) for name in ("aws_stand_in", BRIDGE)
        )
        assert bridge[-1] in stand_in  # the engine, without which the bridge ends after five minutes
        process.send_signal(signal_)
        process.wait(timeout=30)
    deadline = time.monotonic() + 10
    while (left := [pid for pid in children if _alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


def _descendants(pid):
    """The command lines of a process's children, and of theirs, by process id."""
    listed = subprocess.check_output(["ps", "-ewwo", "pid=,ppid=,args="], text=True).splitlines()
    processes = {int(line.split()[0]): line.split(maxsplit=2)[1:] for line in listed}
    found = {pid}
    while grown := {child for child, (parent, *_) in processes.items() if int(parent) in found} - found:
        found |= grown
    return {each: " ".join(processes[each][1:]) for each in found - {pid} if each in processes}


def _alive(pid):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
