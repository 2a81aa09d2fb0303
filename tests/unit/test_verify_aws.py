"""`make verify-aws`, with `pulumi` and `tandem` commands that keep an account of one bucket, and may be killed."""

import json
import os
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from botocore.exceptions import ClientError, EndpointConnectionError, ProfileNotFound

import scripts.verify.__main__ as verify
from scripts import aws_facts, finetune
from scripts.verify import journal, left, probes, stack
from scripts.verify.probes import Answer
from tandem.clients import aws
from tandem.finetuning import recipe

COMMAND = r"""#!/bin/bash
name=$(basename "$0"); shown="$name $*"
echo "$shown" >> "$HERE/calls"
case "$shown" in "pulumi stack "*|"pulumi config "*) ;; *) echo "$AWS_REGION" >> "$HERE/region";; esac
ends() { if [ "$(wc -l < "$HERE/calls")" -eq "${KILL_AT:-0}" ]; then kill -9 $PPID; exit 137; fi; }
unlocked() { if [ -e "$HERE/lock" ]; then echo "the stack is locked" >&2; exit 255; fi; touch "$HERE/lock"; }
case "$shown" in "pulumi up "*|"pulumi destroy "*) ;; *) ends;; esac
[ -n "$BREAKS" ] && [[ "$*" == *"$BREAKS"* ]] && exit 1
case "$shown" in
  "pulumi config --json "*) echo "$CONFIGURATION";;
  "tandem ask "*) echo "$ANSWER";;
  "pulumi stack export "*) cat "$HERE/state" 2>/dev/null || echo '{"deployment": {}}';;
  "pulumi up "*)
    unlocked
    echo '{"deployment": {"pending_operations": [{"type": "creating", "resource": '"$BUCKET"'}]}}' > "$HERE/state"
    file=$(sed 's/.*--config-file \([^ ]*\) .*/\1/' <<< "$*")
    echo docs-1234567 $(sed -n 's/.*tandem:verification": "\([0-9a-f]*\)".*/\1/p' "$file") >> "$HERE/account"
    ends
    echo '{"deployment": {"resources": ['"$STACK"', '"$MADE"']}}' > "$HERE/state"
    rm "$HERE/lock";;
  "pulumi cancel "*) rm -f "$HERE/lock";;
  "pulumi stack import "*) cp "$4" "$HERE/state";;
  "pulumi destroy "*)
    unlocked
    for id in $(sed -n 's/.*"id": "\([^"]*\)".*/\1/p' "$HERE/state" 2>/dev/null); do
      sed -i "/\\(^\\|[:\\/]\\)$id /d" "$HERE/account"
    done
    ends
    echo '{"deployment": {}}' > "$HERE/state"
    rm "$HERE/lock";;
esac
exit 0
"""
BUCKET = {"urn": "urn:docs", "type": "aws:s3/bucket:Bucket", "custom": True, "inputs": {"bucket": "docs-1234567"}}
MADE = BUCKET | {"id": "docs-1234567"}
RAG = '{"queryUrl": "https://example.org", "documentsBucket": "docs"}'
TUNING = '{"datasetBucket": "data", "trainingPipelineArn": "arn:aws:states"}'
HYBRID = RAG[:-1] + ", " + TUNING[1:]
ACCOUNT = "123456789012"
QUERY = ["tandem ingest", "tandem ask"]
DATA = ["python", "tandem dataset import", "tandem dataset check", "tandem finetune check"]
UP = 5
"""The so-manieth command of a verification."""
DOES = ("tandem", "python", "pulumi up", "pulumi destroy", "pulumi cancel", "pulumi stack import", "pulumi refresh")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the fake account is, and what was called."""
    for name in ("pulumi", "tandem", "python"):
        (tmp_path / name).write_text(COMMAND)
        (tmp_path / name).chmod(0o755)
    for module in (stack, finetune):
        monkeypatch.setattr(module, "BIN", tmp_path)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr(verify, "LOG", tmp_path / "verified.md")
    monkeypatch.setattr(aws_facts, "SEEN", tmp_path / "seen.json")
    monkeypatch.setattr(aws_facts, "PAGE", tmp_path / "facts.md")
    aws_facts.SEEN.write_text("{}")
    monkeypatch.setattr(verify, "FOLDER", tmp_path / "journal")
    monkeypatch.setattr(verify.paths, "HOME", tmp_path)
    monkeypatch.setattr(verify, "PATIENCE", {False: 0.0, True: 0.0})
    monkeypatch.setattr(left, "tagged", lambda stack, verification="": tagged(tmp_path, verification))
    monkeypatch.setattr(left, "BESIDE", {})
    monkeypatch.setattr(left, "locally", lambda: account(tmp_path))
    monkeypatch.setattr(probes, "PROBES", [])
    monkeypatch.setattr(aws, "client", client)
    monkeypatch.setattr("builtins.input", lambda question: ACCOUNT)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "HERE": str(tmp_path),
    }
    environment |= {
        "BUCKET": json.dumps(BUCKET),
        "MADE": json.dumps(MADE),
        "STACK": stack_with(RAG),
        "ANSWER": json.dumps({"refused": False, "model": "amazon.nova-lite-v1:0", "answer": "In October [P1]."}),
        "BREAKS": "",
        "CONFIGURATION": configuration(),
        "AWS_REGION": "us-west-2",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL") or name == "AWS_PROFILE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.chdir(verify.ROOT)
    return tmp_path


def stack_with(outputs: str) -> str:
    """The stack itself in a state."""
    return json.dumps({"urn": "urn:stack", "type": "pulumi:pulumi:Stack", "outputs": json.loads(outputs)})


def configuration(region: str = "eu-north-1", retention: str = "erase", **more: str) -> str:
    """What `pulumi config --json` says; `more` are settings of the provider, secret where they are empty."""
    keys = {"aws:region": region, "tandem:retention": retention, **{f"aws:{key}": each for key, each in more.items()}}
    entries = {key: {"value": each, "secret": False} if each else {"secret": True} for key, each in keys.items()}
    return json.dumps({key: each for key, each in entries.items() if key != "aws:region" or region})


def client(service: str):
    who = {"Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/me"}
    url = f"https://{service}.{os.environ['AWS_REGION']}.amazonaws.com"
    return SimpleNamespace(get_caller_identity=lambda: who, meta=SimpleNamespace(endpoint_url=url))


def account(here: Path) -> list[str]:
    """What is in the account."""
    return [*tagged(here)]


def tagged(here: Path, verification: str = "") -> dict[str, str]:
    """ARNs of what is in the account, with tags; of a verification's, where one is given."""
    file = here / "account"
    lines = file.read_text().splitlines() if file.exists() else ()
    arns = {line.split()[0]: f"tagged {line}" for line in lines if verification in line.split()[1:] or not verification}
    return {name if name.startswith("arn:") else f"arn:aws:s3:::{name}": line for name, line in arns.items()}


def called(here: Path) -> list[str]:
    """The commands that do something, without their options."""
    known = ("tandem dataset import", "tandem dataset check", "tandem finetune check", "pulumi stack import", "python")
    lines = [line for line in (here / "calls").read_text().splitlines() if line.startswith(DOES)]
    return [next((name for name in known if line.startswith(name)), " ".join(line.split()[:2])) for line in lines]


def killed(arguments: list[str], at: int) -> bool:
    """Whether a verification was killed at its so-manieth command, and didn't end before."""
    os.environ["KILL_AT"] = str(at)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            verify.main(arguments)
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    os.environ["KILL_AT"] = "0"
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize(
    ("stack", "outputs", "used"),
    [("rag-dev", RAG, QUERY), ("finetune-dev", TUNING, DATA), ("hybrid-dev", HYBRID, QUERY + DATA)],
)
def test_a_stack_is_priced_and_does_what_it_is_for(here, monkeypatch, stack, outputs, used):
    monkeypatch.setenv("STACK", stack_with(outputs))
    assert verify.main(["--stack", stack]) == 0
    assert called(here) == ["tandem cost", "pulumi up", *used, "pulumi destroy"]
    lines = [line for line in (here / "calls").read_text().splitlines() if not line.startswith("python")]
    assert lines[0] == f"pulumi stack select {stack} --create"
    assert all(f"--stack {stack}" in line for line in lines[1:])
    (row,) = verify.LOG.read_text().splitlines()
    assert row.endswith(f"| {stack} | eu-north-1 | yes | yes | yes | 0 of 0 hold | nothing |")


def test_a_run_is_started_if_asked_for_and_said_before_consent(here, monkeypatch, capsys):
    monkeypatch.setenv("STACK", stack_with(TUNING))
    assert verify.main(["--stack", "finetune-dev", "--run"]) == 0
    assert called(here)[-3:] == ["tandem finetune check", "tandem finetune", "pulumi destroy"]
    assert "One run of scripts/verify/recipe.yaml is started" in capsys.readouterr().out


def test_the_recipe_of_the_run_is_one():
    assert (
        recipe.check(yaml.safe_load(verify.RECIPE.read_text()))["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    )


def test_the_region_is_the_stack_files_and_not_the_shells(here, monkeypatch):
    verify.main([])
    assert set((here / "region").read_text().split()) == {"eu-north-1"}
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("CONFIGURATION", configuration(region=""))  # which a stack file may leave to the shell
    (here / "region").unlink()
    verify.main([])
    assert set((here / "region").read_text().split()) == {"us-west-2"}


@pytest.mark.faults
@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (ProfileNotFound(profile="nobody"), "set AWS_PROFILE to one of"),
        (EndpointConnectionError(endpoint_url="https://sts.eu-north-1.amazonaws.com"), "check the network"),
        (ClientError({"Error": {"Code": "InvalidClientTokenId", "Message": "?"}}, "GetCallerIdentity"), "or the keys"),
    ],
)
def test_what_the_account_answers_is_a_sentence(here, monkeypatch, failure, said):
    def fails(*_: str):
        raise failure

    monkeypatch.setattr("tandem.clients.aws.client", fails)
    with pytest.raises(SystemExit, match=said):
        verify.main([])
    assert called(here) == []


@pytest.mark.faults
def test_without_pulumi_nothing_is_done(here, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SystemExit, match="install"):
        verify.main([])


def test_what_is_removed_is_not_made_first(here):
    verify.main(["--remove"])
    assert (here / "calls").read_text().splitlines()[0] == "pulumi stack select rag-dev"


@pytest.mark.faults
def test_a_stack_that_cannot_be_made_is_not_deployed(here, monkeypatch):
    monkeypatch.setenv("BREAKS", "stack select ")
    with pytest.raises(SystemExit, match=r"The stack rag-dev can't be selected or made"):
        verify.main([])
    assert called(here) == []


def test_the_table_has_the_columns_of_a_row(here):
    header = (verify.ROOT / "docs" / "verified.md").read_text().splitlines()
    verify.main([])
    assert verify.LOG.read_text().count("|") in {line.count("|") for line in header if line.startswith("| date")}


@pytest.mark.faults
@pytest.mark.parametrize(
    ("breaks", "worked"),
    [
        ("up ", "| no | no | yes |"),
        ("ask ", "| yes | no | yes |"),
        ("export --non-interactive", "| yes | no | yes |"),
        ("destroy ", "| yes | yes | no |"),
    ],
)
def test_what_was_deployed_is_destroyed_whatever_fails(here, monkeypatch, breaks, worked):
    monkeypatch.setenv("BREAKS", breaks)
    assert verify.main([]) == 1
    assert called(here)[-1] == "pulumi destroy"
    assert worked in verify.LOG.read_text()


@pytest.mark.faults
@pytest.mark.parametrize(
    "answer",
    [
        {"refused": True, "model": None, "answer": None, "reason": "below_min_score"},
        {"refused": True, "model": "amazon.nova-lite-v1:0", "answer": None, "reason": "nothing_found"},
    ],
)
def test_a_question_that_is_refused_was_not_answered(here, monkeypatch, capfd, answer):
    """The command is content with it: it exits 0."""
    monkeypatch.setattr(probes, "PROBES", [probes.Probe("bedrock-converse-is-invoke", ("queryUrl",), "?", probes.ASK)])
    monkeypatch.setenv("ANSWER", json.dumps(answer))
    assert verify.main([]) == 1
    assert "| yes | no | yes | 0 of 1 hold |" in verify.LOG.read_text()
    assert json.loads(aws_facts.SEEN.read_text()) == {}
    assert answer["reason"] in capfd.readouterr().out


@pytest.mark.faults
def test_without_a_price_or_consent_nothing_is_deployed(here, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda question: "no")
    with pytest.raises(SystemExit, match="Nothing was deployed"):
        verify.main([])
    monkeypatch.setenv("BREAKS", "cost ")
    with pytest.raises(SystemExit, match="The price of rag-dev isn't known"):
        verify.main([])
    assert called(here) == ["tandem cost", "tandem cost"]
    assert not verify.LOG.exists()


@pytest.mark.faults
def test_what_is_in_use_or_keeps_its_data_is_not_touched(here, monkeypatch):
    with pytest.raises(SystemExit, match="tandem:retention of finetune-prod is keep"):
        verify.main(["--stack", "finetune-prod"])
    with pytest.raises(SystemExit, match=r"Pulumi\.nosuch\.yaml: can't be read"):
        verify.main(["--stack", "nosuch"])
    assert not (here / "calls").exists()  # a stack that was made would be there, and perhaps its file
    (here / "account").write_text("docs-of-somebody")
    with pytest.raises(SystemExit, match=r"has 1 resources of a stack rag-dev that isn't in this backend"):
        verify.main([])
    (here / "state").write_text(json.dumps({"deployment": {"resources": [MADE]}}))
    with pytest.raises(SystemExit, match=r"rag-dev has 1 resources that no verification made"):
        verify.main([])
    assert called(here) == []


def test_what_is_verified_has_the_tags_of_its_file_and_the_verifications_own(here, monkeypatch):
    monkeypatch.setattr(stack, "file_of", lambda name: {"config": {"tandem:tags": '{"team": "huts"}'}, "salt": "v1"})
    for _ in range(2):
        assert verify.main([]) == 0
        lines = map(json.loads, (here / "journal" / "rag-dev.jsonl").read_text().splitlines())
        drawn = [line["verification"] for line in lines if line["step"] == "begin"]
        copy = yaml.safe_load((here / "journal" / "Pulumi.rag-dev.yaml").read_text())
        assert json.loads(copy["config"]["tandem:tags"]) == {"team": "huts", left.VERIFICATION: drawn[-1]}
        assert copy["salt"] == "v1"
    assert len({*drawn}) == 2


@pytest.mark.faults
@pytest.mark.parametrize("tags", ["[1", "[1]", {"secure": "v1:x"}])
def test_tags_that_nothing_can_be_added_to_are_deployed_with_nothing(here, monkeypatch, tags, capsys):
    monkeypatch.setattr(stack, "file_of", lambda name: {"config": {"tandem:tags": tags}})
    assert verify.main([]) == 1
    assert "tandem:tags of rag-dev is no JSON of tags" in capsys.readouterr().out
    assert called(here) == ["tandem cost", "pulumi destroy"]


@pytest.mark.faults
def test_what_no_verification_made_isnt_removed_and_is_named(here, capsys):
    """The journal may be gone, with the folder that it is in."""
    assert verify.main(["--remove"]) == 0
    assert "nothing to remove" in capsys.readouterr().out
    (here / "account").write_text("docs-of-somebody")
    with pytest.raises(SystemExit, match=r"(?s)Nothing was removed.*arn:aws:s3:::docs-of-somebody"):
        verify.main(["--remove"])
    (here / "account").unlink()
    (here / "state").write_text(json.dumps({"deployment": {"resources": [MADE]}}))
    with pytest.raises(SystemExit, match=r"(?s)Nothing was removed.*urn:docs"):
        verify.main(["--remove"])
    assert called(here) == []


def test_make_clean_waits_for_what_is_left_to_be_removed(here):
    assert journal.unfinished(here / "journal") == []
    assert killed([], UP)
    assert journal.unfinished(here / "journal") == ["rag-dev"]
    verify.main(["--remove"])
    assert journal.unfinished(here / "journal") == []
    recipe_ = (verify.ROOT / "Makefile").read_text().partition("\nclean:")[2]
    assert recipe_.index("scripts.verify.journal") < recipe_.index("rm -rf")


def test_what_is_left_over_is_a_failure_and_the_next_call_removes_it_first(here, monkeypatch, capsys):
    monkeypatch.setenv("BREAKS", "destroy ")
    assert verify.main([]) == 1
    assert "arn:aws:s3:::docs-1234567" in capsys.readouterr().out
    monkeypatch.setenv("BREAKS", "")
    (here / "calls").unlink()
    assert verify.main([]) == 0
    assert called(here)[:4] == ["pulumi cancel", "pulumi destroy", "tandem cost", "pulumi up"]
    assert "A verification of rag-dev that began on" in capsys.readouterr().out


def test_one_at_a_time(here):
    with (
        verify.Verification("rag-dev", False, False).journal.held(),
        pytest.raises(SystemExit, match="Another verification of rag-dev is at work"),
    ):
        verify.main([])
    assert not (here / "calls").exists()


def test_the_days_of_what_an_account_showed_are_written_down(here, monkeypatch, capsys):
    shown = [Answer("aoss-delete-by-id", probes.HOLDS, "gone after 9 s"), Answer("aoss-id-length", probes.FAILS, "20")]
    monkeypatch.setattr(probes, "ask", lambda *_: shown)
    assert verify.main([]) == 1
    assert list(json.loads(aws_facts.SEEN.read_text())) == ["aoss-delete-by-id"]
    assert "| 2 of 4 hold; not aoss-id-length; not aoss-id-length |" in verify.LOG.read_text()
    assert "aoss-delete-by-id: holds (gone after 9 s)" in capsys.readouterr().out


def test_a_rehearsal_leaves_all_dates_alone_and_answers_no_probe(here, monkeypatch, capsys):
    monkeypatch.setattr(probes, "PROBES", [probes.Probe("titan-limits", ("queryUrl",), "?", probes.INGEST)])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert verify.main(["--rehearse"]) == 0
    assert not verify.LOG.exists() and not aws_facts.PAGE.exists() and aws_facts.SEEN.read_text() == "{}"
    assert "titan-limits: not answerable here" in capsys.readouterr().out
    assert (here / "rehearsal" / "rag-dev.jsonl").exists() and not (here / "journal").exists()
