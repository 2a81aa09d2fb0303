"""The tuned model behind retrieval on the local cloud, and the hosted one when it can't speak."""

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.local.conftest import HOME, ROOT, Service, until
from tests.support.tuning import TRAINING

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

STACK = "hybrid-dev"
CONFIG = HOME / f"Pulumi.{STACK}.yaml"
QUESTION = "How often does the drinking water filter in the huts have to be changed?"
HOSTED = "amazon.nova-lite-v1:0"
# A passage of a few words, to which the small hosted model answers in as few: four of them wait for each other here.
WARDEN = "The hut warden's name is Ida Brunner."
SHORT = {"question": "What is the hut warden's name?", "filter": {"document": "warden.txt"}}


@pytest.fixture(scope="module")
def hybrid(cloud):
    """`hybrid-dev` with two documents and a package of the tiny model in its registry, promoted."""
    cloud.pulumi("up", "--stack", STACK, "--yes")
    outputs = json.loads(cloud.pulumi("stack", "output", "--json", "--stack", STACK).stdout)
    warden = HOME / "warden.txt"
    warden.write_text(WARDEN)
    cloud.tandem("ingest", ROOT / "samples" / "alpenhut" / "water-and-power.txt", warden, "--stack", STACK)
    model = HOME / "tiny-long"
    shutil.rmtree(model, ignore_errors=True)
    cloud.run(TRAINING, "-m", "tests.training.tiny", model, "8192")  # passages are long
    let_answers_end(model)
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


def let_answers_end(model: Path) -> None:
    """Ends the tiny model's answers at a control character: random weights come to no other end."""
    vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    file = model / "generation_config.json"
    settings = json.loads(file.read_text())
    ends = [settings["eos_token_id"], *(vocabulary[chr(256 + byte)] for byte in range(32))]
    file.write_text(json.dumps(settings | {"eos_token_id": ends, "min_new_tokens": 8}))


def ask(cloud) -> dict:
    return json.loads(cloud.tandem("ask", QUESTION, "--stack", STACK, "--json", timeout=240).stdout)


def test_second_preview_of_the_hybrid_finds_nothing_to_do(hybrid):
    hybrid.pulumi("preview", "--stack", STACK, "--expect-no-changes", "--config-file", str(CONFIG))


def test_the_tuned_model_writes_the_answer(hybrid):
    endpoint = hybrid.pulumi("stack", "output", "endpointName", "--stack", STACK).stdout.strip()
    answer = ask(hybrid)
    assert answer["model"] == endpoint
    assert answer["passages"][0]["document"] == "water-and-power.txt"


def test_the_same_questions_for_the_model_alone_and_behind_retrieval(hybrid):
    """`tandem eval` by the stack's own outputs, bucket, history and endpoint; what is kept isn't asked again."""
    labelled = {"water": (QUESTION, "water-and-power.txt"), "warden": (SHORT["question"], "warden.txt")}
    entries = [{"id": name, "question": asked, "document": key} for name, (asked, key) in labelled.items()]
    questions, to = HOME / "questions.jsonl", HOME / "evaluations"
    questions.write_text("".join(f"{json.dumps(entry | {'reference': 'Ida Brunner'})}\n" for entry in entries))
    shutil.rmtree(to, ignore_errors=True)

    def run(name: str, target: str) -> None:
        options = ["--name", name, "--to", to, "--concurrency", "1"]
        hybrid.tandem("eval", "run", questions, "--target", f"{target}:{STACK}", *options)

    run("tuned", "endpoint")
    run("hybrid", "stack")
    about, metrics, replies = {}, {}, {}
    for name in ("tuned", "hybrid"):
        about[name] = json.loads((to / name / "run.json").read_text())
        metrics[name] = json.loads((to / name / "metrics.json").read_text())["metrics"]
        replies[name] = [json.loads(line) for line in (to / name / "replies.jsonl").read_text().splitlines()]
    endpoint = hybrid.pulumi("stack", "output", "endpointName", "--stack", STACK).stdout.strip()
    assert {reply["model"] for name in replies for reply in replies[name]} == {endpoint}
    assert metrics["hybrid"]["recall@5"]["value"] == 1.0
    assert "recall@5" not in metrics["tuned"]
    assert all("ml.g6e.xlarge" in about[name]["price"]["how"] for name in about)
    seconds = [reply["seconds"] for reply in replies["hybrid"]]
    run("hybrid", "stack")
    again = (to / "hybrid" / "replies.jsonl").read_text().splitlines()
    assert [json.loads(line)["seconds"] for line in again] == seconds
    page = HOME / "report.html"
    hybrid.tandem("eval", "report", to / "tuned", to / "hybrid", "--to", page)
    assert QUESTION in page.read_text()


@pytest.mark.faults
def test_while_the_endpoint_has_no_instance_the_hosted_model_speaks(hybrid):
    """`zero`, whose instances never come here, and back to `steady`."""
    steady = CONFIG.read_text()
    CONFIG.write_text(steady.replace("  tandem:model:", "  tandem:endpointMode: zero\n  tandem:model:"))
    hybrid.pulumi("up", "--stack", STACK, "--yes", "--config-file", str(CONFIG))
    assert ask(hybrid)["model"] == HOSTED
    hybrid.pulumi("preview", "--stack", STACK, "--expect-no-changes", "--config-file", str(CONFIG))
    CONFIG.write_text(steady)
    hybrid.pulumi("up", "--stack", STACK, "--yes", "--config-file", str(CONFIG))
    endpoint = hybrid.pulumi("stack", "output", "endpointName", "--stack", STACK).stdout.strip()
    assert ask(hybrid)["model"] == endpoint


def kill_server(endpoint: str) -> None:
    found = subprocess.run(["pgrep", "-f", f"serve.*{endpoint}"], capture_output=True, text=True, check=False)
    for identifier in found.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(identifier), signal.SIGKILL)


@contextmanager
def load(service: Service) -> Iterator[tuple[list[str], list[str]]]:
    """Four threads that ask one question after the other: the models that answered, in order, and what failed."""
    api, ended, models, failures = service.api, threading.Event(), [], []
    api.patience = 1  # whoever gets no answer doesn't ask again

    def keep_asking() -> None:
        try:
            while not ended.is_set():
                models.append(api.ask(SHORT)["model"])
        except Exception as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=keep_asking) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield models, failures
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.mark.faults
def test_no_answer_fails_while_the_endpoint_is_killed_under_load_comes_back_and_is_killed_for_good(hybrid):
    """A server that is killed comes back by itself, a few times; then its endpoint is out of service."""
    outputs = json.loads(hybrid.pulumi("stack", "output", "--json", "--stack", STACK).stdout)
    endpoint = outputs["endpointName"]

    def out_of_service() -> bool:
        kill_server(endpoint)
        return hybrid.client("sagemaker").describe_endpoint(EndpointName=endpoint)["EndpointStatus"] != "InService"

    with load(Service(hybrid, outputs, STACK)) as (models, failures):

        def speaks(model: str, times: int, seconds: float) -> None:
            since = len(models)
            until(lambda: failures or models[since:].count(model) >= times, seconds, f"{model} answers {times} times")
            assert failures == []

        speaks(endpoint, 8, 120)
        kill_server(endpoint)
        speaks(HOSTED, 1, 60)
        speaks(endpoint, 8, 240)  # nobody did anything
        until(lambda: failures or out_of_service(), 240, "the endpoint is out of service", every=1)
        speaks(HOSTED, 8, 120)
    assert failures == []
    assert set(models) == {endpoint, HOSTED}


def test_destroy_of_the_hybrid_leaves_nothing(hybrid):
    hybrid.pulumi("destroy", "--stack", STACK, "--yes", "--config-file", str(CONFIG))
    assert "hybrid" not in hybrid.tandem("local", "audit", check=False).stdout
