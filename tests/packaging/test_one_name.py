"""Two environments of one name in one program, on the real engine; a preview needs no cloud."""

import os
import subprocess

import pytest

from localcloud.toolchain import build

pytestmark = [pytest.mark.local, pytest.mark.faults]
PROGRAM = """
from pulumi_tandem import RagEnvironment

RagEnvironment("handbook")
RagEnvironment("handbook")
"""
OFFLINE = {
    "aws:region": "us-east-1",
    "aws:skipCredentialsValidation": "true",
    "aws:skipRequestingAccountId": "true",
    "aws:skipMetadataApiCheck": "true",
}


def test_the_engine_refuses_the_second_by_its_urn_in_one_sentence(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: twice\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    environment = os.environ | build.ensure(print) | {"PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}"}
    environment |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    build.ensure_stack(environment, "dev", tmp_path)
    command = ["pulumi", "preview", "--stack", "dev", "--non-interactive"]
    for key, value in OFFLINE.items():
        command += ["--config", f"{key}={value}"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    urn = "urn:pulumi:dev::twice::tandem:index:RagEnvironment::handbook"
    assert done.returncode != 0 and f"Duplicate resource URN '{urn}'; try giving it a unique name" in said
    assert "Traceback" not in said
