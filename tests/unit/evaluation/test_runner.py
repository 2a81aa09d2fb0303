"""Asking: order, answers that are kept, failures that are not, and targets that never answer."""

import threading
import time

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from tandem_contract.errors import TandemError

from tandem.evaluation.questions import Question
from tandem.evaluation.runner import Kept, run
from tandem.evaluation.runs import Reply
from tandem.evaluation.targets import asking
from tandem.models.errors import Refused
from tandem.models.openai import OpenAiApi, OpenAiChat
from tests.support.chat_api import completion, serve

QUESTIONS = [Question(str(number), f"What is {number}?", None) for number in range(12)]
IDENTITY = {"kind": "openai", "id": "small"}


def echo(text):
    return Reply(text=f"It is {text.split()[-1]}", model="small")


def test_replies_come_in_the_order_of_the_questions_and_a_few_at_once():
    together = threading.Barrier(3, timeout=10)

    def ask(text):
        together.wait()  # three have to be asked at the same time
        time.sleep(0.02 if text == "What is 0?" else 0)
        return echo(text)

    told = []
    replies = run(QUESTIONS, ask, concurrency=3, tell=told.append)
    assert [reply.question for reply in replies] == [question.id for question in QUESTIONS]
    assert [reply.text for reply in replies] == [f"It is {number}?" for number in range(12)]
    assert {reply.at_once for reply in replies} == {3}
    assert sorted(reply.question for reply in told) == sorted(question.id for question in QUESTIONS)


def test_a_text_is_asked_once():
    asked = []
    twice = [Question("a", "What?", None), Question("b", "What?", None)]
    replies = run(twice, lambda text: asked.append(text) or echo(text), concurrency=4)
    assert [(reply.question, reply.text) for reply in replies] == [("a", "It is What?"), ("b", "It is What?")]
    assert asked == ["What?"]


def test_what_is_kept_is_not_asked_again_unless_the_target_is_another(tmp_path):
    first = run(QUESTIONS, echo, concurrency=2, kept=Kept(tmp_path, IDENTITY))

    def nobody(text):
        raise AssertionError("asked again")

    assert run(QUESTIONS, nobody, concurrency=2, kept=Kept(tmp_path, dict(reversed(IDENTITY.items())))) == first
    asked = []
    run(QUESTIONS, lambda text: asked.append(text) or echo(text), concurrency=2, kept=Kept(tmp_path, {"id": "large"}))
    assert len(asked) == len(QUESTIONS)


@pytest.mark.faults
def test_a_failure_is_a_reply_of_its_question_alone_and_is_asked_again(tmp_path):
    def ask(text):
        if text == "What is 3?":
            raise Refused("out of order")
        return echo(text)

    kept = Kept(tmp_path, IDENTITY)
    replies = run(QUESTIONS, ask, concurrency=2, kept=kept)
    assert [(reply.question, reply.error) for reply in replies if reply.error] == [("3", "out of order")]
    asked = []
    mended = run(QUESTIONS, lambda text: asked.append(text) or echo(text), concurrency=2, kept=kept)
    assert asked == ["What is 3?"]
    assert not any(reply.error for reply in mended)


@pytest.mark.faults
@pytest.mark.parametrize("content", ["", "{", "[]", '{"reply": {}}', '{"reply": {"question": "0", "speed": 1}}'])
def test_a_kept_answer_that_cannot_be_read_is_asked_again(tmp_path, content):
    kept = Kept(tmp_path, IDENTITY)
    run(QUESTIONS[:1], echo, concurrency=1, kept=kept)
    (file,) = tmp_path.iterdir()
    file.write_text(content)
    assert run(QUESTIONS[:1], echo, concurrency=1, kept=kept)[0].text == "It is 0?"
    assert kept.get("What is 0?").text == "It is 0?"


@pytest.mark.faults
def test_a_target_that_never_answers_is_given_up(tmp_path):
    many = [Question(str(number), f"What is {number}?", None) for number in range(200)]
    asked = []

    def ask(text):
        asked.append(text)
        raise Refused("answered 401")

    with pytest.raises(TandemError, match=r"the first 1\d calls failed, and none was answered: answered 401"):
        run(many, ask, concurrency=2, kept=Kept(tmp_path, IDENTITY))
    assert len(asked) < 20
    with pytest.raises(TandemError, match="the first 2 calls"):
        run(many[:2], ask, concurrency=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.faults
def test_the_last_question_that_fails_for_ever_keeps_no_run_from_ending(tmp_path):
    kept = Kept(tmp_path, IDENTITY)
    run(QUESTIONS[:-1], echo, concurrency=2, kept=kept)

    def ask(text):
        raise Refused("too long")

    assert [reply.error for reply in run(QUESTIONS, ask, concurrency=2, kept=kept)].count("too long") == 1


@pytest.mark.faults
def test_errors_for_a_third_of_the_calls_are_tried_again_and_what_is_left_is_a_failed_reply():
    """Every third call fails, and so does each call about one question."""
    calls = iter(range(10_000))

    def answer(text):
        if text == "What is 7?" or next(calls) % 3 == 2:
            return 503, {"error": "overloaded"}
        return 200, completion(f"It is {text.split()[-1]}")

    with serve(answer) as chat:
        target = asking(OpenAiChat(OpenAiApi(chat.url), "small"), seconds=1.5)
        replies = run(QUESTIONS, target, concurrency=4)
    failed = [reply for reply in replies if reply.error]
    assert [reply.question for reply in failed] == ["7"]
    assert "with 503" in failed[0].error
    assert [reply.text for reply in replies if not reply.error] == [f"It is {n}?" for n in range(12) if n != 7]
    assert 2 <= chat.asked.count("What is 7?") <= 8


def test_a_bug_in_asking_is_no_reply(tmp_path):
    def ask(text):
        raise ValueError("list.remove(x): x not in list")

    with pytest.raises(ValueError, match="x not in list"):
        run(QUESTIONS, ask, concurrency=2, kept=Kept(tmp_path, IDENTITY))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.faults
@pytest.mark.parametrize(
    "error", [NoCredentialsError(), ClientError({"Error": {"Code": "Throttling", "Message": "slower"}}, "AssumeRole")]
)
def test_an_error_of_the_sdk_is_a_reply_of_its_question_alone(error):
    def ask(text):
        if text == "b?":
            raise error
        return Reply(text=text)

    replies = run([Question(name, f"{name}?", None) for name in "abc"], ask, concurrency=1)
    assert [reply.error for reply in replies] == [None, str(error), None]
