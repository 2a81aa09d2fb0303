"""`tandem doctor`, findings provoked from outside: environment, a `pulumi`, an AWS on loopback."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts.recorder import ROOT
from tandem.cli.main import app
from tandem.clients.examination import MACHINE_SECONDS
from tandem.clients.machine import SECONDS
from tests.support import account_api
from tests.support.account_api import AUTHORIZED, Account

FAKE_PULUMI = """#!/bin/sh
case "$1" in
  version) echo v{version} ;;
  config) printf '%s\\n' '{configuration}' ;;
  preview) cat preview.json || {{ echo "error: training_image is not allowed" >&2; exit 255; }} ;;
esac
"""
NOVA = "amazon.nova-lite-v1:0"


@pytest.fixture
def account(tmp_path, monkeypatch) -> Iterator[Account]:
    """Nothing but an account that may do everything, a new CLI in a project, and folders to write to."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "TANDEM_", "PULUMI_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tandem.clients.examination.GROUP", "tandem.none")
    for name in ("MACHINE_SECONDS", "NETWORK_SECONDS"):
        monkeypatch.setattr(f"tandem.clients.examination.{name}", 60.0)  # a busy machine is no finding
    monkeypatch.setattr("tandem.clients.machine.SECONDS", 50)
    with account_api.serve() as state:
        for name, value in {
            "AWS_ENDPOINT_URL": state.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "not-a-real-secret",
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(tmp_path),
            "PATH": f"{tmp_path}:/usr/bin:/bin",
        }.items():
            monkeypatch.setenv(name, value)
        pulumi(tmp_path)
        yield state


def pulumi(folder: Path, version: str = "3.259.0", **configuration: str) -> None:
    """Put a Pulumi CLI there, with a stack of this configuration."""
    found = {key.replace("_", ":"): {"value": value, "secret": False} for key, value in configuration.items()}
    (folder / "pulumi").write_text(FAKE_PULUMI.format(version=version, configuration=json.dumps(found)))
    (folder / "pulumi").chmod(0o755)


def doctor(*arguments: str, code: int = 1, command: str = "doctor") -> str:
    """What it says, on one line for each finding."""
    result = CliRunner().invoke(app, [command, *arguments])
    assert result.exit_code == code, f"{result.output}{result.exception!r}"
    return "\n".join(" ".join(line.split()) for line in result.output.splitlines())


def test_where_all_is_well_it_says_what_there_is_and_only_looks(account):
    said = doctor(code=0)
    for finding in (
        f"ok Python {sys.version.split()[0]}, ",
        "ok Pulumi v3.259.0, ",
        "ok region us-east-1\n",
        f"ok credentials account 123456789012 at {account.url}, arn:aws:iam::123456789012:user/ada",
        "ok embedder amazon.titan-embed-text-v2:0: access, as Bedrock says",
        f"ok generator {NOVA}: access, as Bedrock says",
        "\nno problems\n",
    ):
        assert finding in f"{said}\n"
    assert len(account.requests) == 5
    assert all(it.startswith(("Action=GetCallerIdentity", "/foundation-model")) for it in account.requests)


def test_findings_are_there_as_json(account):
    found = json.loads(doctor("--json", code=0))
    assert (found["problems"], found["unknown"]) == (0, 0)
    (region,) = [it for it in found["findings"] if it["name"] == "region"]
    assert region == {
        "section": "These credentials", "name": "region", "state": "ok", "text": "us-east-1", "remedy": ""
    }  # fmt: skip


@pytest.mark.faults
@pytest.mark.parametrize(
    ("variables", "finding"),
    [
        ({"AWS_REGION": ""}, "There is no AWS region: set AWS_REGION"),
        ({"AWS_REGION": "us-esat-1"}, "is no region that this AWS SDK knows (AWS_REGION or the profile): Did you mean"),
        ({"AWS_REGION": "ap-east-1"}, "ap-east-1 has no Bedrock, as far as this AWS SDK knows: choose another region."),
        ({"AWS_ACCESS_KEY_ID": ""}, "There are no AWS credentials: set AWS_PROFILE, or sign in with `aws sso login`."),
        ({"AWS_PROFILE": "ada"}, "profile (ada) could not be found: set AWS_PROFILE to one of `aws configure list-pro"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "Nothing answers at http://127.0.0.1:9/: start the local cloud"),
        ({"HTTPS_PROXY": "http://127.0.0.1:9", "AWS_ENDPOINT_URL": ""}, ": check the proxy (HTTPS_PROXY)."),
        ({"AWS_ENDPOINT_URL": "http://sts.invalid"}, "Can't reach http://sts.invalid/: check the network, and the"),
        ({"HOME": "/proc"}, "/proc/.pulumi can't be written to (No such file or directory): set PULUMI_HOME to a fold"),
        ({"XDG_CACHE_HOME": "/proc/x"}, "/proc/x can't be written to (No such file or directory): set XDG_CACHE_HOME"),
        # As of a home that may not be looked into, which root may: the question itself is an error.
        ({"XDG_CACHE_HOME": "/" + "x" * 300}, "x can't be written to (File name too long): set XDG_CACHE_HOME"),
        ({"PATH": "/nowhere"}, "The pulumi command is not on PATH: install it (https://www.pulumi.com/docs/install)"),
    ],
)
def test_what_the_environment_lacks(account, monkeypatch, variables, finding):
    for name, value in variables.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    said = doctor()
    assert finding in said
    assert all(line.startswith("problem ") for line in said.splitlines() if finding in line)


@pytest.mark.faults
@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_file_of_the_aws_sdk_that_can_not_be_read_hides_no_other_finding(account, tmp_path, monkeypatch, variable):
    (tmp_path / "broken").write_text("[default\naws_secret_access_key = not-a-real-secret\n")
    monkeypatch.setenv(variable, str(tmp_path / "broken"))
    monkeypatch.delenv("AWS_REGION")
    said = doctor()
    told = f"AWS: Unable to parse config file: {tmp_path}/broken: correct the file (AWS_CONFIG_FILE, AWS_SHARED_CRED"
    assert f"problem region {told}" in said and f"problem credentials {told}" in said
    assert "ok Pulumi v3.259.0, " in said and "not-a-real-secret" not in said


@pytest.mark.faults
def test_an_old_command_line_of_pulumi(account, tmp_path):
    pulumi(tmp_path, "3.99.0")
    assert f"problem Pulumi {tmp_path}/pulumi is v3.99.0; 3.237.0 or newer is needed: upgrade it (https" in doctor()


@pytest.mark.faults
@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ("ExpiredToken", "The AWS credentials have expired: sign in again (`aws sso login`), or get a new session"),
        ("InvalidClientTokenId", 'run `eval "$(tandem local env)"`, which sets the local cloud\'s keys.'),
        ("RequestTimeTooSkewed", "AWS refused the request's time: set this machine's clock."),
    ],
)
def test_credentials_that_are_refused(account, code, finding):
    account.refusal = (code, "The security token included in the request is invalid")
    said = doctor()
    assert "problem credentials" in said and finding in said
    assert said.count("skipped") == 2


def test_a_stack_has_its_own_region_and_models(account, tmp_path, monkeypatch):
    profile = "eu.amazon.nova-pro-v1:0"
    pulumi(tmp_path, aws_region="eu-central-1", tandem_environment="rag", tandem_generator=profile)
    account.profiles = {profile}
    said = doctor("--stack", "rag-dev", code=0)
    assert "ok rag-dev tandem:environment is rag" in said
    assert "warning region eu-central-1 is the stack's; the shell's is us-east-1: commands use the stack's; for" in said
    assert f"ok generator {profile}: access" in said
    assert {"/inference-profiles/" + profile, "/foundation-model-availability/amazon.nova-pro-v1:0"} <= {
        *account.requests
    }
    monkeypatch.delenv("AWS_REGION")
    assert "ok region eu-central-1, the stack's" in doctor("--stack", "rag-dev", code=0)


ARN = "arn:aws:bedrock:eu-central-1:123456789012"


def test_of_an_application_profile_the_model_behind_it_is_looked_at(account, tmp_path):
    profile = f"{ARN}:application-inference-profile/abcd1234efgh"
    pulumi(tmp_path, aws_region="eu-central-1", tandem_environment="rag", tandem_generator=profile)
    account.profiles, account.behind = {profile}, "anthropic.claude-opus-5"
    account.models[account.behind] = AUTHORIZED | {"agreementAvailability": {"status": "NOT_AVAILABLE"}}
    said = doctor("--stack", "rag-dev")
    assert f"problem generator {profile}: the account has no agreement for it: call it once as someone who may" in said
    account.models.clear()
    assert f"ok generator {profile}: access" in doctor("--stack", "rag-dev", code=0)


def test_where_no_generator_is_named_the_regions_own_is_looked_at(account, tmp_path):
    pulumi(tmp_path, aws_region="eu-central-1", tandem_environment="rag")
    account.profiles = {f"eu.{NOVA}"}
    assert f"ok generator eu.{NOVA}: access" in doctor("--stack", "rag-dev", code=0)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("configuration", "finding"),
    [
        ({"tandem_store": "domain", "tandem_environment": ""}, "its configuration has no tandem:environment: `pulumi"),
        ({"tandem_generator": "nova"}, "nova names no model of Bedrock's: give a model's id, a profile's, or an ARN."),
        (
            {"tandem_generator": f"{ARN}:application-inference-profile/gone"},
            "is no inference profile in eu-central-1: give the ARN of one of this account and region",
        ),
        (
            {"tandem_generator": "us." + NOVA},
            f"us.{NOVA} is no inference profile in eu-central-1: take the model's pro",
        ),
        ({"aws_region": "eu-cenral-1"}, "is no region that this AWS SDK knows (aws:region of the stack): Did you mean"),
    ],
)
def test_what_a_stack_can_not_have(account, tmp_path, configuration, finding):
    pulumi(tmp_path, **{"aws_region": "eu-central-1", "tandem_environment": "rag", **configuration})
    assert finding in doctor("--stack", "rag-dev")


@pytest.mark.faults
def test_a_stack_with_a_cluster_needs_the_aws_cli_where_its_cluster_is_on_aws(account, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    configuration = {"aws_region": "us-east-1", "tandem_environment": "finetuning"}
    pulumi(tmp_path, **configuration, tandem_trainingBackend="eks")
    assert "AWS CLI" not in doctor("--stack", "finetune-eks-dev", code=0)  # the local cloud
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", account.url)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    said = doctor("--stack", "finetune-eks-dev")
    assert "problem AWS CLI the command `aws` is not on PATH: it gives `pulumi` the tokens of the cluster: ins" in said
    for version, code, finding in (
        ("aws-cli/2.31.4 Python/3.13.7 Linux/6.1", 0, f"ok AWS CLI aws-cli/2.31.4, {tmp_path}/aws"),
        ("aws-cli/1.42.2 Python/3.11.7 Linux/6.1", 0, f"warning AWS CLI {tmp_path}/aws is aws-cli/1.42.2, by which"),
        (
            "pyenv: aws: command not found",
            1,
            f"problem AWS CLI {tmp_path}/aws doesn't tell its version (pyenv: aws: co",
        ),
    ):
        (tmp_path / "aws").write_text(f"#!/bin/sh\necho '{version}'\n")
        (tmp_path / "aws").chmod(0o755)
        assert finding in doctor("--stack", "finetune-eks-dev", code=code)
    (tmp_path / "aws").unlink()
    pulumi(tmp_path, **configuration)
    assert "AWS CLI" not in doctor("--stack", "finetune-dev", code=0)


@pytest.mark.faults
def test_a_stack_that_is_not_there(account, tmp_path):
    (tmp_path / "pulumi").write_text("#!/bin/sh\necho \"error: no stack named 'dev' found\" >&2\nexit 255\n")
    assert f"problem dev There is no stack 'dev' in {tmp_path}: name one of `pulumi stack ls`" in doctor(
        "--stack", "dev"
    )


@pytest.mark.faults
def test_a_network_that_swallows_everything_holds_nobody_up(account, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr("tandem.clients.examination.NETWORK_SECONDS", 1.0)
        began = time.monotonic()
        assert "problem credentials no answer within 1 s: check the network, and the credential_process of" in doctor()
    assert time.monotonic() - began < 10


@pytest.mark.faults
def test_a_command_that_hangs_is_no_matter_of_the_network(account, tmp_path, monkeypatch):
    assert SECONDS < MACHINE_SECONDS  # so that it is told apart from what isn't known
    monkeypatch.setattr("tandem.clients.machine.SECONDS", 1)
    (tmp_path / "pulumi").write_text("#!/bin/sh\nexec sleep 30\n")
    said = doctor("--stack", "rag-dev")
    assert f"problem Pulumi {tmp_path}/pulumi doesn't tell its version within 1 s: see whether `pulumi version`" in said
    assert (
        "problem rag-dev `pulumi config --json --non-interactive --stack rag-dev` gave no answer within 1 sec" in said
    )
    # Nothing is said of a region and models that may not be the stack's.
    assert said.count("it takes the stack's configuration") == 3 and said.count("skipped ") == 3
    assert "ok credentials account 123456789012" in said and "check the network" not in said


@pytest.mark.faults
def test_what_hangs_while_it_gives_credentials_is_named(account, tmp_path, monkeypatch):
    (tmp_path / "config").write_text("[default]\ncredential_process = sleep 15\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setattr("tandem.clients.examination.NETWORK_SECONDS", 1.0)
    said = doctor()
    assert "problem credentials no answer within 1 s: check the network, and the credential_process of the AWS" in said


@pytest.mark.faults
@pytest.mark.parametrize("command", ["{python} -m tandem.cli.main doctor", "make .venv/.ready PYTHON={python}"])
def test_a_python_that_is_too_old_is_told_in_one_sentence(command, tmp_path, monkeypatch):
    """By what starts the command, which itself can't run there."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    found = next(pyenv.glob("versions/3.10.*/bin/python3.10"), shutil.which("python3.10"))
    # pyenv has commands for versions that aren't chosen, which only say so.
    if not found or subprocess.run([found, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("there is no Python 3.10 here")
    needed = re.search(r"^\.venv/\.ready: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    for name in ("Makefile", *needed, "tandem/__init__.py", "tandem/cli/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    done = subprocess.run(
        command.format(python=found).split(), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert re.match(r"Python 3\.11\.5 or newer is needed; this is 3\.10\.\d+\.", done.stderr)
    assert len(done.stderr.splitlines()) <= 2  # make says that it stops
