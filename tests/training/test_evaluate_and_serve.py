"""What becomes of a trained model: evaluated, refused when it is broken, and served."""

import json
import subprocess
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tandem.finetuning.dataset.sample import digest, sample

from .conftest import ENVIRONMENT, PYTHON, ROOT, rows

pytestmark = pytest.mark.local

SERVE = ROOT / "localcloud" / "services" / "sagemaker" / "serve.py"


@pytest.fixture(scope="module")
def evaluated(trained, make_job):
    job = make_job()
    job.tuned_from(trained)
    job.run("evaluate")
    return job


def test_the_evaluation(evaluated):
    result = json.loads((evaluated.root / "model" / "evaluation.json").read_text())
    assert result["rows"] == 8
    assert set(result["metrics"]) == {"exact_match", "token_f1", "format_adherence"}
    for metric in result["metrics"].values():
        assert 0 <= metric["base"] <= 1
        assert metric["difference"] == pytest.approx(metric["tuned"] - metric["base"])
        low, high = metric["interval"]
        assert low <= metric["difference"] <= high
    manifest = json.loads((evaluated.root / "input/data/dataset/manifest.json").read_text())
    assert result["manifest_digest"] == manifest["digest"]
    answers = [json.loads(line) for line in (evaluated.root / "model" / "answers.jsonl").read_text().splitlines()]
    first, *_ = asked = sample(rows(64, 74), 8)
    assert answers[0]["prompt"][-1]["content"] == first.messages[1][1]
    assert answers[0]["reference"] == first.messages[2][1]
    assert (result["sample"], result["rows_left_out"]) == (digest(asked), 0)
    assert all(answer["base"] != answer["tuned"] for answer in answers)


def test_answers_are_not_asked_for_twice(evaluated):
    before = (evaluated.root / "model" / "answers.jsonl").read_bytes()
    output = evaluated.run("evaluate")
    assert "Evaluating the tuned model: 0 of 8 rows to answer" in output
    assert (evaluated.root / "model" / "answers.jsonl").read_bytes() == before


@pytest.mark.faults
@pytest.mark.parametrize("breaking", ["cut off", "not safetensors", "unfinished", "of another recipe", "wrong shapes"])
def test_a_broken_artifact_is_not_evaluated(trained, make_job, breaking):
    job = make_job(seed=1) if breaking == "of another recipe" else make_job()
    job.tuned_from(trained)
    model = job.root / "input" / "data" / "model"
    weights = model / "model.safetensors"
    if breaking == "cut off":
        with weights.open("r+b") as file:
            file.truncate(weights.stat().st_size // 2)
        said = "model.safetensors is not whole"
    elif breaking == "not safetensors":
        weights.write_text("<html>access denied</html>")
        said = "model.safetensors is not a safetensors file"
    elif breaking == "unfinished":
        (model / "tandem.json").unlink()
        said = "training writes it last"
    elif breaking == "of another recipe":
        said = "made from another recipe_digest"
    else:
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps(config | {"hidden_size": 32}))
        said = "doesn't load"
    job.run("evaluate", expect=2)
    assert said in job.failure
    assert not (job.root / "model" / "evaluation.json").exists()


@pytest.fixture(scope="module")
def served(trained):
    """The address of a server of the tuned model, which takes one token less than the model could."""
    command = [PYTHON, SERVE, trained.root / "model", "--port", "0"]
    environment = ENVIRONMENT | {"OPTION_MAX_MODEL_LEN": "127"}
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
            assert process.wait(timeout=20) == 0


def post(address: str, body) -> tuple[int, dict]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/invocations", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


CHAT = [{"role": "user", "content": "How many stones does wall 64 have?"}]


def test_the_server_answers_like_the_evaluation(served, evaluated):
    with urllib.request.urlopen(f"{served}/ping", timeout=10) as answer:
        assert answer.status == 200
    line = json.loads((evaluated.root / "model" / "answers.jsonl").read_text().splitlines()[0])
    status, completion = post(served, {"messages": line["prompt"], "max_tokens": 16, "temperature": 0})
    assert status == 200
    assert completion["object"] == "chat.completion"
    assert completion["choices"][0]["message"] == {"role": "assistant", "content": line["tuned"]}
    usage = completion["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 < usage["completion_tokens"] <= 16


def test_an_answer_that_was_cut_off_says_so(served):
    _, completion = post(served, {"messages": CHAT, "max_tokens": 1})
    assert completion["choices"][0]["finish_reason"] == "length"
    assert completion["usage"]["completion_tokens"] == 1


@pytest.mark.faults
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "Expecting"),
        ([], "not a JSON object"),
        ({}, "'messages'"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0]"),
        ({"messages": [*CHAT, {"role": "assistant", "content": "x"}]}, "the user's"),
        ({"messages": CHAT, "max_tokens": -1}, "'max_tokens'"),
        ({"messages": CHAT, "temperature": 3}, "'temperature'"),
        ({"messages": CHAT, "stream": True}, "'stream' is not supported"),
        ({"messages": CHAT, "max_tokens": 1000}, "more than the model's 127"),
    ],
)
def test_requests_that_cannot_be_answered(served, body, said):
    status, answer = post(served, body)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    assert said in answer["error"]["message"]


@pytest.mark.faults
def test_more_requests_than_may_wait_are_told_to_come_back(served):
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: post(served, {"messages": CHAT, "max_tokens": 100}), range(40)))
    statuses = [status for status, _ in answers]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 9  # one at work and eight that wait
    assert post(served, {"messages": CHAT, "max_tokens": 1})[0] == 200


@pytest.mark.faults
def test_a_folder_that_is_no_model_is_not_served(tmp_path):
    command = [PYTHON, SERVE, tmp_path]
    ended = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "has no config.json" in ended.stderr
