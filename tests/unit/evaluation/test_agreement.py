"""The table of docs/evaluation.md: each function on the row's arguments, against other implementations."""

import json
import re
from pathlib import Path

import pytest

from tandem.evaluation import citations, retrieval, scoring, similarity, spread
from tandem.evaluation.questions import Question
from tandem.evaluation.runs import Reply
from tandem.measures import metrics

PAGE = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| `(\[.+\])` \| ([\d.]+) \| ([^|]+) \|(?: ([\d.]+?)(?:\.\.\.)?, .+)? \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE)


def mrr(rankings, relevant):
    ranks = map(retrieval.reciprocal_rank, rankings, relevant)
    return spread.mean(ranks).value


def refusal_accuracy(*outcomes):
    """Of pairs: whether a question is answerable, and whether it was refused, None where the call failed."""
    questions = [Question(str(at), "?", None, answerable=answerable) for at, (answerable, _) in enumerate(outcomes)]
    replies = [
        Reply(str(at), "Yes.", refused=bool(refused), error="away" if refused is None else None)
        for at, (_, refused) in enumerate(outcomes)
    ]
    return scoring.measured(questions, scoring.score(questions, replies, documents=True), replies)[
        "refusal_accuracy"
    ].value


FUNCTIONS = {
    "ndcg": retrieval.ndcg,
    "recall": retrieval.recall,
    "mrr": mrr,
    "citation_precision": citations.citation_precision,
    "citation_recall": citations.citation_recall,
    "refusal_accuracy": refusal_accuracy,
    "token_f1": metrics.token_f1,
    "exact_match": metrics.exact_match,
    "cosine": similarity.cosine,
    "percentile": spread.percentile,
}


def test_every_row_is_read():
    table = PAGE.partition("| function |")[2]
    assert len(ROWS) == table.count("\n| `")
    assert {name for name, *_ in ROWS} == FUNCTIONS.keys()


@pytest.mark.parametrize(("name", "arguments", "expected", "by", "published"), ROWS)
def test_agreement(name, arguments, expected, by, published):
    found = FUNCTIONS[name](*json.loads(arguments))
    assert found == pytest.approx(float(expected), rel=0, abs=1e-6), by
    if published:  # rounded in some, cut off in others: less than one in the last digit
        assert abs(found - float(published)) < 10 ** -len(published.partition(".")[2])
