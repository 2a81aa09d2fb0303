"""What all workflows and our action keep to, and what a release checks before it is built."""

import re
import shutil
import subprocess
import tomllib

import pytest
import tandem_contract
import yaml

from scripts import release
from scripts.recorder import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {file.stem: file.read_text() for file in sorted(FOLDER.glob("*.yml"))}
PREVIEW, RELEASE, TEST = (WORKFLOWS[name] for name in ("preview", "release", "test"))
ACTION, COMMENT = ((ROOT / name).read_text() for name in ("action.yml", "comment/action.yml"))
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def mistakes(text: str) -> set[str]:
    """What breaks a rule of ours for workflows and actions; actionlint knows the others."""
    found = set()
    for line in text.splitlines():
        if "uses:" in line and not re.search(r"uses: (\./|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)", line):
            found.add("pin")
    workflow = yaml.safe_load(text)
    if "runs" in workflow:
        return found | mistakes_of_steps(workflow["runs"]["steps"])
    if "pull_request_target" in workflow[True]:  # `on` is YAML's true
        found.add("trigger")
    if workflow["permissions"] != {}:
        found.add("permissions")
    for job in workflow["jobs"].values():
        needed = {"permissions"} if "uses" in job else {"permissions", "timeout-minutes", "concurrency"}
        found |= (needed - job.keys() - ({"concurrency"} & workflow.keys())) | mistakes_of_steps(job.get("steps", []))
    return found


def mistakes_of_steps(steps: list[dict]) -> set[str]:
    found = set()
    for step in steps:
        if "${{" in step.get("run", ""):
            found.add("expression in a script")
        given = str(step.get("env")) + str(step.get("with"))
        if not step.get("uses", "./").startswith("./") and re.search(r"secrets\.|inputs\.(passphrase|.*token)", given):
            found.add("secret for an action")
    return found


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_keep_the_rules(name):
    assert mistakes(WORKFLOWS[name]) == set()


@pytest.mark.parametrize("text", [ACTION, COMMENT], ids=["action", "comment"])
def test_actions_keep_the_rules(text):
    assert mistakes(text) == set()


@pytest.mark.parametrize(
    ("text", "old", "new", "mistake"),
    [
        (PREVIEW, "  pull_request:\n", "  pull_request_target:\n", "trigger"),
        (PREVIEW, "permissions: {}", "permissions: write-all", "permissions"),
        (PREVIEW, r"@[0-9a-f]{40} # v7.0.1", "@v7", "pin"),
        (PREVIEW, r"    timeout-minutes: 30\n", "", "timeout-minutes"),
        (PREVIEW, r"(?s)\nconcurrency:.*?\n\n", "\n", "concurrency"),
        (RELEASE, "make dist", "make ${{ github.ref_name }}", "expression in a script"),
        (RELEASE, "packages-dir: .*", "packages-dir: ${{ secrets.NAME }}", "secret for an action"),
        (ACTION, r"@[0-9a-f]{40} # v7.0.0", "@main", "pin"),
        (ACTION, r'--stack "\$STACK"', "--stack ${{ inputs.stack }}", "expression in a script"),
        (ACTION, r"role-session-name: .*", "role-session-name: ${{ inputs.access-token }}", "secret for an action"),
    ],
)
def test_rules_bite(text, old, new, mistake):
    assert mistakes(re.sub(old, new, text)) == {mistake}


def test_both_actions_install_the_same():
    steps = [
        [step for step in action["runs"]["steps"] if step["name"] in ("Python", "Tandem")]
        for action in map(yaml.safe_load, (ACTION, COMMENT))
    ]
    assert [step.get("uses") for step in steps[0]] == [step.get("uses") for step in steps[1]]
    ours, others = (re.sub(r"\$lock|\$core/requirements.lock", "LOCK", each[1]["run"]) for each in steps)
    assert [line for line in ours.splitlines() if "lock=" not in line] == [
        line.replace('"$core"', '"$GITHUB_ACTION_PATH/core"') for line in others.splitlines() if "core=" not in line
    ]


def as_a_job(text: str) -> str:
    """An action as a workflow with its steps."""
    action = yaml.safe_load(text)
    called = {"workflow_call": {"inputs": {name: {"type": "string"} for name in action["inputs"]}}}
    job = {"runs-on": "ubuntu-24.04", "steps": action["runs"]["steps"]}
    return yaml.safe_dump({"on": called, "jobs": {"action": job}}, sort_keys=False)


@pytest.mark.skipif(not shutil.which("go"), reason="actionlint is built with Go")
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({}, ""),
        ({"action": ("steps.aws.outcome", "steps.aws.outcom")}, 'property "outcom" is not defined'),
        ({"comment": ("runner.temp", "runner.tmp")}, 'property "tmp" is not defined'),
        ({"preview": ("backend-url:", "backend:")}, 'input "backend" is not defined'),
        ({"preview": ("stacks:", "stack:")}, 'input "stack" is not defined'),
    ],
    ids=["ours", "a broken action", "another", "a use of it that is broken", "another"],
)
def test_actionlint(broken, said, tmp_path):
    """The steps of the action as those of a job too: actionlint reads what an action takes, and not what it does."""
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (tmp_path / ".git").mkdir()  # a project, in which workflows call each other
    (tmp_path / "action.yml").write_text(ACTION)
    (tmp_path / "comment").mkdir()
    (tmp_path / "comment" / "action.yml").write_text(COMMENT)
    jobs = {"action": as_a_job(ACTION), "comment": as_a_job(COMMENT)}
    for name, text in (WORKFLOWS | jobs).items():
        (folder / f"{name}.yml").write_text(text.replace(*broken.get(name, ("", ""))))
    command = ["go", "tool", "actionlint", "-no-color", "-shellcheck=", "-pyflakes=", *sorted(folder.iterdir())]
    where = ROOT / "tests" / "support" / "actionlint"
    linted = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    assert bool(linted.returncode) == bool(said), linted.stdout + linted.stderr
    assert said in linted.stdout


def test_each_python_that_the_package_names_is_tested():
    tested = yaml.safe_load(TEST)["jobs"]["unit"]["strategy"]["matrix"]["python"]
    prefix = "Programming Language :: Python :: 3."
    assert [f"3.{each.removeprefix(prefix)}" for each in SETTINGS["classifiers"] if each.startswith(prefix)] == tested


@pytest.mark.parametrize("file", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda file: file.stem)
def test_commands_and_folders_that_are_named_exist(file):
    targets = re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [name for name in re.findall(r"\bmake ([\w./-]+\w)", file.read_text()) if name not in targets] == []
    for update in yaml.safe_load(file.read_text()).get("updates", []):
        for folder in update.get("directories", [update.get("directory")]):
            assert [*ROOT.parent.glob(f"{ROOT.name}{folder}")], folder


@pytest.mark.faults
def test_a_release_that_does_not_fit_is_refused_with_all_reasons():
    unchanged = "# Changelog\n\n## Unreleased\n"
    changes = unchanged + f"\n## {tandem_contract.__version__} (2027-01-01)\n"
    ours = SETTINGS["urls"]["Repository"]
    assert release.mistakes(f"v{tandem_contract.__version__}", ours, changes) == []
    tag, section, repository = release.mistakes("v9.9.9", "https://github.com/someone/fork", unchanged)
    assert f"The tag is v9.9.9, the version {tandem_contract.__version__}" in tag
    assert f"no section {tandem_contract.__version__}: give `Unreleased` that name" in section
    assert f"names {ours}, and this is https://github.com/someone/fork" in repository


def test_the_version_stands_once():
    """Elsewhere it is read, or made from it."""
    for file in ("pyproject.toml", "core/pyproject.toml", "localcloud/pyproject.toml"):
        assert "version" in tomllib.loads((ROOT / file).read_text())["project"]["dynamic"], file
    assert f"\nversion: {tandem_contract.__version__}\n" in (ROOT / "policies" / "PulumiPolicy.yaml").read_text()
