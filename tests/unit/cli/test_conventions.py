"""What holds for every command: examples that can be typed, `--json`, exit codes, completion, one wording a mistake."""

import ast
import inspect
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

import tandem.cli
from scripts.commands_page import commands
from tandem.cli import exits
from tandem.cli.examples import EXAMPLES
from tandem.cli.main import app
from tandem.cost import gates
from tests.support.stack_state import environment

FILE = re.compile(r"[\w./-]+\.(jsonl?|ya?ml|md|csv|pdf)")
COMMANDS = {context.command_path.removeprefix("tandem "): command for command, context in commands()}
ACT = {
    "cost comment": "acts",
    "cost refresh": "says what drifted as it reads",
    "eval import": "writes a file",
    "eval report": "writes a page, whose data `eval compare --json` has",
    "finetune cancel": "acts",
    "finetune logs": "prints a log as it is",
    "finetune promote": "acts, and prints a difference",
    "finetune resume": "acts",
    "finetune start": "acts, and prints the run's name alone on stdout",
    "forget": "acts",
    "policies": "writes files",
    "reread": "acts",
}
"""Commands that list and report nothing."""


def line_of(example: str) -> list[str]:
    """The words behind `tandem` of what an example ends in."""
    first, *words = shlex.split(example.rpartition("| ")[2])
    assert first == "tandem"
    return words


def parsed(words: list[str]) -> tuple[str, typer.Context]:
    """The command that the words name, and its context: all of them are understood."""
    command = typer.main.get_command(app)
    context = command.make_context("tandem", list(words))
    while hasattr(command, "commands"):
        name, command, left = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, left, parent=context)
    return context.command_path.removeprefix("tandem "), context


def test_every_command_has_two_or_three_examples():
    assert EXAMPLES.keys() == COMMANDS.keys()
    assert {len(examples) for examples in EXAMPLES.values()} <= {2, 3}


@pytest.mark.parametrize(("command", "example"), [(name, each) for name, all in EXAMPLES.items() for each in all])
def test_an_example_is_a_command_line_of_its_command(command, example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for word in (words := line_of(example)):
        if word.endswith("/") and "://" not in word:
            Path(word).mkdir(parents=True)
        elif FILE.fullmatch(word):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).touch()
    name, context = parsed(words)
    assert name == command and not context.args


def test_help_ends_with_the_examples():
    text = CliRunner().invoke(app, ["ask", "--help"], env={"COLUMNS": "200"}).output
    assert text.rstrip().endswith(EXAMPLES["ask"][-1])


def test_what_is_listed_or_reported_is_there_as_json_under_one_option():
    silent = {name for name, command in COMMANDS.items() if "--json" not in str([it.opts for it in command.params])}
    assert silent == ACT.keys()
    shapes = {it.help for command in COMMANDS.values() for it in command.params if "--json" in it.opts}
    assert len(shapes) == 1


def test_every_exit_of_a_command_has_a_meaning():
    """No number stands where a command ends: it has a name, and the table says what it means."""
    ends, named = [], set()
    for file in Path(inspect.getfile(tandem.cli)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.Exit", "os._exit"):
                ends.append((file.name, ast.unparse(node)))
                named |= {it.attr for it in ast.walk(node) if isinstance(it, ast.Attribute) and it.attr.isupper()}
    assert len(ends) > 8 and not [end for end in ends if re.search(r"\b[1-9]", end[1])]
    assert {getattr(exits, name) for name in named} == exits.MEANINGS.keys() - {0}
    assert gates.FAILED == exits.CROSSED


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("--version", 0),
        ("ask What?", exits.FAILED),  # no project
        ("ask What? --top-k 30", exits.UNUSABLE),
        ("cost none", exits.UNUSABLE),
        ("questions none", exits.UNUSABLE),
        ("nothing", exits.UNUSABLE),
    ],
)
def test_exit_codes(arguments, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, arguments.split()).exit_code == code


@pytest.mark.faults
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("ask x --top-k 30", "'--top-k': 30 is not allowed (a whole number from 1 to 20)."),
        ("ask x --top-k three", "'--top-k': three is not allowed (a whole number from 1 to 20)."),
        ("ask x --timeout 0", "'--timeout': 0 is not allowed (a number, 1 or more)."),
        ("redrive --limit 1.5", "'--limit': 1.5 is not allowed (a whole number, 1 or more)."),
        (
            "eval run /etc/hosts --target x --name y --concurrency 65",
            "65 is not allowed (a whole number from 1 to 64).",
        ),
        ("cost - --format xml", "'--format': xml is not allowed (text, markdown, json)."),
        ("cost refrsh", "No such command 'refrsh'. Did you mean 'refresh'?"),
    ],
)
def test_a_value_that_is_not_allowed_is_told_with_what_is(arguments, told):
    result = CliRunner().invoke(app, arguments.split(), input="{}")
    assert result.exit_code == exits.UNUSABLE
    assert told in " ".join(re.sub("[╭╮╰╯│─]", " ", result.stderr).split())


@pytest.mark.parametrize(
    ("words", "at", "offers"),
    [
        ("tandem doc", 1, {"documents", "doctor"}),
        ("tandem eval c", 2, {"compare", "calibrate"}),
        ("tandem ask --env", 2, {"--environment"}),
        ("tandem local u", 2, set()),  # whose distribution need not be there
    ],
)
def test_the_shell_completes_commands_and_options(words, at, offers):
    code = "from tandem.cli import main; main.GROUP = 'tandem.none'; main.app(prog_name='tandem')"
    asked = {"_TANDEM_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert (done.stderr, set(done.stdout.split())) == ("", offers)


STACK = [name for name, command in COMMANDS.items() if "stack" in [it.name for it in command.params]]
OTHERWISE = {"doctor", "preflight", "status", "cost show", "finetune check", "finetune start"}
"""These look at the configuration, at a preview or at a file first, or go on; each has a test of its own."""


def about_a_stack() -> list[str]:
    """A line for each command that reads a stack: its first example, with no other stack named."""
    lines = [re.sub(r" --(stack|url) \S+", "", EXAMPLES[name][0]) for name in STACK if name not in OTHERWISE]
    return [*lines, "tandem eval run questions.jsonl --target stack:rag-dev --name rag"]


@pytest.fixture
def ready(folder, project):
    """What the examples name."""
    (project.folder / "stacks").mkdir()
    (project.folder / "stacks" / "Pulumi.finetune-dev.yaml").write_text("config: {}\n")
    (folder / "handbook").mkdir()
    (folder / "handbook" / "a.md").write_text("# Heat pumps")
    row = '{"id": "1", "question": "What?", "document": "a.md", "reference": "So."}\n'
    other = '{"id": "2", "question": "Who?", "document": null}\n'
    (folder / "questions.jsonl").write_text(row + other)
    rows = "".join(f'{{"instruction": "What is {n}?", "output": "A number."}}\n' for n in range(60))
    (folder / "rows.jsonl").write_text(rows)
    return folder


def told(line: str) -> str:
    result = CliRunner().invoke(app, line_of(line))
    assert result.exit_code == exits.FAILED, f"{line}: {result.output}{result.exception!r}"
    return result.stderr.strip().splitlines()[-1]


@pytest.mark.faults
@pytest.mark.parametrize("line", about_a_stack())
def test_each_mistake_has_one_wording(line, project, ready, monkeypatch):
    """No stack, no login, nothing deployed, an environment that isn't there, the local cloud down, no credentials."""
    name = "finetune-dev" if re.match("tandem (dataset|finetune)", line) else "rag-dev"
    project.pulumi_says(stderr=f"error: no stack named '{name}' found", status=255)
    assert told(line).startswith(f"There is no stack '{name}' in {project.folder}: name one of `pulumi stack ls` with")
    said = "error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions"
    project.pulumi_says(stderr=said, status=255)
    assert told(line).startswith("Pulumi is not logged in to where the stack's state is: run `pulumi login`, with its")
    project.pulumi_says('{"version": 3, "deployment": null}')
    assert told(line) == f"Nothing of Tandem is deployed in stack '{name}': run `pulumi up --stack {name}` first."
    outputs = dict.fromkeys(("documentsBucket", "ledgerTable", "datasetBucket", "artifactBucket"), "tandem-1")
    outputs |= {"modelPackageGroup": "models", "region": "us-east-1", "queryUrl": "http://127.0.0.1:9/query"}
    outputs |= {"deadLetterQueueUrl": "https://sqs.us-east-1.amazonaws.com/1/dead"}
    project.has(environment("HybridEnvironment", "whole", **outputs))
    assert told(f"{line} --environment other") == (
        f"Stack '{name}' has no environment 'other'; it has HybridEnvironment 'whole'."
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None, time=time.time))
    down = r"Nothing answers at http://127\.0\.0\.1:9/\S*: start the local cloud \(`tandem local up`\)"
    assert re.search(down, told(line)), told(line)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(ready / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(ready / "none"))
    assert told(line) == "There are no AWS credentials: set AWS_PROFILE, or sign in with `aws sso login`."
