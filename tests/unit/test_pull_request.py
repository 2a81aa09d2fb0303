"""The workflow for pull requests and the action that it uses: their steps run against a fake GitHub."""

import json
import os
import re
import sys

import parliament
import pytest
import yaml

from localcloud.toolchain import go_programs
from scripts.recorder import ROOT
from tandem.clients import preflight
from tandem.cost.reports.markdown import STILL
from tests.support import github_api
from tests.support.deployer import PREFLIGHT, allowed
from tests.support.github_api import Fault
from tests.support.workflow import ACTION, COMMENT, run_job

JOBS = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())["jobs"]
JOB = JOBS["preview"]
DOCUMENT = (ROOT / "docs" / "pull-requests.md").read_text()
POLICIES = [json.loads(block) for block in re.findall(r"```json\n(.+?)```", DOCUMENT, re.DOTALL)]
# What the AWS provider asks for where a program looks something up (its data sources); a quota's default comes first.
LOOK_UPS = {
    "get_addon": {"eks:DescribeAddon"},
    "get_addon_version": {"eks:DescribeAddonVersions"},
    "get_availability_zones": {"ec2:DescribeAvailabilityZones"},
    "get_caller_identity": set(),  # needs no right
    "get_cluster": {"eks:DescribeCluster"},
    "get_cluster_versions": {"eks:DescribeClusterVersions"},
    "get_clusters": {"eks:ListClusters"},
    "get_instance_type_offerings": {"ec2:DescribeInstanceTypeOfferings"},
    "get_partition": set(),  # no call
    "get_region": set(),  # no call
    "get_roles": {"iam:ListRoles"},
    "get_service_quota": {"servicequotas:GetAWSDefaultServiceQuota", "servicequotas:GetServiceQuota"},
    "get_subnet": {"ec2:DescribeSubnets"},
}
BROUGHT = {
    "get_bucket": {"s3:ListBucket"},
    "get_bucket_notification": {"s3:GetBucketNotification"},
    "get_buckets": {"s3:ListAllMyBuckets"},
    "get_key": {"kms:DescribeKey"},
    "get_policy": {"iam:GetPolicy", "iam:GetPolicyVersion"},
    "get_resource": {"cloudformation:GetResource"},
}
STACKS = JOB["strategy"]["matrix"]["stack"]
MARKER = "<!-- tandem-cost: rag-dev -->"
COMMIT = "4f2a9c1d0e8b7a6f5c4d3e2f1a0b9c8d7e6f5a4b"
RUN = f"[the run](https://github.com/{github_api.REPOSITORY}/actions/runs/1)"
LAST = f"Of commit `{COMMIT[:12]}`: {RUN}.\n"
FAILED = f"❌ **No numbers for `{COMMIT[:12]}`:** the preview failed, or what was to make a report of it ({RUN})."
VARIABLES = {
    "AWS_PREVIEW_ROLE": "arn:aws:iam::123456789012:role/preview",
    "AWS_REGION": "us-east-1",
    "PULUMI_BACKEND_URL": "s3://state-of-example?region=us-east-1",
}
SECRETS = {"PULUMI_CONFIG_PASSPHRASE": "a passphrase"}
# What the steps call. `pulumi` fails at a policy, or altogether; `python` makes the environment with `tandem` in it.
PULUMI = """#!/bin/bash
[[ "$*" == "install --non-interactive" ]] && { test "$BREAKS" != install; exit; }
[[ "$*" == *"--stack rag-dev"* && $PULUMI_BACKEND_URL == s3://* && $PULUMI_CONFIG_PASSPHRASE ]] || exit 99
[[ "$*" != *--policy-pack* || "$*" == *"--policy-pack $RUNNER_TEMP/policies --diff"*"--event-log "* ]] || exit 98
[[ "$*" != *--event-log* || $PULUMI_DEBUG_COMMANDS == true ]] || exit 96
case "$BREAKS $*" in
  program*) echo "error: the program is wrong" >&2; exit 255 ;;
  policy*--policy-pack*) echo "mandatory: public-bucket" >&2; exit 255 ;;
  *--policy-pack*) test -d "$RUNNER_TEMP/policies" ;;
  *--json*--show-sames*) echo '{"steps": []}' ;;
  *) exit 97 ;;
esac
"""
TANDEM = f"""#!/bin/bash
[[ "$*" == "policies $RUNNER_TEMP/policies" ]] && {{ mkdir -p "$2"; exit; }}
[[ "$1 $2" == "cost comment" ]] && exec {sys.executable} -m tandem.cli.main "$@"
if [[ $1 == preflight ]]; then
  [[ "$*" == "preflight $RUNNER_TEMP/preview.json --stack rag-dev" && $PULUMI_CONFIG_PASSPHRASE ]] || exit 99
  test "$BREAKS" != account; exit
fi
at=$RUNNER_TEMP/tandem-report
wanted="cost $RUNNER_TEMP/preview.json --region us-east-1 --gates cost-gates.yaml"
wanted+=" --policies $at/policy-events.json --format markdown --output $at/rag-dev.md"
[[ "$*" == "$wanted" && ! $PULUMI_CONFIG_PASSPHRASE ]] || exit 99
jq -e .steps "$2" > /dev/null && test -f cost-gates.yaml || exit 98
test "$BREAKS" = report && exit 2
printf '<!-- tandem-cost: tandem/rag-dev -->\\n\\n%s\\n' "$COMMENT" > "${{@: -1}}"
test "$BREAKS" != gate || {{ echo "max_idle_floor failed: $9.00 is more than $3.00" >&2; exit 3; }}
"""
PYTHON = """#!/bin/bash
case "$*" in
  "-m venv $RUNNER_TEMP/tandem")
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && cp "$RUNNER_TEMP/installed" "$3/bin/tandem" ;;
  "-m pip install --quiet --no-deps --require-hashes -r "*) grep -q "^boto3==" "${@: -1}" ;;
  "-m pip install --quiet --no-deps --no-build-isolation "*) test -f "${@: -1}/pyproject.toml" ;;
  *) exit 96 ;;
esac
"""


REPORT = "<!-- tandem-cost: tandem/rag-dev -->\n\n"


def body(text, last=LAST):
    return f"{MARKER}\n\n{text}\n\n{last}"


@pytest.fixture
def github():
    with github_api.serve() as served:
        yield served


@pytest.fixture
def run(github, tmp_path):
    """Runs the job of rag-dev for a push to the pull request, with the text that `tandem cost` will write."""
    folder, programs = tmp_path / "checkout", tmp_path / "programs"
    for each in (folder, programs):
        each.mkdir()
    for name in ("stacks", "cost-gates.yaml"):
        (folder / name).symlink_to(ROOT / name)
    scripts = {"pulumi": PULUMI, "installed": TANDEM, "python": PYTHON}
    # Waiting is written down, not done.
    (programs / "sitecustomize.py").write_text("import time\ntime.sleep = lambda s: print(f'slept {s:.0f}')\n")
    for name, text in scripts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)

    def start(
        text="$2.90 a month",
        breaks="",
        head=github_api.REPOSITORY,
        variables=VARIABLES,
        secrets=SECRETS,
        event=None,
        comment="always",
        job=JOB,
    ):
        pull_request = {
            "number": github_api.PULL_REQUEST,
            "head": {"repo": {"full_name": head} if head else None, "sha": COMMIT},
        }
        event = {"pull_request": pull_request} if event is None else event
        contexts = {
            "github": github_api.CONTEXT | {"event": event},
            "runner": {"temp": str(programs)},
            "matrix": {"stack": "rag-dev"},
            "vars": variables,
            "secrets": secrets,
        }
        environment = {
            "GITHUB_API_URL": github.url,
            "GITHUB_REPOSITORY": github_api.REPOSITORY,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(programs),
            "PYTHONPATH": str(programs),
            "COMMENT": text,
            "BREAKS": breaks,
        }
        (folder / ".github_step_summary").unlink(missing_ok=True)
        elsewhere = {"Python": {"python-path": str(programs / "python")}}
        *before, last = job["steps"]
        last = {**last, "with": {**last["with"], "comment": comment}}
        return run_job([*before, last], contexts, folder, environment, elsewhere)

    return start


def test_stacks_and_engine_are_those_of_the_repository():
    assert [stack for stack in STACKS if not (ROOT / "stacks" / f"Pulumi.{stack}.yaml").exists()] == []
    pinned = next(step["with"]["pulumi-version"] for step in ACTION["runs"]["steps"] if step["name"] == "Pulumi")
    assert go_programs.LINKER_FLAGS.endswith(f"v{pinned}")


def test_comment_is_created_then_updated(run, github):
    """Also among 150 others, over pages, with a person quoting ours and another stack's beside it."""
    for number in range(150):
        github.add(f"comment {number}", "someone")
    github.add(f"{MARKER}\nlook at this", "someone")
    github.add(f"What is {MARKER}?", "another[bot]", "Bot")
    github.add(MARKER.replace("rag-dev", "hybrid-dev") + "\n$5", "github-actions[bot]", "Bot")
    others = [each["body"] for each in github.comments]

    first = run("$2.90 a month")
    assert (first.conclusion, first.summary) == ("success", f"{REPORT}$2.90 a month\n")
    for number in range(100):
        github.add(f"later comment {number}", "someone")
    second = run("$1.10 a month")

    assert (second.conclusion, second.summary) == ("success", f"{REPORT}$1.10 a month\n")
    assert [each["body"] for each in github.comments][:153] == others
    assert github.by_bot()[1:] == [body("$1.10 a month")]
    assert [each.split()[0] for each in github.requests if "GET" not in each] == ["POST", "PATCH"]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("breaks", "red", "numbers"),
    [
        ("gate", {"Cost and gates"}, True),
        ("policy", {"Policies"}, True),
        ("account", {"Preflight"}, True),
        ("install", {"Program"}, False),
        ("program", {"Policies", "Preview"}, False),
        ("report", {"Cost and gates"}, False),
    ],
)
def test_what_fails_is_red_and_no_comment_has_an_old_commits_numbers(run, github, breaks, red, numbers):
    github.add(body("$9.00 a month", "Of commit `0000000`"), "github-actions[bot]", "Bot")
    job = run(breaks=breaks)
    assert job.conclusion == "failure"
    assert {step for step, outcome in job.outcomes.items() if outcome == "failure"} == red
    assert github.by_bot() == [body("$2.90 a month" if numbers else f"### Cost of `rag-dev`\n\n{FAILED}")]


@pytest.mark.parametrize("text", [STILL, "it costs more"])
def test_where_no_number_moves_there_need_be_no_comment(run, github, text):
    """One that is there says it all the same: it would be an earlier commit's."""
    moves = text != STILL
    assert run(text, comment="moved").conclusion == "success"
    assert bool(github.by_bot()) == moves
    github.comments.clear()
    github.add(body("$9.00 a month", "Of commit `0000000`"), "github-actions[bot]", "Bot")
    run(text, comment="moved")
    assert github.by_bot() == [body(text)]
    github.comments.clear()
    run("never seen", breaks="program", comment="moved")
    assert github.by_bot() == [body(f"### Cost of `rag-dev`\n\n{FAILED}")]


@pytest.mark.faults
def test_what_is_asked_of_the_comment_is_one_of_three(run, github):
    job = run(comment="sometimes")
    assert "::error::The action's input comment is 'sometimes': give always, moved or later." in job.printed
    assert job.outcomes["Access"] == "failure" and github.requests == []


def test_previews_leave_reports_and_the_last_job_makes_one_comment_of_them(run, github, tmp_path):
    """Of a preview that left none it says so; the jobs that run programs can't write to pull requests."""
    assert "pull-requests" not in JOB["permissions"] and JOBS["comment"]["needs"] == "preview"
    assert JOBS["comment"]["steps"][-1]["with"]["stacks"].split() == STACKS
    assert run(comment="later").conclusion == "success" and github.requests == []
    left = tmp_path / "programs" / "tandem-report" / "rag-dev.md"
    assert left.read_text() == f"{REPORT}$2.90 a month\n"

    fetched = tmp_path / "programs" / "tandem-reports"
    fetched.mkdir()
    (fetched / "rag-dev.md").write_text(left.read_text())
    (fetched / "hybrid-dev.md").write_text(f"{REPORT}$7.00 a month\n\n<details>\n\n| a |\n\n</details>\n")
    job = run(job=JOBS["comment"])
    assert job.conclusion == "success", job.printed
    (comment,) = github.by_bot()
    parts = ["<!-- tandem-cost: preview -->", "$2.90 a month", f"### Cost of `finetune-dev`\n\n{FAILED}"]
    parts += ["$7.00 a month\n\n<details>\n\n| a |\n\n</details>", LAST]
    assert comment == "\n\n".join(parts)


@pytest.mark.parametrize("head", ["someone/tandem", None], ids=["a fork", "a deleted fork"])
def test_fork_ends_well_with_a_sentence(run, github, head):
    """Whatever variables a fork sees."""
    job = run(head=head, variables={}, secrets={})
    assert job.conclusion == "success"
    assert {step for step, outcome in job.outcomes.items() if outcome == "success"} == {"Check out", "Access"}
    assert "comes from a fork, which gets no credentials" in job.summary
    assert "git push origin HEAD:fork-7" in job.summary
    assert "::notice::No preview of rag-dev" in job.printed
    assert github.requests == []


@pytest.mark.parametrize(("breaks", "red"), [("", set()), ("gate", {"Cost and gates"}), ("policy", {"Policies"})])
def test_a_merge_queue_is_judged_without_a_comment(run, github, breaks, red):
    """It has no pull request of its own, and branch protection waits for the same checks."""
    job = run(breaks=breaks, event={"merge_group": {"head_ref": "refs/heads/gh-readonly-queue/main/pr-7-abc"}})
    assert {step for step, outcome in job.outcomes.items() if outcome == "failure"} == red
    assert {step for step, outcome in job.outcomes.items() if outcome == "skipped"} == {"Comment", "Report"}
    assert github.requests == []


@pytest.mark.faults
@pytest.mark.parametrize(
    ("variables", "secrets", "missing"),
    [
        ({}, {}, "role region backend-url passphrase"),
        (VARIABLES, {}, "passphrase"),
        (VARIABLES | {"PULUMI_BACKEND_URL": "https://api.pulumi.com"}, SECRETS, "access-token"),
        (VARIABLES | {"AWS_REGION": ""}, SECRETS, "region"),
    ],
)
def test_one_error_names_all_that_is_missing(run, github, variables, secrets, missing):
    job = run(variables=variables, secrets=secrets)
    errors = [line for line in job.printed.splitlines() if line.startswith("::error::")]
    assert len(errors) == 1
    assert f"The action has nothing for {missing}: " in errors[0]
    assert job.conclusion == "failure"
    assert [step for step, outcome in job.outcomes.items() if outcome != "skipped"] == ["Check out", "Access"]


def test_state_by_a_key_of_aws_needs_no_passphrase(run, github, tmp_path):
    stacks = tmp_path / "checkout" / "stacks"
    stacks.unlink()
    stacks.mkdir()
    text = (ROOT / "stacks" / "Pulumi.rag-dev.yaml").read_text()
    (stacks / "Pulumi.rag-dev.yaml").write_text("secretsprovider: awskms://alias/state\n" + text)
    assert run(secrets={}).outcomes["Access"] == "success"


@pytest.mark.faults
@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET", 502),
        Fault("POST", 502),
        Fault("POST", 502, done=True),
        Fault("POST", 500, done=True),
        Fault("PATCH", 503),
        Fault("GET", 429, "too many", {"Retry-After": "7"}),
        Fault("POST", 403, "You have exceeded a secondary rate limit", {"Retry-After": "7"}),
        Fault("POST", 403, "API rate limit exceeded", {"X-RateLimit-Remaining": "0"}),
    ],
    ids=lambda fault: f"{fault.method} {fault.status}{' but done' if fault.done else ''}",
)
def test_busy_github_is_asked_again(run, github, fault):
    if fault.method == "PATCH":
        github.add(body("old"), "github-actions[bot]", "Bot")
    github.faults.append(fault)
    job = run("new")
    assert job.conclusion == "success", job.printed
    assert github.by_bot() == [body("new")]
    waits = [int(seconds) for seconds in re.findall(r"slept (\d+)", job.printed)]
    assert len(waits) == 1
    assert waits[0] >= int(fault.headers.get("Retry-After", 0))


@pytest.mark.faults
@pytest.mark.parametrize(
    ("faults", "said", "asked"),
    [
        ([Fault("GET", 503)] * 50, "GitHub answered 503 to GET", 6),
        ([Fault("POST", 403, "Resource not accessible by integration")], "`pull-requests: write`", 2),
        ([Fault("GET", 429, "too many", {"Retry-After": "86400"})] * 50, "GitHub answered 429 to GET", 6),
    ],
    ids=["down", "no right", "busy for a day"],
)
def test_comment_that_cannot_be_made_fails_and_stays_in_the_summary(run, github, faults, said, asked):
    github.faults.extend(faults)
    job = run("the text")
    assert job.outcomes["Comment"] == "failure"
    assert said in job.printed.splitlines()[-1]
    assert "the text" in job.summary
    assert len(github.requests) == asked
    assert sum(int(seconds) for seconds in re.findall(r"slept (\d+)", job.printed)) <= 6 * 120


@pytest.mark.faults
def test_a_token_that_may_only_read_is_told_the_right_that_it_lacks(run, github):
    github.may_write = False
    job = run()
    assert job.outcomes["Comment"] == "failure" and "`pull-requests: write`" in job.printed.splitlines()[-1]
    assert github.comments == [] and "$2.90 a month" in job.summary


def test_document_lists_what_workflow_and_action_read():
    wanted = [*re.findall(r"(?:vars|secrets)\.(\w+)", str(JOB)), *ACTION["inputs"], *COMMENT["inputs"]]
    assert [name for name in wanted if f"`{name}`" not in DOCUMENT] == []
    assert [stack for stack in STACKS if f"`preview ({stack})`" not in DOCUMENT] == []


def test_policies_of_the_document():
    trust, rights = POLICIES
    asking = json.loads(PREFLIGHT.read_text())["Statement"][0]
    condition = trust["Statement"][0]["Condition"]["StringEquals"]
    assert condition["token.actions.githubusercontent.com:sub"].endswith(":pull_request")
    assert parliament.analyze_policy_string(json.dumps(rights)).findings == []
    verbs = {action.split(":")[1] for statement in (*rights["Statement"], asking) for action in statement["Action"]}
    assert {verb for verb in verbs if not verb.startswith(("Get", "List", "Describe", "Decrypt"))} == set()
    assert {feature.action for feature in preflight.FEATURES.values()} <= {*asking["Action"]}


def test_what_a_preview_looks_up_is_what_its_role_and_who_deploys_may():
    sources = [path.read_text() for path in (ROOT / "components" / "pulumi_tandem").rglob("*.py")]
    looked_up = {
        name for each in sources for name in re.findall(r"\b(?:aws|ec2)\.(?:\w+\.)?(get_\w+?)(?:_output)?\(", each)
    }
    assert looked_up == LOOK_UPS.keys() | BROUGHT.keys()
    page = (ROOT / "docs" / "bring-your-own.md").read_text()
    assert [right for right in set().union(*BROUGHT.values()) if f"`{right}`" not in page] == []
    needed = set().union(*LOOK_UPS.values())
    _, *clusters = json.loads(PREFLIGHT.read_text())["Statement"]
    assert needed == {action for each in clusters for action in each["Action"]}
    assert [action for action in needed if not allowed(action, "*")] == []


def test_gates_are_ones_that_the_command_knows():
    from tandem.cost import gates

    gates.read(ROOT / "cost-gates.yaml")
