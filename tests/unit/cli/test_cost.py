"""`tandem cost`: where the preview comes from, what is written, and the exit codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tandem.cli.main import app
from tandem.clients import aws
from tandem.cost import refresh

STACK = "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"


def step(type_: str, name: str, **inputs: object) -> dict:
    urn = f"urn:pulumi:dev::shop::{type_}::{name}"
    state = {"urn": urn, "type": type_, "custom": True, "parent": STACK, "inputs": {"region": "us-east-1", **inputs}}
    return {"op": "create", "urn": urn, "newState": state}


def preview(*steps: dict) -> str:
    stack = {"urn": STACK, "type": "pulumi:pulumi:Stack", "custom": False}
    return json.dumps({"steps": [{"op": "create", "urn": STACK, "newState": stack}, *steps]})


NAT = step("aws:ec2/natGateway:NatGateway", "nat", subnetId="subnet-1")  # 730 x $0.045 = $32.85
UNKNOWN_TYPE = step("aws:quantum/computer:Computer", "qubit")


def run(*arguments: object, code: int = 0, text: str | None = None) -> str:
    result = CliRunner().invoke(app, ["cost", *map(str, arguments)], input=text)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def file(here) -> Path:
    path = here / "preview.json"
    path.write_text(preview(NAT))
    return path


def gates(here: Path, text: str) -> Path:
    path = here / "cost-gates.yaml"
    path.write_text(text)
    return path


def test_the_region_of_what_does_not_say_its_own(here):
    """As where AWS_REGION does; what says another one keeps it."""
    file, nowhere, elsewhere = (
        here / "preview.json",
        step(NAT["newState"]["type"], "nat"),
        step(NAT["newState"]["type"], "b"),
    )
    del nowhere["newState"]["inputs"]["region"]
    elsewhere["newState"]["inputs"]["region"] = "eu-west-1"
    file.write_text(preview(nowhere))
    assert "nothing in the preview says which region it is in: if AWS_REGION does, give --region" in run(file)
    assert "Cost of shop/dev, us-east-1: it costs more." in (text := run(file, "--region", "us-east-1"))
    assert "$32.85" in text
    file.write_text(preview(nowhere, elsewhere))
    assert "$67.89" in run(file, "--region", "us-east-1")  # and 730 x $0.048


@pytest.mark.parametrize("arguments", [(), ("show",)])
def test_a_file_or_standard_input(file, arguments):
    text = run(*arguments, file)
    assert "Cost of shop/dev, us-east-1: it costs more." in text
    assert "$32.85" in text
    assert run(*arguments, "-", text=preview(NAT)) == text


def test_options_stand_before_or_after_the_file(file):
    assert run("--format", "json", file) == run(file, "--format", "json")


def test_formats(file):
    assert run(file, "--format", "markdown").startswith("<!-- tandem-cost: shop/dev -->\n")
    assert json.loads(run(file, "--format", "json"))["numbers"]["idle"]["after"] == "32.85"


def test_output_goes_to_a_file(file, here):
    assert run(file, "--format", "json", "--output", "report.json") == ""
    assert json.loads((here / "report.json").read_text())["stack"] == "shop/dev"


def test_without_a_file_the_stack_is_previewed(project):
    project.pulumi_says(preview(NAT))
    assert "$32.85" in run("--stack", "dev")
    asked = "preview --json --show-sames --non-interactive"
    assert (project.folder / "pulumi-arguments").read_text().strip() == f"{asked} --stack dev"
    assert "$32.85" in run()
    assert (project.folder / "pulumi-arguments").read_text().strip() == asked


def test_gates_decide_the_exit_code(file, here):
    assert "max_idle_floor    passed" in run(file, "--gates", gates(here, "max_idle_floor: 33"))
    assert "$32.85 is more than $3.00" in run(file, "--gates", gates(here, "max_idle_floor: 3"), code=3)
    run(file, "--gates", gates(here, "max_idle_floor: 3\nstacks: {dev: {max_idle_floor: 40}}"))
    output = run(file, "--gates", gates(here, "max_idle_floor: 3"), "--output", here / "report", code=3)
    assert output == "max_idle_floor failed: $32.85 is more than $3.00\n"


@pytest.mark.faults
def test_what_is_not_priced_leaves_a_limit_undecided_and_fails_only_its_own_gate(here):
    text = preview(NAT, UNKNOWN_TYPE)
    limits = "max_idle_floor: 100\n"
    output = run("-", "--gates", gates(here, limits + "fail_on_unpriced: false"), text=text)
    assert "$32.85 + ?" in output
    assert "undecided  $32.85 of $100.00 are known; the rest is NOT PRICED" in output
    output = run("-", "--gates", gates(here, limits), text=text, code=3)
    assert "qubit" in output and "added or changed, NOT PRICED" in output


def test_discounts_of_the_gate_file_are_taken_off_before_its_limits(file, here):
    assert "$29.57 is at most $30.00" in run(
        file, "--gates", gates(here, "max_idle_floor: 30\ndiscount_pct: {AmazonEC2: 10}")
    )


@pytest.mark.faults
@pytest.mark.parametrize(
    ("arguments", "text", "says"),
    [
        (("refrsh",), None, "No such command 'refrsh'. Did you mean 'refresh'?"),
        (("-",), "", "The preview is empty"),
        (("-",), '{"a": 1}', "neither a preview nor its events"),
        (("-", "--format", "xml"), preview(NAT), "xml"),
    ],
)
def test_bad_input_exits_with_2(arguments, text, says):
    assert says in run(*arguments, text=text, code=2)


@pytest.mark.faults
def test_a_bad_gate_file_is_said_before_anything_is_previewed(project):
    path = gates(project.folder, "max_idle_flor: 3")
    assert "Did you mean `max_idle_floor`?" in run("--gates", path, code=2)
    assert not (project.folder / "pulumi-arguments").exists()


# What the AWS provider answers to a program's first look-up, which the program leaves as a traceback.
UNSIGNED = (
    "Traceback (most recent call last):\n  File 'app.py'\nException: No valid credential sources found: Please see\n"
)
NO_CREDENTIALS = json.dumps({"diagnostics": [{"severity": "error", "message": UNSIGNED}]})


@pytest.mark.faults
@pytest.mark.parametrize(
    ("stdout", "stderr", "says"),
    [
        (json.dumps({"diagnostics": [{"severity": "error", "message": "boom in app.py"}]}), "", "boom in app.py"),
        ("[", "", "it says nothing"),
        (
            NO_CREDENTIALS,
            "",
            "failed:\nThere are no AWS credentials: set AWS_PROFILE, or sign in with `aws sso login`.\n",
        ),
    ],
)
def test_a_preview_that_fails_is_shown(project, stdout, stderr, says):
    project.pulumi_says(stdout, stderr, status=255)
    output = run("--stack", "dev", code=1)
    assert "`pulumi preview --json --show-sames --non-interactive --stack dev` failed" in output
    assert says in output


@pytest.mark.faults
def test_a_stack_that_is_not_there_is_said_as_by_every_command(project):
    project.pulumi_says(stderr="error: no stack named 'dev' found", status=255)
    said = run("--stack", "dev", code=1)
    assert said.startswith(f"There is no stack 'dev' in {project.folder}: name one of `pulumi stack ls` with --stack")
    assert said.count("\n") == 1


@pytest.mark.faults
def test_without_pulumi(project, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert "not on PATH" in run(code=1)


@pytest.mark.faults
def test_report_that_can_not_be_written(file, here):
    assert "give another --output" in run(file, "--output", here / "no" / "folder", code=1)


def test_refresh_asks_for_a_region(monkeypatch):
    asked = []
    monkeypatch.setattr(aws, "client", lambda service, region: f"{service} in {region}")
    monkeypatch.setattr(refresh, "run", lambda region, **more: asked.append((region, more["write"], more["client"])))
    run("refresh", "--region", "eu-west-1")
    run("refresh", "--region", "us-east-1", "--write")
    assert asked == [("eu-west-1", False, "pricing in us-east-1"), ("us-east-1", True, "pricing in us-east-1")]
    run("refresh", code=2)


def test_refresh_asks_for_what_a_preview_needs(monkeypatch, file):
    asked = []
    monkeypatch.setattr(aws, "client", lambda *_: None)
    monkeypatch.setattr(refresh, "run", lambda region, **more: asked.append((more["accept"], sorted(more["asked"]))))
    run("refresh", "--region", "us-west-2", "--preview", file, "--accept")
    run("refresh", "--region", "us-west-2")
    assert asked[0][0] and ("AmazonEC2", "nat:hours") in asked[0][1]
    assert asked[1] == (False, [])
    assert "can't be read" in run("refresh", "--region", "us-west-2", "--preview", "no.json", code=2)


@pytest.mark.faults
def test_refresh_says_what_went_wrong(monkeypatch):
    monkeypatch.setattr(aws, "client", lambda *_: None)
    assert "'Oregon' is not allowed (a region's code)" in run("refresh", "--region", "Oregon", code=1)


def test_help_names_both_commands():
    assert {"show", "refresh"} <= set(run("--help").split())
