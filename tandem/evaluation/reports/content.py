"""Content of the reports in every format: names of metrics, findings, failures, prices."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tandem_contract.errors import TandemError

from tandem.reporting.money import money

from ..comparison import Difference, left_out
from ..outcomes import notes
from ..runs import Measured, Reply, Run
from ..scoring import by_text

MOST = 6
"""Runs in a report: as many as there are colours that are told apart."""
FEW = 30
"""Questions below which we warn: a difference of a fifth is seldom sure then."""
NOT_MEASURED = "not measured"
MARKS = {"better": "▲ better", "worse": "▼ worse", "not sure": "○ not sure"}
CORRECTNESS, FORMAT = "token_f1", "format_adherence"
"""What the picture and the advisor go by."""
# By group: a metric's name without its k, what it is called, what it is.
METRICS = {
    "Content": {
        "similarity": ("similarity", "the answer's meaning against the reference's, by an embedder"),
        "token_f1": ("token F1", "words shared with the reference"),
        "exact_match": ("exact match", "the same words as the reference"),
    },
    "Form": {FORMAT: ("format adherence", "answers of the asked form")},
    "Refusals": {"refusal_accuracy": ("refusal accuracy", "answered or refused, as the question is answerable or not")},
    "Retrieval": {
        "recall": ("recall", "relevant documents among the first k retrieved"),
        "ndcg": ("nDCG", "the order of the first k against the best one"),
        "mrr": ("MRR", "1 divided by the place of the first relevant document"),
    },
    "Citations": {
        "citation_precision": ("citation precision", "cited documents that are relevant"),
        "citation_recall": ("citation recall", "relevant documents that are cited"),
    },
}
_NAMES = {metric: names for group in METRICS.values() for metric, names in group.items()}


def check(runs: Sequence[Run]) -> None:
    """Raises `TandemError` for runs that one report can't show."""
    if not 1 <= len(runs) <= MOST:
        raise TandemError(f"{len(runs)} runs: a report shows 1 to {MOST}")
    names = Counter(run.name for run in runs)
    if twice := [name for name, count in names.items() if count > 1]:
        raise TandemError(f"more than one run is named {listed(twice)}: a report tells runs by their names")
    if others := [run.name for run in runs if run.digest != runs[0].digest]:
        raise TandemError(
            f"{listed(others)} answered other questions than {runs[0].name}: a report shows one question set"
        )


def listed(texts: Sequence[str]) -> str:
    """As in a sentence: `a, b and c`."""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def counted(count: int, noun: str) -> str:
    """`1 question`, `1,200 questions`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def label(metric: str) -> str:
    """A metric in a sentence: `recall@5` is `recall at 5`."""
    name, _, k = metric.partition("@")
    return (_NAMES[name][0] if name in _NAMES else name) + (f" at {k}" if k else "")


def heading(metric: str) -> str:
    """A metric at the beginning of a line."""
    text = label(metric)
    return text if text[1:2].isupper() else text[0].upper() + text[1:]


def meaning(metric: str) -> str:
    """What a metric is, in a few words."""
    return _NAMES.get(metric.partition("@")[0], ("", ""))[1]


def metric_groups(runs: Iterable[Run]) -> dict[str, list[str]]:
    """All metrics there are by group, and those of the runs; one with a k as each k that was measured."""
    found: dict[str, list[str]] = {}
    for metric in dict.fromkeys(metric for run in runs for metric in run.metrics):
        found.setdefault(metric.partition("@")[0], []).append(metric)
    groups = {
        group: [metric for name in names for metric in found.get(name, [name])] for group, names in METRICS.items()
    }
    others = [metric for name, metrics in found.items() if name not in _NAMES for metric in metrics]
    return groups | ({"Others": others} if others else {})


def alike(metric: str, runs: Iterable[Run]) -> list[Run]:
    """The runs whose values of a metric go on one axis: those measured as in the first run that has it."""
    having = [run for run in runs if metric in run.metrics]
    return [run for run in having if metric not in left_out(having[0], run)]


def measured(value: Measured) -> str:
    """`0.61 (0.50 to 0.72)`."""
    return f"{value.value:.2f} ({value.low:.2f} to {value.high:.2f})"


def signed(value: float) -> str:
    """A difference with its sign and two digits, or three where two would hide the sign that a verdict hangs on."""
    if abs(value) < 1e-9:
        return "0.00"
    return f"{value:+.2f}" if abs(value) >= 0.005 else f"{value:+.3f}"


def seconds(value: float) -> str:
    """A time: `0.88 s`, `12.3 s`."""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def price(run: Run) -> tuple[str, str, tuple[str, ...]]:
    """The dollars for 1,000 questions, how they were counted or why they weren't, and the sources."""
    if run.price is None:
        return "not counted", "nothing in the run says what its answers cost", ()
    usd = run.price.usd_per_1000
    return ("not known" if usd is None else money(usd)), run.price.how, run.price.sources


def question_set(run: Run) -> str:
    """Its name, how many questions, and of which kinds."""
    answerable = sum(bool(question.answerable) for question in run.questions)
    rest = len(run.questions) - answerable
    of = f"{run.set_name}: {counted(len(run.questions), 'question')}"
    return f"{of}, {answerable:,} answerable and {rest:,} unanswerable"


def lost(run: Run) -> int:
    """How many calls failed."""
    return sum(count for _, count in failures(run))


def spoke(run: Run) -> str:
    """Which models answered how often, the most frequent first; a question may be refused without asking one.

    The name is the one asked for; where the answers have another, as that of its version, it is added.
    """
    found = Counter(_spoke(reply) for reply in run.replies if reply.error is None)
    return ", ".join(f"{name} ({count:,})" for name, count in found.most_common())


def _spoke(reply: Reply) -> str:
    asked, named = reply.model or "no model", reply.answered_by
    return f"{asked} as {named}" if named and named != asked else asked


def failures(run: Run) -> list[tuple[str, int]]:
    """Why calls failed, the most frequent reason first."""
    found = Counter(reply.error for reply in run.replies if reply.error is not None)
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def findings(runs: Sequence[Run], differences: Mapping[str, list[Difference]]) -> list[str]:
    """What the numbers say, by the verdicts alone: a sentence for each run that is compared, or for the only one."""
    first, *others = runs
    return [_compared(first.name, run.name, differences[run.name]) for run in others] or [_alone(first)]


def cautions(runs: Sequence[Run], differences: Mapping[str, list[Difference]]) -> list[str]:
    """What makes the findings less than sure."""
    said = []
    if any(differences.values()):
        said.append(
            "Better or worse: by chance alone, question by question, it would come less than once in 20 times (exact "
            "test), and the 95 % interval leaves out 0. Not sure: it doesn't, which doesn't say that both are alike."
        )
    if parts := [f"{lost(run):,} of {len(run.replies):,} of {run.name}" for run in runs if lost(run)]:
        said.append(f"Failed calls, each of which counts as 0: {listed(parts)}.")
    said += [f"{run.name}: {note}" for run in runs for note in notes(run.replies)]
    if again := max((len(run.questions) - len(by_text(run.questions)) for run in runs), default=0):
        said.append(f"{counted(again, 'question')} of the set only ask another one again: each counts once.")
    least = min((found.count for run in runs for found in run.metrics.values()), default=FEW)
    if least < FEW:
        said.append(
            f"Some values are of only {counted(least, 'question')}: from so few only large differences are sure, and "
            "none where fewer than 6 questions differ."
        )
    return said


def not_compared(first: Run, run: Run) -> list[str]:
    """Which metrics aren't, and why."""
    by_reason: dict[str, list[str]] = {}
    for metric, why in left_out(first, run).items():
        by_reason.setdefault(why, []).append(label(metric))
    return [f"{run.name} isn't compared in {listed(metrics)}: {why}." for why, metrics in by_reason.items()]


def about(run: Run) -> str:
    """What was asked, in a few words: its kind, and which stack or model."""
    return " ".join(str(run.target[key]) for key in ("kind", "stack", "id") if key in run.target)


def _compared(first: str, name: str, differences: Sequence[Difference]) -> str:
    if not differences:
        return f"{name} and {first} have no metric in common: they aren't compared."
    by = {
        verdict: [label(found.metric) for found in differences if found.verdict == verdict]
        for verdict in ("better", "worse", "not sure")
    }
    unsure = by.pop("not sure")
    sure = [f"{verdict} than {first} in {listed(metrics)}" for verdict, metrics in by.items() if metrics]
    by_failures = [label(it.metric) for it in differences if it.by_failures]
    if not sure:
        return f"Whether {name} is better or worse than {first} is not sure in any metric: {listed(unsure)}."
    text = f"{name} is {listed(sure)}"
    text += f"; not sure: {listed(unsure)}." if unsure else "."
    if by_failures:
        text += (
            f" That hangs on failed calls in {listed(by_failures)}: over the questions that both answered it isn't so."
        )
    return text


def _alone(run: Run) -> str:
    shown = [metric for metric in (CORRECTNESS, FORMAT) if metric in run.metrics]
    if not shown:
        return f"Neither the content nor the form of {run.name}'s answers was measured."
    values = listed([f"{measured(run.metrics[metric])} in {label(metric)}" for metric in shown])
    return f"{run.name} has {values}; a run alone is compared with nothing."
