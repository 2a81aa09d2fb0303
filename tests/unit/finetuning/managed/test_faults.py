"""What goes wrong between us and a managed service: busy, broken, refusing, or cut off in the middle."""

import json
import logging
import traceback

import botocore.session
import pytest
from botocore.stub import Stubber
from tandem_contract.errors import Mistakes, TandemError
from tandem_contract.run_record import Run

from tandem.finetuning.backends.managed.dialects import DIALECTS
from tandem.finetuning.backends.managed.finish import finish
from tandem.finetuning.backends.managed.service import Service
from tandem.finetuning.dataset.rows import encoded
from tandem.finetuning.registry import record
from tandem.runtime.secret import Key, api_key
from tests.support.finetuning_api import Fault, Refused, serve

from .runs import (
    DIGEST,
    GROUP,
    JOBS,
    TEST,
    TRAIN,
    VALIDATION,
    Registry,
    connect,
    make_run,
    rows,
    speak,
    to_the_end,
    tune,
)


@pytest.mark.faults
def test_all_that_a_service_cannot_honour_is_refused_before_anything_is_sent(api):
    asked = {"method": "lora", "max_steps": 100, "checkpoint_steps": 10, "learning_rate": 1e-5, "warmup_ratio": 0.1}
    asked |= {"weight_decay": 0.1, "max_sequence_tokens": 4096}
    asked["lora"] = {"rank": 8, "alpha": 8, "dropout": 0.0, "modules": ["q_proj"]}
    run = make_run(api.dialect, **asked)
    with pytest.raises(Mistakes) as caught:
        connect(api).start(run, encoded(rows(9)), VALIDATION)
    keys = [mistake.where for mistake in caught.value.mistakes]
    if api.dialect == "together":
        assert keys == ["max_steps", "checkpoint_steps"]
    else:
        assert set(keys) == {
            "max_sequence_tokens",
            "max_steps",
            "learning_rate",
            "warmup_ratio",
            "weight_decay",
            "checkpoint_steps",
            "lora.rank",
            "lora.alpha",
            "lora.dropout",
            "lora.modules",
            "train.jsonl",
        }
        assert "  - lora.rank: 8 can't be honoured by OpenAI. It chooses this itself: leave it out." in str(
            caught.value
        )
        assert "train.jsonl: 9 rows to train on are too few for OpenAI. It takes 10 or more." in str(caught.value)
    assert api.requests == []


@pytest.mark.faults
def test_full_fine_tuning_is_one_mistake_with_openai():
    with serve("openai") as api, pytest.raises(Mistakes) as caught:
        connect(api).start(make_run("openai", method="full"), TRAIN, VALIDATION)
    assert [mistake.where for mistake in caught.value.mistakes] == ["method"]


@pytest.mark.faults
def test_an_unusable_form_is_refused_before_anything_is_sent(api):
    form = {"max_rows": 20, "max_new_tokens": 64, "format": {"json_schema": {"type": "nonsense"}}}
    # Without the package that reads schemas none is of use.
    with pytest.raises(Mistakes, match=r"evaluation\.format: format\.json_schema (is not|needs a package)"):
        connect(api).start(make_run(api.dialect, evaluation=form), TRAIN, VALIDATION)
    assert api.requests == []


@pytest.mark.faults
def test_busy_and_broken_answers_are_asked_again(api, waits):
    upload = DIALECTS[api.dialect].upload
    api.faults = [
        Fault("POST", upload, 429, times=2, headers={"Retry-After": "7"}),
        Fault("GET", JOBS[api.dialect], 500, times=2),
        Fault("POST", "/chat/completions", 0, times=3),
        Fault("POST", "/chat/completions", 503, times=2),
    ]
    done = tune(api, make_run(api.dialect), Registry())
    assert done.reasons == done.failures == []
    assert not any(fault.times for fault in api.faults)
    assert waits.count(7.0) == 2
    assert len(waits) == 9
    assert len(api.jobs) == 1


@pytest.mark.faults
def test_a_service_that_stays_away_is_a_sentence(api, waits):
    api.faults = [Fault("POST", JOBS[api.dialect], 500, times=99, headers={"Retry-After": "9999"})]
    with pytest.raises(TandemError, match=r"with 500 scripted \(6 tries\): try again later"):
        connect(api).start(make_run(api.dialect), TRAIN, VALIDATION)
    assert waits == [60.0] * 5  # what was asked for, but not for ever
    assert api.asked("POST", JOBS[api.dialect]) == 6


@pytest.mark.faults
def test_no_credit_is_not_asked_again(api, waits):
    api.faults = [Fault("POST", JOBS[api.dialect], 429, message="You exceeded your quota.", code="insufficient_quota")]
    with pytest.raises(TandemError, match=r"with 429 You exceeded your quota\."):
        connect(api).start(make_run(api.dialect), TRAIN, VALIDATION)
    assert waits == []


@pytest.mark.faults
def test_what_the_service_refuses_is_said_in_its_own_words(api):
    api.faults = [Fault("POST", JOBS[api.dialect], 400, message="This model can't be tuned.")]
    with pytest.raises(TandemError, match=r"answered POST /\S+ with 400 This model can't be tuned\."):
        connect(api).start(make_run(api.dialect), TRAIN, VALIDATION)
    with pytest.raises(TandemError, match="with 404 Invalid URL"):
        connect(api).status("nothing")


@pytest.mark.faults
@pytest.mark.parametrize("status", [0, 500])
def test_a_lost_answer_starts_no_second_job(api, status):
    """The job is created, the answer doesn't come: the next try finds it."""
    api.faults = [Fault("POST", JOBS[api.dialect], status, after=True)]
    job = connect(api).start(make_run(api.dialect), TRAIN, VALIDATION)
    assert list(api.jobs) == [job]
    assert api.asked("POST", JOBS[api.dialect]) == 1


@pytest.mark.faults
def test_killed_between_job_and_record_it_starts_no_second_job(api):
    """Another process with the same run: nothing is uploaded, the first one's job is found, also on a later page."""
    run, api.page = make_run(api.dialect), 2
    first = connect(api).start(run, TRAIN, VALIDATION)
    others = [make_run(api.dialect, name=f"faq-20261124-10160{at}-ab12") for at in range(3)]
    jobs = [connect(api).start(other, TRAIN, VALIDATION) for other in others]
    files = len(api.files)
    assert connect(api).start(run, TRAIN, VALIDATION) == first
    assert first not in jobs
    assert (len(api.jobs), len(api.files)) == (4, files)


@pytest.mark.faults
def test_a_failed_job_says_why(api):
    api.fails = "Row 3 has a harmful answer."
    service = connect(api)
    job = service.start(make_run(api.dialect), TRAIN, VALIDATION)
    last = to_the_end(service, job)[-1]
    assert (last.state, last.message) == ("failed", "Row 3 has a harmful answer.")
    # A run has one job, whatever came of it.
    assert service.start(make_run(api.dialect), TRAIN, VALIDATION) == job


@pytest.mark.faults
def test_a_failing_gate_registers_nothing(api):
    registry = Registry()
    api.speak = lambda model, messages: "Well, yes."
    done = tune(api, make_run(api.dialect), registry)
    assert done.model_package is None
    assert registry.described == {}
    assert [reason.split(" is ")[0] for reason in done.reasons[:1]] == ["format_adherence"]
    assert done.evaluation["metrics"]["format_adherence"]["tuned"] == 0


@pytest.mark.faults
def test_answers_that_do_not_come_are_wrong(api):
    """A content filter refuses two rows of the tuned model; one answer of the base model is empty."""
    registry, run = Registry(), make_run(api.dialect)

    def filtered(model, messages):
        at = int(messages[-1]["content"].split()[2])
        if ":faq" in model and at in (1, 2):
            raise Refused(400, "filtered", "content_filter")
        return "" if ":faq" not in model and at == 5 else speak(model, messages)

    api.speak = filtered
    done = tune(api, run, registry)
    assert done.evaluation["failed"] == {"base": 1, "tuned": 2}
    assert done.evaluation["rows"] == 20
    # The base model's missing answer is no gain for the tuned one: 17 of 20, not 18.
    assert done.evaluation["metrics"]["format_adherence"]["tuned"] == pytest.approx(17 / 20)
    places = ["test.jsonl:2, tuned model: ", "test.jsonl:3, tuned model: ", "test.jsonl:6, base model: "]
    assert [line[: len(place)] for line, place in zip(done.failures, places, strict=True)] == places
    assert "400 filtered" in done.failures[0]
    assert "gave no text (finish_reason: stop)" in done.failures[2]
    assert json.loads(done.answers.splitlines()[1])["tuned"] == ""


@pytest.mark.faults
def test_too_many_missing_answers_end_the_evaluation(api):
    api.faults = [Fault("POST", "/chat/completions", 400, times=999, message="context too long")]
    with pytest.raises(TandemError, match=r"3 of 20 answers of \S+ didn't come, the last: .*context too long"):
        tune(api, make_run(api.dialect), Registry())


@pytest.mark.faults
def test_a_model_without_an_endpoint_is_told_at_once_and_one_with_another_name_is_asked_by_it():
    with serve("together") as api:
        api.speak, run, registry = speak, make_run("together"), Registry()
        with pytest.raises(TandemError, match="if it is served by a dedicated endpoint, start that and name it"):
            tune(api, run, registry, served={})
        assert api.asked("POST", "/chat/completions") < 40
        api.served.add("acme/endpoint:faq-1")
        model = f"acme/Qwen/Qwen3-8B:{run.name}:ft-1"
        done = tune(api, run, registry, served={model: "acme/endpoint:faq-1"})
        assert record(registry, done.model_package)["model_reference"] == model


@pytest.mark.faults
@pytest.mark.parametrize("what", ["manifest_digest", "recipe_digest"])
def test_another_data_set_or_recipe_is_refused_before_anything_is_asked(api, what):
    run = make_run(api.dialect)
    if what == "recipe_digest":
        run = Run(**(vars(run) | {"recipe_digest": "e" * 64}))
    digest = "e" * 64 if what == "manifest_digest" else DIGEST
    with pytest.raises(TandemError, match=f"The {what} of {run.name} is "):
        finish(connect(api), run, "model", TEST, digest, Registry(), GROUP)
    assert api.requests == []


@pytest.fixture
def secrets():
    client = botocore.session.get_session().create_client(
        "secretsmanager", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with Stubber(client) as stubber:
        yield client, stubber


@pytest.mark.parametrize("text", ["sk-local-0123456789\n", '{"api_key": "sk-local-0123456789"}'])
def test_the_key_comes_from_secrets_manager(secrets, text):
    client, stubber = secrets
    stubber.add_response("get_secret_value", {"SecretString": text}, {"SecretId": "tandem/openai"})
    assert api_key(client, DIALECTS["openai"].secret) == Key("tandem/openai", "sk-local-0123456789")


@pytest.mark.faults
def test_a_secret_that_is_not_there_or_no_key(secrets):
    client, stubber = secrets
    stubber.add_client_error("get_secret_value", "ResourceNotFoundException")
    with pytest.raises(TandemError, match="aws secretsmanager create-secret --name tandem/together"):
        api_key(client, "tandem/together")
    for text in (" ", '{"key": "sk-1"}', '{"api_key": ', "sk-1\nsk-2", "sk-ü"):
        stubber.add_response("get_secret_value", {"SecretString": text})
        with pytest.raises(TandemError) as caught:
            api_key(client, "tandem/together")
        expected = "The secret 'tandem/together' is neither a key nor JSON with a key under `api_key`."
        assert str(caught.value) == expected


@pytest.mark.faults
def test_the_key_is_shown_nowhere(api, caplog, capsys):
    """Neither when the service refuses it, nor when it repeats it in an error, nor when nobody answers."""
    caplog.set_level(logging.DEBUG)
    secret = "sk-very-secret-42"
    api.faults = [
        Fault("GET", JOBS[api.dialect], 400, message=f"odd key {secret}"),
        Fault("GET", JOBS[api.dialect], 500, times=6, message=f"odd key {secret}"),
        Fault("GET", JOBS[api.dialect], 0, times=6),
    ]
    refused = connect(api, secret)
    away = Service(DIALECTS[api.dialect], Key("tandem/openai", secret), "http://127.0.0.1:9/v1")
    texts = []
    for service in (refused, refused, refused, refused, away):
        with pytest.raises(TandemError) as caught:
            service.start(make_run(api.dialect), TRAIN, VALIDATION)
        texts.append(str(caught.value))
        shown = "".join(traceback.format_exception(caught.value))
        error = caught.value
        while error:
            shown += repr(error) + repr(vars(error))
            error = error.__cause__ or error.__context__
        assert secret not in shown
    assert "odd key ***" in texts[0]
    assert "odd key ***" in texts[1]
    assert "closed connection without response" in texts[2]
    assert texts[3].endswith(
        f"put a valid one into the secret {DIALECTS[api.dialect].secret!r} of AWS Secrets Manager."
    )
    assert "Connection refused" in texts[4]
    shown = caplog.text + repr(vars(refused)) + repr(Key("tandem/openai", secret)) + "".join(capsys.readouterr())
    assert secret not in shown
