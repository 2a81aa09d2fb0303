"""The file of facts: what is read, what is assumed, and every mistake at once."""

from decimal import Decimal

import pytest
from tandem_contract.errors import Mistakes, TandemError

from scripts.recorder import ROOT
from tandem.advisor.facts import FIELDS, Facts, Interval, facts_of, read

WHOLE = """
knowledge_changes: weekly
corpus_pages: 4000
citations: true
format: strict
latency_seconds: 2.5
questions_a_month: 20000
labelled_rows: 800
privacy: own-weights
hosted_model: amazon.nova-pro-v1:0
endpoint_instance: ml.g5.xlarge
measured:
  correctness:
    rag: {value: 0.62, low: 0.58, high: 0.66}
"""


def test_a_whole_file(tmp_path):
    (tmp_path / "facts.yaml").write_text(WHOLE)
    facts = read(tmp_path / "facts.yaml")
    assert facts.assumed == ()
    assert (facts.knowledge_changes, facts.format, facts.latency_seconds) == ("weekly", "strict", Decimal("2.5"))
    assert facts.measured == {"correctness": {"rag": Interval(Decimal("0.62"), Decimal("0.58"), Decimal("0.66"))}}


def test_an_empty_file_assumes_everything(tmp_path):
    (tmp_path / "facts.yaml").write_text("# nothing yet\n")
    assert read(tmp_path / "facts.yaml") == Facts(assumed=tuple(FIELDS))


def test_null_is_not_given():
    assert facts_of({"format": None, "measured": None}) == Facts(assumed=tuple(FIELDS))


def test_without_documents_nothing_changes():
    facts = facts_of({"corpus_pages": 0})
    assert facts.knowledge_changes == "never"
    assert "knowledge_changes" not in facts.assumed


def test_all_mistakes_at_once():
    with pytest.raises(Mistakes) as error:
        facts_of(
            {
                "knowlege_changes": "daily",
                7: 8,
                "knowledge_changes": "sometimes",
                "corpus_pages": -1,
                "citations": "yes",
                "format": False,
                "latency_seconds": 0,
                "questions_a_month": 1.5,
                "labelled_rows": True,
                "privacy": ["account"],
                "hosted_model": " ",
                "endpoint_instance": 5,
                "measured": {
                    "correctnes": {},
                    "correctness": {"RAG": {}, "rag": {"value": 0.9, "low": 0.95, "high": 1}, "base": 0.4},
                    "format_adherence": [],
                },
            }
        )
    head, *lines = str(error.value).splitlines()
    assert head == "What is known has 17 mistakes:"
    interval = "is not allowed ({value: , low: , high: } from 0 to 1). low is the least of the three, high the most."
    whole = "from 0 to 1000000000000). Give what is to be expected."
    assert [line.removeprefix("  - ") for line in lines] == [
        "knowlege_changes: is not a fact. Did you mean `knowledge_changes`?",
        "7: is not a fact. Known here: knowledge_changes, corpus_pages, citations, format, latency_seconds, "
        "questions_a_month, labelled_rows, privacy, hosted_model, endpoint_instance, measured.",
        "knowledge_changes: 'sometimes' is not allowed (never, yearly, monthly, weekly, daily, hourly). "
        "Choose never or yearly or monthly or weekly or daily or hourly.",
        f"corpus_pages: -1 is not allowed (a whole number of pages {whole}",
        "citations: 'yes' is not allowed (true or false). Write it without quotes.",
        "format: false is not allowed (none, some, strict). Choose none or some or strict.",
        "latency_seconds: 0 is not allowed (a number of seconds from 0.001 to 1000000000000). "
        "Give the longest that may be waited.",
        f"questions_a_month: 1.5 is not allowed (a whole number of questions {whole}",
        f"labelled_rows: true is not allowed (a whole number of rows {whole}",
        'privacy: ["account"] is not allowed (hosted, account, own-weights). Did you mean `account`?',
        "hosted_model: ' ' is not allowed (the name of a model in the price rows). docs/prices.md has them.",
        "endpoint_instance: 5 is not allowed (an instance type in the price rows). docs/prices.md has them.",
        "measured.correctnes: is not a metric. Did you mean `correctness`?",
        "measured.correctness.RAG: is not a target. Known here: base, rag, tuned, hybrid.",
        f"measured.correctness.base: 0.4 {interval}",
        f'measured.correctness.rag: {{"value": 0.9, "low": 0.95, "high": 1}} {interval}',
        "measured.format_adherence: [] is not a mapping of keys to values. Give a mapping of base, rag, tuned, hybrid.",
    ]


def test_facts_that_contradict_each_other():
    with pytest.raises(Mistakes) as error:
        facts_of({"corpus_pages": 0, "knowledge_changes": "daily", "citations": True})
    assert str(error.value).splitlines() == [
        "What is known has 2 mistakes:",
        "  - knowledge_changes: is daily, and corpus_pages 0. Give the pages, or never.",
        "  - citations: is true, and corpus_pages 0. Give the pages to cite, or false.",
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**13])
def test_numbers_that_are_none(value):
    with pytest.raises(Mistakes):
        facts_of({"latency_seconds": value})


@pytest.mark.parametrize(
    ("content", "said"),
    [("- a\n", "is not a mapping"), ("a: [", "neither YAML nor JSON"), ("a: 2026-02-30\n", "no day of a calendar")],
)
def test_files_that_hold_no_facts(tmp_path, content, said):
    (tmp_path / "facts.yaml").write_text(content)
    with pytest.raises(TandemError, match=said):
        read(tmp_path / "facts.yaml")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(match="can't be read"):
        read(tmp_path / "facts.yaml")


def test_the_example_of_the_documentation_is_read(tmp_path):
    example = (ROOT / "docs" / "advisor.md").read_text().split("```yaml\n")[1].split("```")[0]
    (tmp_path / "facts.yaml").write_text(example)
    facts = read(tmp_path / "facts.yaml")
    assert set(facts.assumed) == {"latency_seconds", "hosted_model", "endpoint_instance"}
    assert facts.measured["format_adherence"]["hybrid"].high == Decimal("0.98")


def test_the_documentation_has_every_fact_and_what_is_assumed():
    page = (ROOT / "docs" / "advisor.md").read_text()
    for key, (allowed, why) in FIELDS.items():
        values = ", ".join(f"`{each}`" for each in allowed) if isinstance(allowed, tuple) else allowed
        default = getattr(Facts(), key)
        shown = str(default).lower() if isinstance(default, bool) else default
        assert f"| `{key}` | {values} | `{shown}`: {why} |" in page
