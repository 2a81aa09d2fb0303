"""What all workflows keep to, and what a release checks before it is built."""

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
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def mistakes(text: str) -> set[str]:
    """What breaks a rule of ours for workflows; actionlint knows the others."""
    workflow = yaml.safe_load(text)
    found = set()
    if "pull_request_target" in workflow[True]:  # `on` is YAML's true
        found.add("trigger")
    if workflow["permissions"] != {}:
        found.add("permissions")
    for line in text.splitlines():
        if "uses:" in line and not re.search(r"uses: (\./|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)", line):
            found.add("pin")
    for job in workflow["jobs"].values():
        needed = {"permissions"} if "uses" in job else {"permissions", "timeout-minutes", "concurrency"}
        found |= needed - job.keys()
        for step in job.get("steps", []):
            if "${{" in step.get("run", ""):
                found.add("expression in a script")
            if "secrets." in str(step.get("env")) + str(step.get("with")) and "uses" in step:
                found.add("secret for an action")
    return found


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_keep_the_rules(name):
    assert mistakes(WORKFLOWS[name]) == set()


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("  pull_request:\n", "  pull_request_target:\n", "trigger"),
        ("permissions: {}", "permissions: write-all", "permissions"),
        (r"@[0-9a-f]{40} # v7.0.1", "@v7", "pin"),
        (r"    timeout-minutes: 30\n", "", "timeout-minutes"),
        (r'--stack "\$STACK"', "--stack ${{ github.head_ref }}", "expression in a script"),
        (r"role-session-name: .*", "role-session-name: ${{ secrets.NAME }}", "secret for an action"),
    ],
)
def test_rules_bite(old, new, mistake):
    assert mistakes(re.sub(old, new, PREVIEW)) == {mistake}


@pytest.mark.skipif(not shutil.which("go"), reason="actionlint is built with Go")
@pytest.mark.parametrize(
    ("broken", "said"),
    [({}, ""), ({"preview": ("steps.aws.outcome", "steps.aws.outcom")}, 'property "outcom" is not defined')],
    ids=["ours", "a broken one"],
)
def test_actionlint(broken, said, tmp_path):
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (tmp_path / ".git").mkdir()  # a project, in which workflows call each other
    for name, text in WORKFLOWS.items():
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
