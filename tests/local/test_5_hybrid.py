"""The tuned model behind retrieval on the local cloud, and the hosted one when it can't speak."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from tests.local.conftest import HOME, ROOT, until
from tests.local.test_4_finetuning import TRAINING

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

STACK = "hybrid-dev"
CONFIG = HOME / f"Pulumi.{STACK}.yaml"
QUESTION = "How often does the drinking water filter in the huts have to be changed?"


@pytest.fixture(scope="module")
def hybrid(cloud):
    """`hybrid-dev` with one document and a package of the tiny model in its registry, promoted."""
    cloud.pulumi("up", "--stack", STACK, "--yes")
    outputs = json.loads(cloud.pulumi("stack", "output", "--json", "--stack", STACK).stdout)
    cloud.tandem("ingest", ROOT / "samples" / "alpenhut" / "water-and-power.txt", "--stack", STACK)
    model = HOME / "tiny-long"
    shutil.rmtree(model, ignore_errors=True)
    cloud.run(TRAINING, "-m", "tests.training.tiny", model, "8192")  # passages are long
    for path in model.iterdir():
        cloud.client("s3").upload_file(str(path), outputs["artifactBucket"], f"runs/by-hand/model/{path.name}")
    source = {"S3Uri": f"s3://{outputs['artifactBucket']}/runs/by-hand/model/", "S3DataType": "S3Prefix"}
    package = cloud.client("sagemaker").create_model_package(
        ModelPackageGroupName=outputs["modelPackageGroup"],
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [
                {
                    "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/serving:1",
                    "ModelDataSource": {"S3DataSource": source | {"CompressionType": "None"}},
                }
            ],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]
    shutil.copyfile(ROOT / "stacks" / CONFIG.name, CONFIG)
    with CONFIG.open("a") as file:
        file.write(f"  tandem:model: {package}\n")
    cloud.pulumi("up", "--stack", STACK, "--yes", "--config-file", str(CONFIG))
    return cloud


def ask(cloud) -> dict:
    return json.loads(cloud.tandem("ask", QUESTION, "--stack", STACK, "--json", timeout=240).stdout)


def test_second_preview_of_the_hybrid_finds_nothing_to_do(hybrid):
    hybrid.pulumi("preview", "--stack", STACK, "--expect-no-changes", "--config-file", str(CONFIG))


def test_the_tuned_model_writes_the_answer(hybrid):
    endpoint = hybrid.pulumi("stack", "output", "endpointName", "--stack", STACK).stdout.strip()
    answer = ask(hybrid)
    assert answer["model"] == endpoint
    assert answer["citations"][0]["document"] == "water-and-power.txt"


@pytest.mark.faults
def test_while_the_endpoint_has_no_instance_the_hosted_model_speaks(hybrid):
    """`zero`, whose instances never come here, and back to `steady`."""
    steady = CONFIG.read_text()
    CONFIG.write_text(steady.replace("  tandem:model:", "  tandem:endpointMode: zero\n  tandem:model:"))
    hybrid.pulumi("up", "--stack", STACK, "--yes", "--config-file", str(CONFIG))
    assert ask(hybrid)["model"] == "amazon.nova-lite-v1:0"
    hybrid.pulumi("preview", "--stack", STACK, "--expect-no-changes", "--config-file", str(CONFIG))
    CONFIG.write_text(steady)
    hybrid.pulumi("up", "--stack", STACK, "--yes", "--config-file", str(CONFIG))
    endpoint = hybrid.pulumi("stack", "output", "endpointName", "--stack", STACK).stdout.strip()
    assert ask(hybrid)["model"] == endpoint


@pytest.mark.faults
def test_killing_the_endpoint_makes_the_hosted_model_speak(hybrid):
    """Killed for good: a server that is only killed once comes back by itself."""
    endpoint = hybrid.pulumi("stack", "output", "endpointName", "--stack", STACK).stdout.strip()

    def killed() -> bool:
        found = subprocess.run(["pgrep", "-f", f"serve.*{endpoint}"], capture_output=True, text=True, check=False)
        for identifier in found.stdout.split():
            os.kill(int(identifier), signal.SIGKILL)
        status = hybrid.client("sagemaker").describe_endpoint(EndpointName=endpoint)["EndpointStatus"]
        return status != "InService"

    until(killed, 180, "the endpoint is out of service", every=1)
    assert ask(hybrid)["model"] == "amazon.nova-lite-v1:0"


def test_destroy_of_the_hybrid_leaves_nothing(hybrid):
    hybrid.pulumi("destroy", "--stack", STACK, "--yes", "--config-file", str(CONFIG))
    assert "hybrid" not in hybrid.tandem("local", "audit", check=False).stdout
