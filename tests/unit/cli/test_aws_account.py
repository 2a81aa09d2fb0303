"""What commands say of a shell without credentials, or with another region than the stack's: each the same."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from scripts.recorder import ROOT
from tandem.cli.main import app

REGION = "eu-central-1"
OUTPUTS = {
    "region": REGION,
    "queryUrl": f"https://abc.execute-api.{REGION}.amazonaws.com/v1/query",
    "trainingPipelineArn": f"arn:aws:states:{REGION}:123456789012:stateMachine:pipeline",
    **dict.fromkeys(
        ("documentsBucket", "ledgerTable", "datasetBucket", "artifactBucket", "modelPackageGroup", "endpointName"), "x"
    ),
    "runEnvelopeParameter": "/envelope",
}


@pytest.mark.faults
@pytest.mark.parametrize(
    "command",
    [
        "ask What?",
        "questions questions.jsonl",
        "ingest a.md",
        "forget a.md",
        "dataset check walls",
        "dataset import rows.jsonl --name walls --licence CC0-1.0 --source invented",
        "finetune check recipe.yaml --data walls",
        "finetune status run",
        "finetune promote run --config recipe.yaml",
        "eval run questions.jsonl --target stack:dev --name base",
        "eval run questions.jsonl --target endpoint:dev --name base",
        "eval run questions.jsonl --target bedrock:amazon.nova-lite-v1:0 --name base",
        "cost refresh --region us-east-1",
    ],
)
def test_no_credentials_are_one_sentence_in_every_command(command, project, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    project.has(**OUTPUTS)
    monkeypatch.chdir(project.folder)
    rows = [{"instruction": f"What is {n}?", "output": "A number."} for n in range(60)]
    (project.folder / "a.md").write_text("# Stones")
    (project.folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (project.folder / "questions.jsonl").write_text(json.dumps({"id": "1", "question": "What?", "document": None}))
    shutil.copy(ROOT / "docs" / "recipes" / "qlora-8b.yaml", project.folder / "recipe.yaml")
    result = CliRunner().invoke(app, command.split())
    told = f"using {REGION}, the stack's region; the shell's is eu-north-1"
    assert result.exit_code == 1, result.output
    assert result.stderr.count(told) == (0 if "bedrock:" in command or "cost" in command else 1)
    assert "There are no AWS credentials: set AWS_PROFILE, or sign in with `aws sso login`." in result.stderr
    assert "locate" not in result.stderr
