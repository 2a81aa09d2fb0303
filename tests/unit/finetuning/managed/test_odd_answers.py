"""Answers of a managed service that are none, or odd: each is a mistake of its own, and nothing is paid for twice."""

import json
import threading
from dataclasses import replace

import pytest
from tandem_contract.errors import TandemError, Unavailable

from tandem.finetuning.backends.managed.dialects import DIALECTS
from tandem.finetuning.backends.managed.finish import InMemory, finish
from tandem.finetuning.backends.managed.service import Service
from tandem.finetuning.dataset.rows import Row
from tandem.models.errors import Refused
from tandem.runtime.secret import Key
from tests.support.answering import said, serve, wrong
from tests.support.threads import wait_for

from .runs import DIGEST, GROUP, TEST, Registry, make_run, speak

MESSAGES = [{"role": "user", "content": "What is 1?"}]
TUNED = "ft:faq:1"


def service(server, dialect="openai"):
    return Service(DIALECTS[dialect], Key("tandem/openai", "sk-local-0123456789"), server.url)


def good(path, body, count):
    return said(
        speak(f":{body['model']}" if "faq" in body["model"] else body["model"], body["messages"]), model=body["model"]
    )


def evaluate(server, run=None, rows=TEST, model=TUNED, **options):
    registry = Registry()
    return finish(service(server), run or make_run("openai"), model, rows, DIGEST, registry, GROUP, **options), registry


def content(answer):
    return lambda path, body, count: (200, {}, json.dumps(answer).encode())


@pytest.mark.faults
@pytest.mark.parametrize(
    "answer",
    [
        {"choices": []},
        {"choices": None},
        {"choices": [{"message": None}]},
        {"choices": [None]},
        {"choices": [{"message": {"content": 7}}]},
        {"choices": [{"message": {"content": [7]}}]},
        {"choices": [{"message": {"content": None, "reasoning_content": "So."}, "finish_reason": "length"}]},
        {"choices": [{"message": {"content": "<think>So."}, "finish_reason": "length"}]},
        {"choices": [{"message": {"content": " "}}]},
        [],
        None,
        "text",
        {},
    ],
)
def test_an_answer_that_is_none_is_refused(answer):
    with serve(content(answer)) as server, pytest.raises(Refused):
        service(server).answer("m", MESSAGES, 64)


@pytest.mark.faults
def test_an_error_with_status_200_is_asked_again_and_then_said_in_the_services_words(waits):
    error = {"message": "Provider returned error", "code": 429}
    with serve(lambda path, body, count: wrong(200, error) if count < 3 else said("Answer: 1")) as server:
        assert service(server).answer("m", MESSAGES, 64).text == "Answer: 1"
    with serve(lambda path, body, count: wrong(200, error)) as server:
        with pytest.raises(Unavailable, match="Provider returned error"):
            service(server).answer("m", MESSAGES, 64)
        assert len(server.asked) == 6


@pytest.mark.parametrize(
    "text",
    [
        "Answer: 1",
        [{"type": "text", "text": "Answer: 1"}],
        [{"type": "text", "text": "Answer"}, {"type": "text", "text": ": 1"}],
        [{"type": "thinking", "thinking": [{"type": "text", "text": "So."}]}, {"type": "text", "text": "Answer: 1"}],
        "<think>So.</think>\n\nAnswer: 1",
    ],
)
def test_the_text_of_an_answer(text):
    with serve(lambda path, body, count: said(text)) as server:
        assert service(server).answer("m", MESSAGES, 64).text == "Answer: 1"


@pytest.mark.faults
@pytest.mark.parametrize(("status", "tries"), [(408, 6), (409, 6), (429, 6), (500, 6), (400, 1), (403, 1)])
def test_which_refusals_are_asked_again(waits, status, tries):
    with serve(lambda path, body, count: wrong(status, {"message": "no"})) as server, pytest.raises(TandemError):
        service(server).answer("m", MESSAGES, 64)
    assert len(server.asked) == tries


@pytest.mark.faults
@pytest.mark.parametrize("where", ["code", "type"])
def test_used_up_credit_ends_an_evaluation_at_once(where):
    error = {"message": "You exceeded your current quota", where: "insufficient_quota"}
    with serve(lambda path, body, count: wrong(429, error)) as server:
        with pytest.raises(TandemError, match="You exceeded your current quota"):
            evaluate(server)
        assert len(server.asked) < 20


@pytest.mark.faults
def test_answers_that_were_cut_are_counted():
    def cut(path, body, count):
        return said("Answer: 12345 and", "length" if "What is 3 " in body["messages"][-1]["content"] else "stop")

    with serve(cut) as server:
        made, _ = evaluate(server)
    assert made.evaluation["cut"] == {"base": 1, "tuned": 1}
    assert made.evaluation["failed"] == {"base": 0, "tuned": 0}


@pytest.mark.faults
def test_an_answer_that_does_not_come_is_wrong_whatever_the_label():
    """Labels A and B: normalised, A is nothing, and so was a missing answer."""
    rows = [Row((("user", f"Row {at}?"), ("assistant", "AB"[at % 2])), "test.jsonl", at + 1) for at in range(40)]

    def answer(path, body, count):
        at = int(body["messages"][-1]["content"].split()[1].rstrip("?"))
        if body["model"] != TUNED:
            return said("B")
        return wrong(400, {"message": "filtered"}) if at in (0, 2, 4, 6) else said("AB"[at % 2])

    run = make_run("openai", evaluation={"max_rows": 40, "max_new_tokens": 8}, gate={"exact_match": {"at_least": 0.95}})
    with serve(answer) as server:
        made, registry = evaluate(server, run, rows)
    assert made.evaluation["failed"] == {"base": 0, "tuned": 4}
    assert made.evaluation["metrics"]["exact_match"]["tuned"] == 0.9
    assert made.reasons and not registry.described


@pytest.mark.faults
@pytest.mark.parametrize(
    "odd", [{"choices": []}, {"error": {"message": "lost", "code": 400}}, {"choices": [{"message": None}]}]
)
def test_one_odd_answer_is_one_mistake(odd):
    def answer(path, body, count):
        if "What is 7 " in body["messages"][-1]["content"] and body["model"] == TUNED:
            return 200, {}, json.dumps(odd).encode()
        return good(path, body, count)

    with serve(answer) as server:
        made, registry = evaluate(server)
    assert made.evaluation["failed"] == {"base": 0, "tuned": 1}
    assert len(made.failures) == 1 and made.failures[0].startswith("test.jsonl:8, tuned model: ")
    assert len(registry.described) == 1


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.faults
@pytest.mark.parametrize("at", [1, 7, 20, 21, 39, 40])
def test_a_killed_evaluation_goes_on_without_paying_twice(at):
    kept = InMemory()

    def kill(done, of):
        if done == at:
            raise Killed

    with serve(good) as server:
        others = set(threading.enumerate())
        with pytest.raises(Killed):
            evaluate(server, kept=kept, progress=kill)
        wait_for("begin_next", others)  # what has begun goes on to its end
        made, registry = evaluate(server, kept=kept)
        questions = [json.dumps([body["model"], body["messages"]]) for body in server.asked]
        assert len(questions) == len(set(questions)) == 40
        again, _ = evaluate(server, kept=kept)
        assert len(server.asked) == 40
    assert made.reasons == [] and len(registry.described) == 1
    assert again.answers == made.answers
    assert again.evaluation | {"seconds": 0} == made.evaluation | {"seconds": 0}


@pytest.mark.faults
def test_an_evaluation_that_ended_in_an_outage_asks_only_what_is_missing(waits):
    kept, alive = InMemory(), {"until": 25}

    def answer(path, body, count):
        return good(path, body, count) if count <= alive["until"] else wrong(400, {"message": "out of order"})

    with serve(answer) as server:
        with pytest.raises(TandemError, match="didn't come, the last: "):
            evaluate(server, kept=kept)
        asked, alive["until"] = len(server.asked), 10_000
        made, _ = evaluate(server, kept=kept)
        assert len(server.asked) == asked + 15
    assert made.evaluation["failed"] == {"base": 0, "tuned": 0}


@pytest.mark.faults
def test_other_rows_or_another_model_are_other_questions():
    kept = InMemory()
    with serve(good) as server:
        evaluate(server, kept=kept)
        evaluate(server, kept=kept, model=f"{TUNED}:2")
        assert len(server.asked) == 60


@pytest.mark.faults
def test_a_service_that_ignores_the_models_name_registers_nothing():
    with serve(lambda path, body, count: said("Answer: yes", model="the-only-one")) as server:
        made, registry = evaluate(server)
    assert made.evaluation["answered_by"] == {"base": ["the-only-one"], "tuned": ["the-only-one"]}
    assert "Both models answered as the-only-one: the service ignores which one is asked for" in made.reasons[0]
    assert made.model_package is None and not registry.described


@pytest.mark.faults
def test_a_parameter_that_a_model_refuses_is_asked_for_once():
    def answer(path, body, count):
        return (
            wrong(400, {"message": "no", "param": "temperature"}) if "temperature" in body else good(path, body, count)
        )

    with serve(answer) as server:
        made, _ = evaluate(server)
    assert made.evaluation["failed"] == {"base": 0, "tuned": 0}
    assert len(server.asked) <= 40 + 2 * 8  # those that were under way when it was learnt


def test_a_row_with_tools_is_asked_with_them():
    tool = {"type": "function", "function": {"name": "time", "parameters": {"type": "object"}}}
    rows = [*TEST[:19], replace(TEST[19], tools=(tool,))]
    with serve(good) as server:
        evaluate(server, rows=rows)
    assert [body["tools"] for body in server.asked if "tools" in body] == [[tool]] * 2


def test_thoughts_stay_where_the_rows_have_them():
    rows = [Row((*row.messages[:-1], ("assistant", "<think>So.</think>\nYes.")), row.file, row.line) for row in TEST]
    with serve(lambda path, body, count: said("<think>So.</think>\nYes.")) as server:
        made, _ = evaluate(server, rows=rows)
    assert made.evaluation["metrics"]["exact_match"]["tuned"] == 1


def job(server_answer, dialect="openai"):
    with serve(server_answer) as server:
        return service(server, dialect).status("ftjob-1"), server


@pytest.mark.faults
@pytest.mark.parametrize("name", [None, "", 7])
@pytest.mark.parametrize("dialect", ["openai", "together"])
def test_a_model_without_a_name_is_not_at_its_end(dialect, name):
    found = {"id": "ftjob-1", "status": {"openai": "succeeded", "together": "completed"}[dialect]}
    found |= {"fine_tuned_model": name, "model_output_name": name}
    status, _ = job(content(found), dialect)
    assert (status.state, status.model) == ("running", None)
    assert "names no model yet" in status.message


@pytest.mark.faults
def test_a_model_without_a_name_is_never_asked():
    with serve(good) as server, pytest.raises(TandemError, match="names no model of faq-20261124-101500-ab12 yet"):
        evaluate(server, model=None)
    assert server.asked == []


@pytest.mark.faults
@pytest.mark.parametrize("status", [404, 405, 501])
@pytest.mark.parametrize("dialect", ["openai", "together"])
def test_a_service_without_events_or_metrics_is_followed_all_the_same(dialect, status):
    def answer(path, body, count):
        if path.partition("?")[0].endswith(("/events", "/metrics")):
            return wrong(status, {"message": "no such route"})
        return 200, {}, json.dumps({"id": "ftjob-1", "status": "running"}).encode()

    found, _ = job(answer, dialect)
    assert (found.state, found.message, found.step, found.loss) == ("running", "running", None, None)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([{"message": "one"}, {"created_at": "2026-11-24", "message": "two"}], "two"),
        ([{"created_at": None, "message": None}, {"created_at": 7}], "running"),
        ([None, "text", 7], "running"),
        ("none", "running"),
        (None, "running"),
    ],
)
def test_together_events_of_any_shape(events, message):
    found, _ = job(
        content({"status": "running", "events": events, "metrics": [None, {"train/loss": "low"}]}), "together"
    )
    assert (found.state, found.message, found.loss) == ("running", message, None)


@pytest.mark.faults
@pytest.mark.parametrize(
    "events",
    [
        None,
        "none",
        [None],
        [{"type": "metrics"}],
        [{"type": "metrics", "data": 7, "message": None}],
        [{"message": None}],
    ],
)
def test_openai_events_of_any_shape(events):
    found, _ = job(content({"status": "running", "data": events, "error": None, "trained_tokens": "many"}))
    assert (found.state, found.message, found.step, found.tokens) == ("running", "running", None, None)


@pytest.mark.faults
@pytest.mark.parametrize("number", ["NaN", "1e999", "-1", "9" * 400])
def test_a_number_that_is_no_count_is_unknown(number):
    steps = "9" * 5000
    events = f'[{{"type": "metrics", "message": "Step 1/{steps}: loss", "data": {{"step": {number}}}}}]'
    body = f'{{"status": "running", "trained_tokens": {number}, "data": {events}}}'.encode()
    found, _ = job(lambda path, sent, count: (200, {}, body))
    assert (found.state, found.step, found.steps, found.tokens) == ("running", None, None, None)


@pytest.mark.parametrize(
    ("says", "state"), [("canceled", "cancelled"), ("expired", "failed"), ("error", "failed"), ("FAILED", "failed")]
)
@pytest.mark.parametrize("dialect", ["openai", "together"])
def test_every_word_for_an_end_is_one(dialect, says, state):
    found, _ = job(content({"status": says}), dialect)
    assert found.state == state


@pytest.mark.faults
@pytest.mark.parametrize("found", [[], None, "text", {}, {"status": None}, {"status": 7}])
@pytest.mark.parametrize("dialect", ["openai", "together"])
def test_a_job_of_another_shape_is_a_sentence(dialect, found):
    with pytest.raises(TandemError):
        job(content(found), dialect)


@pytest.mark.faults
@pytest.mark.parametrize(
    "pages",
    [
        lambda after: {"data": [], "has_more": True},
        lambda after: {"data": [{"id": "a"}, {"id": "b"}], "has_more": True},  # `after` is ignored
        lambda after: {"data": [{"id": "a"} if after == "b" else {"id": "b"}], "has_more": True},  # a circle
        lambda after: {"data": [None, {}, {"metadata": "text", "id": None}], "has_more": True},
        lambda after: {"data": [{"id": None, "metadata": {"tandem_run": "faq"}}], "has_more": True},
    ],
)
def test_pages_come_to_an_end(pages):
    def answer(path, body, count):
        return 200, {}, json.dumps(pages(path.partition("after=")[2])).encode()

    with serve(answer) as server:
        api = service(server)
        assert api.dialect.find(api._get, "faq") is None
    assert len(server.asked) <= 4


@pytest.mark.faults
@pytest.mark.parametrize("page", [{}, {"data": None}, "text", None, {"object": "list"}])
@pytest.mark.parametrize("dialect", ["openai", "together"])
def test_a_list_that_is_none_starts_no_job(dialect, page):
    run = make_run(dialect)
    with serve(content(page)) as server, pytest.raises(TandemError):
        service(server, dialect).start(run, b"{}\n" * 12, b"{}\n")
    assert len(server.asked) == 1


@pytest.mark.faults
@pytest.mark.parametrize("made", [{}, {"id": None}, [], "text"])
def test_a_file_without_an_id_starts_no_job(made):
    def answer(path, body, count):
        return 200, {}, json.dumps({"data": []} if path.partition("?")[0].endswith("/jobs") else made).encode()

    with serve(answer) as server, pytest.raises(TandemError, match="told no id"):
        service(server).start(make_run("openai"), b"{}\n" * 12, b"{}\n")
