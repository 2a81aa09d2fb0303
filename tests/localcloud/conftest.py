"""A local cloud of its own for these tests, on free ports, beside the one that the developer uses."""

import os
import shutil
import socket
import sys

import boto3
import pytest

from localcloud import paths
from localcloud.services import supervisor
from tests.support.sagemaker import BUCKET, PYTHON, SERVE


@pytest.fixture(scope="session")
def cloud():
    """The supervisor with all parts running; a test that stops one calls `up` again."""
    home = paths.TOOLS / f"test-{os.getpid()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "HOME", home)
        for name in ("EMULATOR", "LOGS", "RUN", "SAGEMAKER", "SEARCH"):
            patch.setattr(paths, name, home / name.lower())
        for part in supervisor.PARTS:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                patch.setenv(part.variable, str(free.getsockname()[1]))
        try:
            supervisor.up(print)
            yield supervisor
        finally:
            supervisor.down()
            shutil.rmtree(home)


@pytest.fixture(scope="session")
def aws(cloud, tmp_path_factory):
    """A function that makes boto3 clients of the account's root; the bucket is there, and Python for the jobs."""
    serve = tmp_path_factory.mktemp("serve") / "serve.py"
    serve.write_text(SERVE)
    python = paths.HOME / "training" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON % (sys.executable, serve, sys.executable))
    python.chmod(0o755)
    variables = cloud.environment()

    def client(service, **more):
        name = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
        return boto3.client(
            service,
            endpoint_url=variables.get(name, variables["AWS_ENDPOINT_URL"]),
            region_name=variables["AWS_REGION"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            **more,
        )

    client("s3").create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(scope="session")
def sagemaker(aws):
    return aws("sagemaker")


@pytest.fixture(scope="session")
def s3(aws):
    return aws("s3")
