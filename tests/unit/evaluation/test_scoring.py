"""Which metric applies to which question, what replies score, and what failures count as."""

import pytest
from tandem_contract.errors import TandemError

from tandem.evaluation.questions import Question
from tandem.evaluation.runs import Reply
from tandem.evaluation.scoring import blind_spots, measured, score

LABELLED = Question("labelled", "1?", "a.md", "34 francs", others=("b.md",))
NO_REFERENCE = Question("no-reference", "2?", "a.md")
PAIR = Question("pair", "3?", None, "34 francs", answerable=True)
NO_ANSWER = Question("no-answer", "4?", None, "34 francs")
EVERY = (LABELLED, NO_REFERENCE, PAIR, NO_ANSWER)


def scores(replies, questions=EVERY, documents=True, **options):
    return score(questions, replies, documents=documents, **options)


def reply(question, **fields):
    return Reply(question.id, **({"text": "34 francs"} | fields))


def test_each_metric_applies_to_the_questions_that_it_can_measure():
    replies = [
        reply(LABELLED, cited=("a.md", "x.md"), retrieved=("x.md", "a.md")),
        reply(NO_REFERENCE, cited=("x.md",), retrieved=()),
        reply(PAIR, retrieved=("x.md",)),
        Reply(NO_ANSWER.id, refused=True, retrieved=("x.md",)),
    ]
    found = scores(replies, k=2)
    assert {name: values for name, values in found.items() if "@" not in name} == {
        "mrr": (0.5, 0.0, None, None),
        "citation_precision": (0.5, 0.0, None, None),
        "citation_recall": (0.5, 0.0, None, None),
        "refusal_accuracy": (1.0, 1.0, 1.0, 1.0),
        "exact_match": (1.0, None, 1.0, None),
        "token_f1": (1.0, None, 1.0, None),
    }
    assert found["recall@2"] == (0.5, 0.0, None, None)
    assert found["ndcg@2"][0] == pytest.approx(0.3868528)
    assert found["ndcg@2"][1:] == (0.0, None, None)


def test_what_cannot_be_measured_is_absent():
    assert scores([reply(LABELLED)], [LABELLED], documents=False).keys() == {
        "refusal_accuracy",
        "exact_match",
        "token_f1",
    }
    assert scores([reply(NO_ANSWER)], [NO_ANSWER]).keys() == {"refusal_accuracy"}
    silent = scores([reply(LABELLED), Reply(NO_REFERENCE.id, error="away")], [LABELLED, NO_REFERENCE])
    assert not silent.keys() & {"recall@5", "ndcg@5", "mrr"}  # of a stack that doesn't say what it retrieved
    assert silent["citation_recall"] == (0.0, 0.0)


def test_an_empty_index_is_measured():
    assert scores([reply(LABELLED, retrieved=())], [LABELLED])["recall@5"] == (0.0,)


@pytest.mark.faults
def test_a_failed_call_is_zero_for_what_applies_to_its_question():
    replies = [reply(LABELLED, retrieved=("a.md",)), *(Reply(question.id, error="away") for question in EVERY[1:])]
    found = scores(replies, form={"regex": ".*"})
    assert found["mrr"] == (1.0, 0.0, None, None)
    assert found["refusal_accuracy"] == (1.0, 0.0, 0.0, 0.0)
    assert found["token_f1"] == (1.0, None, 0.0, None)
    assert found["format_adherence"] == (1.0, 0.0, 0.0, None)
    whole = measured(EVERY, found, replies)
    assert (whole["refusal_accuracy"].value, whole["refusal_accuracy"].count) == (0.25, 4)
    assert [whole[name].failed for name in ("refusal_accuracy", "mrr", "token_f1")] == [3, 1, 1]
    assert 0 <= whole["refusal_accuracy"].low < 0.25 < whole["refusal_accuracy"].high <= 1


def test_markers_of_a_stack_are_not_part_of_its_answer():
    said = [reply(LABELLED, text="34 francs [1][2].", cited=("a.md",))]
    form = {"regex": r"\d+ francs\."}
    assert scores(said, [LABELLED], form=form)["exact_match"] == (1.0,)
    assert scores(said, [LABELLED], form=form)["format_adherence"] == (1.0,)
    alone = scores(said, [LABELLED], documents=False, form=form)
    assert (alone["exact_match"], alone["format_adherence"]) == ((0.0,), (0.0,))


@pytest.mark.parametrize(
    ("text", "exact", "adheres"),
    [
        ("Answer: 34 francs\nTopic: prices", 1.0, 1.0),
        ("  Answer: 34 francs\nTopic: prices\n", 1.0, 1.0),
        ("34 francs", 1.0, 0.0),  # all of it, since it hasn't the form
        ("Answer: 34 francs", 0.0, 0.0),
        ("Topic: prices", 0.0, 1.0),  # the group is not in it
    ],
)
def test_only_the_group_answer_is_compared_where_the_form_has_one(text, exact, adheres):
    form = {"regex": r"(Answer: (?P<answer>.+)\n)?Topic: .+"}
    found = scores([reply(PAIR, text=text)], [PAIR], documents=False, form=form)
    assert (found["exact_match"], found["format_adherence"]) == ((exact,), (adheres,))


def test_a_refusal_shares_no_words_with_the_reference():
    question = Question("q", "?", None, "The documents", answerable=True)
    found = scores([Reply("q", "The documents do not say.", refused=True)], [question], documents=False)
    assert (found["token_f1"], found["refusal_accuracy"]) == ((0.0,), (0.0,))


def test_each_text_is_embedded_once_and_empty_ones_never():
    asked = []

    def embed(texts):
        asked.extend(texts)
        return [[1.0, 0.0] if text == "34 francs" else [0.6, 0.8] for text in texts]

    questions = [LABELLED, PAIR, Question("none", "?", "a.md", "34 francs"), NO_ANSWER]
    replies = [
        reply(LABELLED, text="34 [1] francs"),
        reply(PAIR, text="34 CHF"),
        Reply("none", refused=True),
        reply(NO_ANSWER, text="unasked"),
    ]
    found = scores(replies, questions, embed=embed)
    assert found["similarity"] == (1.0, pytest.approx(0.6), 0.0, None)
    assert sorted(asked) == ["34 CHF", "34 francs"]


@pytest.mark.faults
@pytest.mark.parametrize("form", [{"regex": "("}, {"regexp": "a"}, {"json_schema": 3}])
def test_a_form_that_cannot_be_used_is_refused(form):
    with pytest.raises(TandemError):
        scores([reply(PAIR)], [PAIR], form=form)


@pytest.mark.faults
@pytest.mark.parametrize(("text", "refused"), [("", False), (None, False), (" \n", False), ("[P0]", True)])
def test_a_missing_answer_is_wrong_whatever_the_metric_says(text, refused):
    """A regex may match nothing, and SQuAD's script reads the label A as nothing."""
    question = Question("q", "?", None, "A", answerable=True)
    given = [Reply("q", text, refused=refused)]
    for as_squad in (False, True):
        found = scores(given, [question], documents=True, form={"regex": ".*"}, as_squad=as_squad)
        assert (found["exact_match"], found["token_f1"], found["refusal_accuracy"]) == ((0.0,), (0.0,), (0.0,))
    assert found["format_adherence"] == (0.0,)


def test_the_nearest_of_several_right_answers_counts():
    question = Question("q", "?", None, "Bern", answerable=True, alternatives=("the city of Bern",))
    found = scores([Reply("q", "City of Bern")], [question], documents=False)
    assert (found["exact_match"], found["token_f1"]) == ((1.0,), (1.0,))


def test_grades_count_in_the_gain():
    graded = Question("q", "?", "a.md", others=("b.md",), grades=(1.0, 3.0))
    ranked = [Reply("q", "x", retrieved=("a.md", "b.md"))]
    plain = Question("q", "?", "a.md", others=("b.md",))
    assert scores(ranked, [graded])["ndcg@5"][0] < scores(ranked, [plain])["ndcg@5"][0] == 1


def test_a_question_asked_again_counts_once():
    questions = [
        Question(str(at), text, None, "yes", answerable=True) for at, text in enumerate(["\u00c9?", "e\u0301? ", "b?"])
    ]
    replies = [Reply("0", "no"), Reply("1", "no"), Reply("2", "yes")]
    found = measured(questions, scores(replies, questions, documents=False), replies)["exact_match"]
    assert (found.value, found.count) == (0.5, 2)


def test_what_squads_script_cannot_tell_apart_is_said():
    questions = [Question(text, "?", None, text, answerable=True) for text in ("A", "C++", "C#", "1.5", "15", "Bern")]
    assert blind_spots(questions) == [
        "reads as nothing: 'A'",
        "takes for one: 'C++', 'C#'",
        "takes for one: '1.5', '15'",
    ]
