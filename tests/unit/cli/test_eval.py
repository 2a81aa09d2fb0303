"""`tandem eval` against models, endpoints and stacks on loopback."""

import json

import pytest
from typer.testing import CliRunner

from tandem.cli.main import app
from tandem.evaluation.runs import load
from tests.support import aws_api
from tests.support.chat_api import completion
from tests.support.eval_command import lines, say
from tests.support.query_api import answer

NOVA, TITAN = "amazon.nova-lite-v1:0", "amazon.titan-embed-text-v2:0"
HISTORY = {"version": 0, "startTime": "2026-11-28T10:00:00.000Z", "kind": "update"}


def command(*arguments: object, code: int = 0):
    result = CliRunner().invoke(app, ["eval", *map(str, arguments)])
    assert result.exit_code == code, f"{result.output}{result.exception}"
    return result


@pytest.fixture
def aws(monkeypatch, project):
    """AWS on loopback, and a stack with an update behind it."""
    with aws_api.serve() as state:
        monkeypatch.setenv("AWS_ENDPOINT_URL", state.url)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        state.documents = {"a.md": "1", "b.md": "2"}
        state.say = lambda text: say(text)[1]["choices"][0]["message"]["content"]
        variant = {"VariantName": "main", "CurrentInstanceCount": 1}
        state.endpoint = {
            "EndpointStatus": "InService",
            "EndpointConfigName": "configuration-1",
            "ProductionVariants": [variant],
        }
        state.configuration = {"ProductionVariants": [{"VariantName": "main", "InstanceType": "ml.g6e.xlarge"}]}
        (project.folder / "pulumi-history").write_text(json.dumps([HISTORY]))
        yield state


def test_a_run_measures_and_says_so(folder, questions, chat, monkeypatch):
    monkeypatch.setenv("MY_KEY", "not-a-real-key")
    (folder / "form.yaml").write_text('regex: "(?P<answer>.+)"\n')
    said = command(
        *("run", questions, "--target", f"{chat.url}#small", "--name", "base", "--system", "Be brief."),
        *("--format", "form.yaml", "--key-variable", "MY_KEY"),
    ).output
    assert "token_f1" in said and "2 asked" in said and "p50" in said
    assert "1,000 questions: unknown (what 127.0.0.1 asks for small is in no price row)" in said
    run = load(folder / ".tandem" / "evaluations" / "base")
    assert {name: found.value for name, found in run.metrics.items()} == {
        "refusal_accuracy": 1.0,
        "exact_match": 1.0,
        "token_f1": 1.0,
        "format_adherence": 1.0,
    }
    assert [(reply.text, reply.refused) for reply in run.replies] == [
        ("34 francs", False),
        ("The documents do not say.", True),
    ]
    assert (run.replies[0].input_tokens, run.replies[0].output_tokens) == (20, 5)
    assert run.target == {
        "kind": "openai",
        "url": chat.url,
        "id": "small",
        "system": "Be brief.",
        "max_tokens": 300,
    }
    assert chat.requests[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    stored = [path for path in (folder / ".tandem").rglob("*") if path.is_file()]
    assert len(stored) == 6 and not any("not-a-real-key" in path.read_text() for path in stored)


def test_a_run_is_there_as_json(folder, questions, chat):
    done = command("run", questions, "--target", f"{chat.url}#small", "--name", "base", "--json")
    found = json.loads(done.stdout)
    assert (found["name"], found["folder"], found["questions"]) == ("base", ".tandem/evaluations/base", 2)
    assert found["metrics"]["token_f1"].keys() >= {"value", "low", "high", "count", "failed"}


def test_what_was_answered_is_not_asked_again(folder, questions, chat):
    arguments = ("run", questions, "--target", f"{chat.url}#small", "--name", "base")
    command(*arguments)
    assert "0 asked, 2 kept from before" in command(*arguments).output
    command(*arguments[:-1], "other", "--limit", 1)
    assert len(chat.asked) == 2
    assert len(load(folder / ".tandem" / "evaluations" / "other").replies) == 1
    command(*arguments, "--fresh")
    assert len(chat.asked) == 4


@pytest.mark.faults
def test_another_target_or_set_needs_another_name(questions, chat):
    arguments = ("run", questions, "--target", f"{chat.url}#small", "--name", "base")
    command(*arguments)
    said = command(*arguments, "--system", "Be brief.", "--limit", 1, code=1).output
    assert "another target's system, questions (2 there, 1 here): give another --name, or --fresh" in said
    command(*arguments, "--system", "Be brief.", "--limit", 1, "--fresh")
    assert len(chat.asked) == 3


@pytest.mark.faults
def test_every_mistake_in_the_options_is_told_at_once(folder, questions):
    (folder / "form.yaml").write_text("regexp: a\n")
    said = command(
        *("run", questions, "--target", "stack:rag-dev", "--system", "x", "--key-variable", "NO_SUCH_KEY"),
        *("--name", "../base", "--format", "form.yaml", "--similarity", "bert"),
        code=1,
    ).output
    for expected in (
        "system: is for models alone",
        "key_variable: is for OpenAI-compatible URLs",
        "--name is '../base'",
        "form.yaml: format is {'regexp': 'a'}",
        "similarity: 'bert' is not allowed (amazon.titan-embed-text-v2:0, ",
    ):
        assert expected in said


@pytest.mark.faults
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("nova", "target: 'nova' is not allowed (bedrock:MODEL_ID"),
        ("bedrock:", "target: 'bedrock:' is not allowed"),
        ("ftp://host/v1#m", "target: 'ftp://host/v1#m' is not allowed"),
        ("https://host/v1", "Give a URL and the model's name behind #"),
        ("https://me:secret@host/v1#m", "has a user or a query, which would be stored"),
        ("https://host/v1?key=secret#m", "has a user or a query, which would be stored"),
    ],
)
def test_a_target_that_is_none(questions, target, expected):
    assert expected in command("run", questions, "--target", target, "--name", "base", code=1).output


@pytest.mark.faults
def test_a_question_set_with_mistakes_is_refused_before_anything_is_asked(folder, chat):
    one = {"id": "a", "question": "?", "document": None, "reference": ""}
    said = command(
        *("run", lines(folder / "bad.jsonl", one, one), "--target", f"{chat.url}#small", "--name", "base"), code=1
    ).output
    assert "bad.jsonl:1: reference: '' is not" in said and "bad.jsonl:2: id: 'a' is already used on line 1" in said
    assert chat.asked == []


@pytest.mark.faults
def test_calls_that_fail_are_counted_and_asked_again(folder, chat):
    def fail(text: str) -> tuple[int, dict]:
        return (400, {"error": "too long"}) if text == "3?" else say(text)

    chat.answer = fail
    entries = [{"id": str(number), "question": f"{number}?", "document": None} for number in range(6)]
    arguments = ("run", lines(folder / "set", *entries), "--target", f"{chat.url}#small", "--name", "base")
    said = command(*arguments).output
    assert "1 of 6 calls failed and count as 0; the same command asks them again" in said and "too long" in said
    run = load(folder / ".tandem" / "evaluations" / "base")
    accuracy = run.metrics["refusal_accuracy"]
    assert (accuracy.value, accuracy.count, accuracy.failed) == (pytest.approx(5 / 6), 6, 1)
    assert (run.latency.count, run.latency.failed) == (6, 1)
    chat.answer = say
    chat.asked.clear()
    command(*arguments)
    assert chat.asked == ["3?"]
    assert load(folder / ".tandem" / "evaluations" / "base").metrics["refusal_accuracy"].value == 1


@pytest.mark.faults
def test_a_target_that_answers_nothing_leaves_no_run(folder, questions, chat):
    chat.answer = lambda text: (401, {"error": "no such key"})
    said = command("run", questions, "--target", f"{chat.url}#small", "--name", "base", code=1).output
    assert "Nothing was stored: the first 2 calls failed, and none was answered" in said and "no such key" in said
    assert not (folder / ".tandem" / "evaluations" / "base").exists()


def test_a_hosted_model_has_a_price_and_a_similarity(folder, questions, aws):
    aws.embed = lambda text: [1.0, 0.0] if text == "34 francs" else [0.0, 1.0]
    said = command("run", questions, "--target", f"bedrock:{NOVA}", "--name", "base", "--similarity", TITAN).output
    run = load(folder / ".tandem" / "evaluations" / "base")
    assert run.target == {"kind": "bedrock", "url": aws.url, "id": NOVA, "system": None, "max_tokens": 300}
    assert run.metrics["similarity"].value == 1.0 and aws.embedded == ["34 francs"]
    assert "1,000 questions: $" in said and f"{NOVA} read 2,000 and wrote 200 tokens" in said
    assert run.price.sources[0].startswith(f"AmazonBedrock input:{NOVA}: $")


def test_another_model_behind_an_endpoint_is_another_target(folder, project, questions, aws):
    project.has(endpointName="tuned", inferenceComponent="component")
    arguments = ("run", questions, "--target", "endpoint:finetune-dev", "--name")
    said = command(*arguments, "tuned").output
    run = load(folder / ".tandem" / "evaluations" / "tuned")
    assert (run.target["configuration"], run.target["model"]) == ("configuration-1", "model-1")
    assert "1 x ml.g6e.xlarge" in said and run.price.sources[0].startswith("AmazonSageMaker hosting:ml.g6e.xlarge")
    command(*arguments, "again")
    assert len(aws.asked) == 2
    aws.component_model = "model-2"
    assert "another target's model" in command(*arguments, "tuned", code=1).output
    command(*arguments, "newer")
    assert len(aws.asked) == 4


@pytest.mark.faults
def test_an_endpoint_that_changes_is_not_asked(project, questions, aws):
    project.has(endpointName="tuned", inferenceComponent="")
    aws.endpoint["EndpointStatus"] = "Updating"
    said = command("run", questions, "--target", "endpoint:finetune-dev", "--name", "tuned", code=1).output
    assert "Endpoint tuned is Updating: wait" in said and aws.asked == []


@pytest.fixture
def rag(project, api, aws):
    """A stack that cites one document and finds it second."""
    found = [{"document": key, "page": None, "heading": None, "score": 0.5} for key in ("b.md", "a.md")]
    whole = answer("a.md", retrieved=found, usage={"input_tokens": 900, "output_tokens": 10}, model=NOVA)
    api.replies = [(200, {}, whole)]
    return api


STACK = ("--target", "stack:rag-dev", "--name")


def test_a_stack_is_measured_by_what_it_retrieves_and_cites(folder, questions, rag):
    said = command("run", questions, *STACK, "rag").output
    run = load(folder / ".tandem" / "evaluations" / "rag")
    assert {name: found.value for name, found in run.metrics.items()} == {
        "recall@5": 1.0,
        "ndcg@5": pytest.approx(0.6309298),
        "mrr": 0.5,
        "citation_precision": 1.0,
        "citation_recall": 1.0,
        "refusal_accuracy": 0.5,
        "exact_match": 1.0,
        "token_f1": 1.0,
    }
    assert run.replies[0].retrieved == ("b.md", "a.md")
    assert "search, embedding and functions come on top" in said and run.price.usd_per_1000 > 0


def test_a_changed_document_or_deployment_is_another_target(project, questions, rag, aws):
    command("run", questions, *STACK, "first")
    command("run", questions, *STACK, "same")
    assert len(rag.requests) == 2
    aws.documents["a.md"] = "changed"
    assert "another target's documents" in command("run", questions, *STACK, "first", code=1).output
    command("run", questions, *STACK, "second")
    assert len(rag.requests) == 4
    (project.folder / "pulumi-history").write_text(json.dumps([HISTORY | {"startTime": "2026-11-28T11:00:00.000Z"}]))
    assert "another target's update" in command("run", questions, *STACK, "second", code=1).output
    command("run", questions, *STACK, "third")
    assert len(rag.requests) == 6


def test_a_stack_that_does_not_say_what_it_retrieves_is_measured_without(folder, questions, rag):
    rag.replies = [(200, {}, answer("a.md", model=NOVA))]
    command("run", questions, *STACK, "rag")
    run = load(folder / ".tandem" / "evaluations" / "rag")
    assert "mrr" not in run.metrics and run.metrics["citation_recall"].value == 1
    assert run.price.usd_per_1000 is None and "without their numbers of tokens" in run.price.how


def test_a_hybrid_stack_pays_for_the_endpoint_that_spoke(folder, project, questions, rag, aws):
    outputs = {"queryUrl": rag.url, "documentsBucket": "docs", "endpointName": "tuned", "inferenceComponent": ""}
    project.has(**outputs)
    rag.replies = [(200, {}, answer("a.md", retrieved=[], model="tuned", usage=None))]
    command("run", questions, *STACK, "hybrid")
    assert "1 x ml.g6e.xlarge" in load(folder / ".tandem" / "evaluations" / "hybrid").price.how


@pytest.mark.faults
def test_a_label_that_no_document_has_is_refused(rag, folder):
    unknown = {"id": "a", "question": "?", "document": "gone.md"}
    said = command("run", lines(folder / "set", unknown), *STACK, "rag", code=1).output
    assert "document: 'gone.md' is none of the 2 known ones" in said
    assert rag.requests == []


@pytest.mark.faults
def test_answers_of_a_target_that_changed_meanwhile_are_not_kept(folder, questions, rag, aws):
    """A document arrives while the stack is asked."""

    class Growing(dict):
        def items(self):
            return {**self, "new.md": "3"}.items() if rag.requests else super().items()

    aws.documents = Growing(aws.documents)
    said = command("run", questions, *STACK, "rag", code=1).output
    assert "changed while it was asked" in said
    evaluations = folder / ".tandem" / "evaluations"
    assert not (evaluations / "rag").exists() and not list((evaluations / "cache").iterdir())


@pytest.fixture
def two_runs(folder, chat):
    """One that answers, and one that is wrong; six questions are the least that can be sure."""
    priced = [{"id": f"{at}", "question": f"What does hut {at} cost?", "document": "a.md"} for at in range(6)]
    wifi = {"id": "wifi", "question": "What is the password?", "document": None}
    entries = [*(entry | {"reference": "34 francs"} for entry in priced), wifi]
    run = ("run", lines(folder / "seven", *entries), "--target")
    command(*run, f"{chat.url}#small", "--name", "good")
    chat.answer = lambda text: (200, completion("12 crowns"))
    command(*run, f"{chat.url}#tiny", "--name", "bad")
    return folder / ".tandem" / "evaluations"


def test_two_runs_are_compared(two_runs):
    said = command("compare", "good", two_runs / "bad").output
    assert "worse" in said and "exact_match" in said
    content = json.loads(command("compare", "good", "bad", "--json", "--metric", "token_f1").stdout)
    assert content["before"] == "good" and content["left_out"] == {}
    (found,) = content["differences"]
    assert (found["metric"], found["before"], found["after"], found["verdict"]) == ("token_f1", 1.0, 0.0, "worse")
    assert found["interval"]["difference"] == found["interval"]["low"] == -1 and found["interval"]["high"] < 0
    assert found["interval"]["p"] == 2 / 2**6 and found["count"] == 6
    assert content["outcomes"]["before"]["failed"] == 0 and found["answered"] is None


def test_a_comparison_can_fail(two_runs):
    assert "Worse: " in command("compare", "good", "bad", "--fail-on-worse", code=3).output
    command("compare", "bad", "good", "--fail-on-worse")
    command("compare", "good", "good", "--fail-on-worse")


@pytest.mark.faults
def test_runs_that_cannot_be_compared(two_runs, folder, chat):
    assert "there is no run 'none'" in command("compare", "good", "none", code=1).output
    said = command("compare", "good", "bad", "--metric", "mrr", code=1).output
    assert "mrr: no such metric" in said and "compared are refusal_accuracy, exact_match, token_f1" in said
    other = lines(folder / "other", {"id": "wifi", "question": "What is the password?", "document": None})
    command("run", other, "--target", f"{chat.url}#tiny", "--name", "other")
    said = command("compare", "good", "other", code=1).output
    assert "6 questions only in good, 0 only in other, 1 in both" in said and "--common" in said
    assert "refusal_accuracy" in command("compare", "good", "other", "--common").output
    said = command("report", "good", "other", code=1).output
    assert "different question sets" in said and not (folder / "report.html").exists()


def test_a_report_is_written(two_runs, folder):
    said = command("report", "good", "bad", "--to", "page.html", "--markdown", "page.md").output
    assert "written to page.html" in said and "written to page.md" in said
    for name in ("page.html", "page.md"):
        page = (folder / name).read_text()
        assert "good" in page and "bad" in page


def test_rows_of_a_data_set_become_questions(folder):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What does it cost?"},
        {"role": "assistant", "content": "34 francs"},
    ]
    rows = lines(folder / "rows.jsonl", {"messages": messages}, {"messages": messages + messages[1:]})
    said = command("import", rows, "--to", "set.jsonl").output
    assert "1 questions written to set.jsonl" in said
    assert "left out: 1 rows with several questions" in said and "rows.jsonl:2" in said
    assert "'Be brief.'" in said and "--system" in said
    entry = json.loads((folder / "set.jsonl").read_text())
    assert entry == {
        "id": "rows-1",
        "question": "What does it cost?",
        "documents": [],
        "reference": "34 francs",
        "answerable": True,
    }
    assert "set.jsonl is there already" in command("import", rows, "--to", "set.jsonl", code=1).output
