"""`tandem eval` on sets and servers of strangers: what counts as right, what is sure, and what can be run at all."""

import json

import pytest

from tandem.evaluation.runs import load
from tests.support.answering import said, serve, wrong
from tests.support.eval_command import lines
from tests.unit.cli.test_eval import command


def asked(name, text, reference=None, **fields):
    found = {"id": name, "question": text, "document": None}
    return found | ({"answerable": True, "reference": reference} if reference else {}) | fields


def run(questions, server, *options, model="m", name="run", code=0):
    return command("run", questions, "--target", f"{server.url}#{model}", "--name", name, *options, code=code).output


def stored(folder, name="run"):
    return load(folder / ".tandem" / "evaluations" / name)


def compared(*arguments):
    content = json.loads(command("compare", *arguments, "--json").stdout)
    return content, {found["metric"]: found for found in content["differences"]}


def number(body):
    return int("".join(each for each in body["messages"][-1]["content"] if each.isdigit()))


@pytest.mark.faults
def test_wrong_and_missing_answers_to_letters_and_signs_are_wrong(folder):
    questions = lines(
        folder / "letters.jsonl",
        asked("m1", "Which letter comes first: A or B?", "A"),
        asked("m2", "Which letter comes last: A or B?", "B"),
        asked("s1", "Is the feeling of 'I love it' positive?", "+"),
        asked("s2", "Is the feeling of 'I hate it' positive?", "-"),
    )
    answers = {"first": "", "last": "A", "love": "-", "hate": "+"}

    def all_wrong(path, body, count):
        return said(next(text for word, text in answers.items() if word in body["messages"][-1]["content"]))

    with serve(all_wrong) as server:
        shown = run(questions, server)
        found = stored(folder)
        assert [found.metrics[name].value for name in ("exact_match", "token_f1")] == [0, 0]
        assert "SQuAD" not in shown
        shown = run(questions, server, "--metric", "squad", name="squad")
    assert stored(folder, "squad").metrics["exact_match"].value == 0.5  # the script reads + and - as nothing
    assert "SQuAD's script reads as nothing: 'A', '+', '-'" in " ".join(shown.split())
    assert command("compare", "run", "squad").output.count("measured with another --metric") == 2


@pytest.mark.faults
def test_an_outage_is_no_verdict(folder):
    questions = lines(
        folder / "thirty.jsonl", *(asked(f"n{at}", f"Give answer number {at}", f"answer {at}") for at in range(1, 31))
    )

    def flaky(path, body, count):
        if number(body) % 3 == 0 and body["model"] == "flaky":
            return wrong(400, {"message": "context length exceeded"})
        return said(f"answer {number(body)}")

    with serve(flaky) as server:
        for model in ("flaky", "solid"):
            run(questions, server, model=model, name=model)
    content, found = compared("flaky", "solid")
    assert content["outcomes"]["before"]["failed"] == 10 and content["outcomes"]["after"]["failed"] == 0
    for difference in found.values():
        assert difference["failed"] == {"before": 10, "after": 0}
        both = difference["answered"]
        assert (both["count"], both["interval"]["difference"], both["verdict"]) == (20, 0, "not sure")
    said_worse = command("compare", "solid", "flaky", "--fail-on-worse", code=3).output
    assert "Worse: refusal_accuracy by failed calls, exact_match by failed calls" in said_worse
    shown = command("compare", "flaky", "solid").output
    assert "Over the questions that both answered" in shown and "10 of 30" in shown and "+0.000" in shown
    assert shown.count("better by failed calls") == 3
    command("report", "flaky", "solid", "--to", "page.html", "--markdown", "page.md")
    for page in ("page.html", "page.md"):
        text = (folder / page).read_text()
        assert "hangs on failed calls in refusal accuracy, exact match and token F1" in text


@pytest.mark.faults
def test_one_question_asked_twenty_times_is_one(folder):
    questions = lines(
        folder / "repeated.jsonl",
        *(asked(f"d{at}", f"What is the{' ' * (at % 3 + 1)}capital of France?", "Paris") for at in range(20)),
    )
    with serve(lambda path, body, count: said("Paris" if body["model"] == "good" else "London")) as server:
        for model in ("bad", "good"):
            run(questions, server, model=model, name=model)
    _, found = compared("bad", "good")
    exact = found["exact_match"]
    assert (exact["verdict"], exact["count"], exact["repeated"], exact["after"]) == ("not sure", 1, 19, 1.0)
    assert "19 times a question is asked again, which counts once" in command("compare", "bad", "good").output
    assert stored(folder, "good").metrics["exact_match"].low < 0.5
    command("report", "bad", "good", "--to", "page.html")
    assert "19 questions of the set only ask another one again" in (folder / "page.html").read_text()


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "options", "refused"),
    [
        ("The documents do not say.", (), True),
        ('**"the documents don\'t say"**', (), True),
        ("[P0]", (), True),
        ("The documents do not say when, but the hut is at 2450 m.", (), False),
        ("Das weiß ich nicht.", (), False),
        ("Das WEISS ich nicht.", ("--refusal", "weiß ich nicht|weiss ich nicht"), True),
        ("2450 m", ("--refusal", "I don.t know"), False),
        ("I DON'T know.", ("--refusal", "(?i)don't know"), True),
    ],
)
def test_a_refusal_by_mark_or_by_a_pattern_of_ones_own(folder, text, options, refused):
    questions = lines(folder / "one.jsonl", asked("q", "Who is the mayor of Atlantis?"))
    with serve(lambda path, body, count: said(text)) as server:
        run(questions, server, *options)
    found = stored(folder)
    assert found.replies[0].refused is refused
    assert found.metrics["refusal_accuracy"].value == float(refused)


def test_another_pattern_is_held_against_kept_answers(folder):
    questions = lines(folder / "one.jsonl", asked("q", "Who is the mayor of Atlantis?"))
    with serve(lambda path, body, count: said("No idea.")) as server:
        run(questions, server)
        assert "0 asked, 1 kept" in run(questions, server, "--refusal", "no idea", name="other")
    assert [stored(folder, name).metrics["refusal_accuracy"].value for name in ("run", "other")] == [0, 1]


def test_a_run_of_an_earlier_version_is_measured_anew_from_its_answers(folder):
    questions = lines(folder / "one.jsonl", asked("q", "How high is the hut?", "2450 m"))
    with serve(lambda path, body, count: said("2450 m")) as server:
        run(questions, server)
        about = folder / ".tandem" / "evaluations" / "run" / "run.json"
        about.write_text(json.dumps(json.loads(about.read_text()) | {"format": 1}))
        assert "run it again, which measures the kept answers anew" in command("compare", "run", "run", code=1).output
        assert "0 asked, 1 kept" in run(questions, server)
    assert stored(folder).metrics["exact_match"].value == 1


@pytest.mark.faults
@pytest.mark.parametrize("pattern", ["", "x*", "no|"])
def test_a_pattern_that_every_answer_has_is_refused(folder, pattern):
    questions = lines(folder / "one.jsonl", asked("q", "?"))
    with serve(lambda path, body, count: said("2450 m")) as server:
        assert "which every answer has" in run(questions, server, "--refusal", pattern, code=1) and not server.asked


@pytest.mark.faults
@pytest.mark.parametrize("option", ["--refusal", "--format"])
@pytest.mark.parametrize("pattern", ["(", r"(\w+\s?)*\."])
def test_a_pattern_that_cannot_be_used_is_refused_before_anything_is_asked(folder, option, pattern, monkeypatch):
    monkeypatch.setattr("tandem.measures.patterns.SECONDS", 0.2)
    (folder / "form.json").write_text(json.dumps({"regex": pattern}))
    questions = lines(folder / "one.jsonl", asked("q", "?"))
    with serve(lambda path, body, count: said("2450 m")) as server:
        shown = run(questions, server, option, "form.json" if option == "--format" else pattern, code=1)
        assert "Traceback" not in shown and option in shown and not server.asked


def test_several_right_answers_and_grades_are_measured(folder):
    several = asked("q1", "How high is the hut?", ["2450 m", "2450 metres"])
    with serve(lambda path, body, count: said("2450 metres")) as server:
        run(lines(folder / "set.jsonl", several), server)
    assert stored(folder).metrics["exact_match"].value == 1
    assert stored(folder).questions[0].references == ("2450 m", "2450 metres")


def test_sets_of_the_field_are_imported_and_run(folder):
    paragraph = {
        "context": "The hut stands at 2450 m.",
        "qas": [
            {"id": "s1", "question": "How high is it?", "answers": [{"text": "2450 m"}], "is_impossible": False},
            {"id": "s2", "question": "Who built it?", "answers": [], "is_impossible": True},
        ],
    }
    squad = folder / "squad.json"
    squad.write_text(json.dumps({"version": "v2.0", "data": [{"title": "Huts", "paragraphs": [paragraph]}]}))
    shown = command("import", squad, "--to", "set.jsonl").output
    assert "2 questions of SQuAD, 1 of them to be refused, written to set.jsonl" in shown
    with serve(lambda path, body, count: said("2450 m" if "high" in str(body) else "[P0]")) as server:
        assert "isn't a question set: it is SQuAD" in run(squad, server, code=1)
        assert "tandem eval import squad.json" in run(squad, server, code=1) and not server.asked
        run(folder / "set.jsonl", server)
    found = stored(folder)
    assert {name: each.value for name, each in found.metrics.items()} == {
        "refusal_accuracy": 1,
        "exact_match": 1,
        "token_f1": 1,
    }


def test_a_report_breaks_down_by_tag_and_names_what_changed_sides(folder):
    entries = [
        asked(f"{tag}{at}", f"Question {at} in {tag}", "Bern", tags=[tag]) for tag in ("de", "zh") for at in range(8)
    ]
    questions = lines(folder / "set.jsonl", *entries)

    def german(path, body, count):
        text = body["messages"][-1]["content"]
        return said("Bern" if text.endswith("de") or body["model"] == "both" else "伯尔尼")

    with serve(german) as server:
        for model in ("one", "both"):
            run(questions, server, model=model, name=model)
    command("report", "one", "both", "--to", "page.html", "--markdown", "page.md")
    for page in ("page.html", "page.md"):
        text = (folder / page).read_text()
        assert "one has 0 in token F1 in zh (8 questions), which its mean hides." in text
        assert "both against one: in exact match 8 turned right, 0 wrong." in text
    assert '<a href="#q9">zh0</a>' in (folder / "page.html").read_text()
