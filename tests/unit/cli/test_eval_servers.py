"""`tandem eval run` against servers that answer otherwise than well: what is said, counted, kept and asked again."""

import json
import time

import pytest

from tandem.evaluation.runs import load
from tests.support.answering import said, serve, wrong
from tests.support.eval_command import lines
from tests.unit.cli.test_eval import command

PLACES = {"France": "Paris", "Italy": "Rome", "Atlantis": "The documents do not say."}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Tries follow each other at once, unless the server names a time."""
    monkeypatch.setattr("tandem.runtime.retry.full_jitter", lambda *_: 0.001)


@pytest.fixture
def basic(folder):
    """Two questions with an answer, and one without."""
    return lines(
        folder / "basic.jsonl",
        *(
            {"id": name, "question": f"What is the capital of {name}?", "document": None}
            | ({"answerable": True, "reference": PLACES[name]} if name != "Atlantis" else {})
            for name in PLACES
        ),
    )


@pytest.fixture
def thirty(folder):
    return lines(
        folder / "thirty.jsonl",
        *(
            {"id": f"n{at}", "question": f"Give answer number {at}", "document": None}
            | {"answerable": True, "reference": f"answer {at}"}
            for at in range(1, 31)
        ),
    )


def run(questions, server, *options, model="m", name="run", code=0):
    return command("run", questions, "--target", f"{server.url}#{model}", "--name", name, *options, code=code).output


def stored(folder, name="run"):
    return load(folder / ".tandem" / "evaluations" / name)


def right(body):
    asked = body["messages"][-1]["content"]
    return next(text for place, text in PLACES.items() if place in asked)


@pytest.mark.faults
def test_answers_without_text_are_no_answers_and_are_asked_again(folder, basic):
    def silent(path, body, count):
        return said(None, "length", reasoning_content="Let me think about what is asked here.")

    with serve(silent) as server:
        shown = run(basic, server)
        assert (
            "3 of 3 answers have no text (in 3 the model only thought); 3 of 3 answers were cut at the limit of tokens"
            in shown
        )
        assert "--max-tokens" in shown
        found = stored(folder)
        assert found.metrics["refusal_accuracy"].value == 0  # neither answered nor refused
        assert [reply.missing for reply in found.replies] == [True] * 3
        run(basic, server)
        assert len(server.asked) == 6
        run(basic, server, "--max-tokens", 2000, name="longer")
        assert server.asked[-1]["max_tokens"] == 2000 and stored(folder, "longer").target["max_tokens"] == 2000


@pytest.mark.faults
def test_thinking_in_the_text_is_no_part_of_the_answer(folder, basic):
    def thinking(path, body, count):
        return said(f"<think>\nThe user asks. Could it be Berlin? No.\n</think>\n\n{right(body)}")

    with serve(thinking) as server:
        run(basic, server)
    found = stored(folder)
    assert {name: found.metrics[name].value for name in ("exact_match", "refusal_accuracy")} == {
        "exact_match": 1,
        "refusal_accuracy": 1,
    }
    assert [reply.thought for reply in found.replies] == [True] * 3
    assert not [reply.text for reply in found.replies if "Berlin" in (reply.text or "")]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (("The capital is of course the city of Par", "length"), "3 of 3 answers were cut at the limit of tokens"),
        (("The capital", "content_filter"), "3 of 3 answers were filtered by the service."),
        (("", "content_filter"), "3 of 3 answers have no text; 3 of 3 answers were filtered by the service"),
        (("The capital", "incomplete"), "3 of 3 answers were cut at the limit of tokens"),
        ((" \u200b\n", "stop"), "3 of 3 answers have no text"),
        (([{"type": "refusal", "refusal": "no"}], "stop"), "3 of 3 answers have no text; 3 of 3 answers were filtered"),
        (("Paris", "stop"), ""),
        (("Paris", None), ""),
    ],
)
def test_answers_that_are_a_part_are_counted(basic, reply, expected):
    with serve(lambda path, body, count: said(*reply)) as server:
        shown = run(basic, server)
    assert expected in shown if expected else "3 of 3 answers " not in shown


@pytest.mark.faults
def test_a_refusal_of_the_models_own_rules_is_no_answer(folder, basic):
    with serve(lambda path, body, count: said(None, "stop", refusal="I can't help with that.")) as server:
        assert "3 of 3 answers have no text; 3 of 3 answers were filtered" in run(basic, server)
    assert stored(folder).metrics["refusal_accuracy"].value == 0


@pytest.mark.faults
def test_a_model_that_refuses_max_tokens_and_temperature_is_evaluated(folder, basic):
    def refusing(path, body, count):
        for name in ("max_tokens", "temperature"):
            if name in body:
                message = f"Unsupported parameter: '{name}' is not supported with this model."
                return wrong(400, {"message": message, "param": name, "code": "unsupported_parameter"})
        return said("Paris")

    with serve(refusing) as server:
        run(basic, server, "--concurrency", 1)
    assert stored(folder).metrics["exact_match"].value == 0.5
    assert len(server.asked) == 5


@pytest.mark.faults
def test_an_error_with_status_200_is_asked_again(folder, basic):
    def odd(path, body, count):
        return wrong(200, {"code": 429, "message": "Provider returned error"}) if count % 2 else said("Paris")

    with serve(odd) as server:
        run(basic, server, "--concurrency", 1)
    assert stored(folder).latency.failed == 0


@pytest.mark.faults
@pytest.mark.parametrize(
    "change",
    [
        {"error": {"message": "upstream broke", "code": 502}},
        {"choices": [{"message": {"content": "The capital of"}, "finish_reason": "error"}]},
        {"choices": [{"message": {"content": "The capital of"}, "finish_reason": "abort"}]},
    ],
)
def test_a_part_of_an_answer_beside_an_error_is_asked_again(folder, basic, change):
    def odd(path, body, count):
        return (200, {}, json.dumps(json.loads(said("Par")[2]) | change).encode()) if count % 2 else said("Paris")

    with serve(odd) as server:
        run(basic, server, "--concurrency", 1)
    assert [reply.text for reply in stored(folder).replies] == ["Paris"] * 3


@pytest.mark.faults
def test_the_first_choice_is_the_answer_wherever_it_stands(folder, basic):
    choices = [{"index": at, "message": {"content": f"number {at}"}} for at in (1, 0)]
    with serve(lambda path, body, count: (200, {}, json.dumps({"choices": choices}).encode())) as server:
        run(basic, server)
    assert {reply.text for reply in stored(folder).replies} == {"number 0"}


@pytest.mark.faults
def test_retry_after_is_waited_for_while_time_is_left(folder, basic):
    """The window of the case, in six tenths of a second in place of fifteen."""
    window = [0.0, 0]

    def limited(path, body, count):
        now = time.monotonic()
        if now - window[0] > 0.6:
            window[:] = [now, 0]
        window[1] += 1
        if window[1] > 1:
            left = 0.6 - (now - window[0])
            return wrong(
                429, {"message": "Rate limit reached", "code": "rate_limit_exceeded"}, Retry_After=f"{left:.2f}"
            )
        return said("Paris")

    with serve(limited) as server:
        run(basic, server, "--seconds", 120, "--concurrency", 2)
    assert stored(folder).latency.failed == 0


@pytest.mark.faults
def test_another_model_than_asked_for_is_said(folder, basic):
    with serve(lambda path, body, count: said("Paris", model="the-only-model-here.gguf")) as server:
        for name in ("base", "tuned"):
            shown = run(basic, server, model=name, name=name)
            assert f"3 of 3 answers are of the-only-model-here.gguf, which isn't what was asked for ({name})" in shown
            reply = stored(folder, name).replies[0]
            assert (reply.model, reply.answered_by) == (name, "the-only-model-here.gguf")
        said_of_both = "the-only-model-here.gguf gave the answers of both runs, which asked for different models"
        assert said_of_both in command("compare", "base", "tuned").output
        assert said_of_both in command("compare", "base", "tuned", "--json").stderr
        assert said_of_both not in command("compare", "base", "base").output
        assert "3 kept from before, answered by the-only-model-here.gguf" in run(
            basic, server, model="base", name="base"
        )


@pytest.mark.faults
@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("Qwen/Qwen3-8B", "qwen3-8b"),
        ("/models/x.gguf", "x.gguf"),
        ("m", None),
        ("llama3", "llama3:latest"),
        ("mistral-small-latest", "mistral-small-2409"),
        ("meta/llama-3:free", "meta/llama-3"),
    ],
)
def test_a_version_or_a_folder_more_is_the_model_that_was_asked_for(basic, asked, named):
    with serve(lambda path, body, count: said("Paris", model=named)) as server:
        assert "isn't what was asked for" not in run(basic, server, model=asked)


@pytest.mark.faults
def test_another_model_than_in_kept_answers_is_said(folder, basic):
    """Only what failed before is asked, and there is another model behind the same URL by then."""
    state = {"model": "m-1", "fails": True}

    def answer(path, body, count):
        fails = state["fails"] and "Italy" in body["messages"][-1]["content"]
        return wrong(400, {"message": "no"}) if fails else said("Paris", model=state["model"])

    with serve(answer) as server:
        assert "The answers are of" not in run(basic, server)
        state |= {"model": "m-2", "fails": False}
        shown = run(basic, server)
    assert "1 asked" in shown and "The answers are of 2 models (m-1: 2, m-2: 1)" in shown


@pytest.mark.faults
@pytest.mark.parametrize("route", ["/chat/completions", "/completions", "/chat/completions/"])
def test_a_route_in_the_url_is_refused_with_a_remedy(basic, route):
    with serve(lambda path, body, count: said("Paris")) as server:
        server.url += route
        shown = run(basic, server, code=1)
    assert "which is added" in shown and "Give the base URL" in shown and server.asked == []


def test_a_scheme_may_be_written_in_capitals(folder, basic):
    with serve(lambda path, body, count: said("Paris")) as server:
        server.url = server.url.replace("http:", "HTTP:")
        run(basic, server)
    assert stored(folder).target["url"].startswith("http://")


@pytest.mark.faults
def test_tokens_that_are_counted_in_floats_count(folder, basic):
    content = json.loads(said("Paris")[2]) | {"usage": {"prompt_tokens": 20.0, "completion_tokens": 2.0}}
    with serve(lambda path, body, count: (200, {}, json.dumps(content).encode())) as server:
        run(basic, server)
    assert (stored(folder).replies[0].input_tokens, stored(folder).replies[0].output_tokens) == (20, 2)


@pytest.mark.faults
def test_a_target_that_dies_is_given_up_after_a_few_calls_and_the_same_command_goes_on(folder, thirty):
    answers = {"alive": 4}

    def dying(path, body, count):
        return said("Paris") if count <= answers["alive"] else wrong(500, {"message": "out of memory"})

    with serve(dying) as server:
        shown = run(thirty, server, "--concurrency", 1, "--seconds", 1, code=1)
        assert "The target is gone: 5 calls in a row got no answer" in shown and "4 of 30 answers are kept" in shown
        assert not (folder / ".tandem" / "evaluations" / "run").exists()
        answers["alive"], before = 10_000, len(server.asked)
        run(thirty, server)
        assert len(server.asked) == before + 26
    assert stored(folder).latency.failed == 0


@pytest.mark.faults
@pytest.mark.parametrize(
    "dead", [wrong(500, {"message": "x"}), (200, {"Content-Length": "999", "Connection": "close"}, b"{")]
)
def test_a_server_that_dies_at_any_point_costs_no_answer_that_came(folder, dead):
    """Dead before each of eight answers in turn, with an error or in the middle of an answer."""
    entries = [{"id": f"n{at}", "question": f"Number {at}?", "document": None, "answerable": True} for at in range(8)]
    questions, alive = lines(folder / "eight.jsonl", *entries), {"until": 0}

    def answer(path, body, count):
        return said("Paris") if count <= alive["until"] else dead

    for point in range(9):
        alive["until"] = point
        with serve(answer) as server:
            given_up = point < 3
            options = {"model": f"m-{point}", "name": f"run-{point}"}  # a port may come again
            run(questions, server, "--concurrency", 1, "--seconds", 5, **options, code=int(given_up))
            asked = len(server.asked)
            alive["until"] = 10_000
            run(questions, server, **options)
            assert len(server.asked) == asked + 8 - point
        assert stored(folder, f"run-{point}").latency.failed == 0


@pytest.mark.faults
def test_questions_that_a_server_cannot_bear_are_no_target_that_is_gone(folder, thirty):
    def answer(path, body, count):
        poison = int(body["messages"][-1]["content"].split()[-1]) in range(10, 22)
        return wrong(500, {"message": "out of memory"}) if poison else said("Paris")

    with serve(answer) as server:
        shown = run(thirty, server, "--concurrency", 1)
    assert "12 of 30 calls failed" in shown and stored(folder).latency.failed == 12


@pytest.mark.faults
def test_a_fresh_run_replaces_the_old_one_only_when_it_stands(folder, thirty):
    answers = {"alive": True, "asked": 0, "text": "Paris"}

    def answer(path, body, count):
        answers["asked"] += 1
        alive = answers["alive"] or answers["asked"] <= 3
        return said(answers["text"]) if alive else wrong(401, {"message": "gone"})

    evaluations = folder / ".tandem" / "evaluations"
    with serve(answer) as server:
        run(thirty, server)
        before = {path: path.read_bytes() for path in evaluations.rglob("*") if path.is_file()}
        # Nobody is there: nothing changes.
        answers |= {"alive": False, "asked": 100}
        assert "Nothing was stored" in run(thirty, server, "--fresh", code=1)
        assert {path: path.read_bytes() for path in evaluations.rglob("*") if path.is_file()} == before
        assert "0 asked, 30 kept" in run(thirty, server)
        answers |= {"alive": True, "asked": 0, "text": "Rome"}
        run(thirty, server, "--fresh")
        assert answers["asked"] == 30
        assert {reply.text for reply in stored(folder).replies} == {"Rome"}
        assert "0 asked, 30 kept" in run(thirty, server, name="other")
    assert {reply.text for reply in stored(folder, "other").replies} == {"Rome"}
    assert not list((evaluations / "cache").glob("fresh-*"))


@pytest.mark.faults
def test_a_fresh_run_that_was_cut_off_goes_on_and_the_old_one_stays_meanwhile(folder, thirty):
    answers = {"dies_at": 10_000, "text": "Paris"}

    def answer(path, body, count):
        return said(answers["text"]) if count <= answers["dies_at"] else wrong(500, {"message": "out of memory"})

    with serve(answer) as server:
        run(thirty, server, "--concurrency", 1)
        answers |= {"dies_at": 42, "text": "Rome"}
        assert "The target is gone" in run(thirty, server, "--fresh", "--concurrency", 1, "--seconds", 1, code=1)
        assert {reply.text for reply in stored(folder).replies} == {"Paris"}
        answers["dies_at"], before = 10_000, len(server.asked)
        assert "18 asked" in run(thirty, server, "--fresh", "--concurrency", 1)
        assert len(server.asked) == before + 18
    assert {reply.text for reply in stored(folder).replies} == {"Rome"}


@pytest.mark.faults
def test_a_run_that_cannot_be_written_leaves_the_old_one_whole(folder, basic, monkeypatch):
    from pathlib import Path

    with serve(lambda path, body, count: said("Paris")) as server:
        run(basic, server)
        before = (folder / ".tandem" / "evaluations" / "run" / "run.json").read_bytes()
        whole = Path.write_text

        def full(path, text, **how):
            if path.name.startswith(".metrics.json"):
                raise OSError(28, "No space left on device")
            return whole(path, text, **how)

        monkeypatch.setattr(Path, "write_text", full)
        assert "No space left on device" in run(basic, server, "--fresh", code=1)
        monkeypatch.undo()
    kept = folder / ".tandem" / "evaluations" / "run"
    assert (kept / "run.json").read_bytes() == before
    assert {path.name for path in kept.iterdir()} == {"run.json", "replies.jsonl", "metrics.json", "questions.jsonl"}
