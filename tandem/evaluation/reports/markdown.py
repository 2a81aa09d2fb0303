"""The report as a short summary for a pull request or a README."""

from collections.abc import Mapping, Sequence

from tandem.reporting.escape import inert
from tandem.reporting.tables import Table

from ..comparison import Difference
from ..runs import Measured, Run
from . import breakdown, content


def render(runs: Sequence[Run], differences: Mapping[str, list[Difference]]) -> str:
    """The findings, and a table of what was measured, how that differs from the first run, and the price.

    For the arguments see `html.render`.
    """
    content.check(runs)
    first, *others = runs
    tags = breakdown.by_tag(runs)
    cautions = [*content.cautions(runs, differences), *breakdown.hidden(runs, tags)]
    parts = [
        f"### Evaluation of {inert(content.listed([run.name for run in runs]))}",
        f"{content.question_set(first)}; digest {first.digest[:12]}",
        _list([*content.findings(runs, differences), *cautions]),
        Table(["Metric", *(run.name for run in runs)], _values(runs)).markdown(),
        *(_tags(metric, rows, runs) for metric, rows in tags.items()),
    ]
    if any(differences[run.name] for run in others):
        names = ["Metric", *(run.name for run in others)]
        parts += [f"**Differences from {inert(first.name)}**", Table(names, _differences(runs, differences)).markdown()]
    parts += [_list([said for run in others if (said := breakdown.sides(first, run))])]
    parts += [_list([reason for run in others for reason in content.not_compared(first, run)])]
    parts += ["**Price of 1,000 questions**", _list([_price(run) for run in runs])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _values(runs: Sequence[Run]) -> list[list[str]]:
    metrics = [metric for group in content.metric_groups(runs).values() for metric in group]
    rows = [[content.heading(metric), *(_value(run.metrics.get(metric)) for run in runs)] for metric in metrics]
    rows.append(["Answered by", *map(content.spoke, runs)])
    rows.append(["Failed calls", *(f"{content.lost(run):,} of {len(run.replies):,}" for run in runs)])
    rows.append(["Latency, p50 to p95", *map(_latency, runs)])
    return rows


def _value(found: Measured | None) -> str:
    return content.measured(found) if found else content.NOT_MEASURED


def _tags(metric: str, rows: Mapping[str, Sequence[Measured | None]], runs: Sequence[Run]) -> str:
    names = [f"{content.heading(metric)} by tag", *(run.name for run in runs)]
    return Table(names, [[tag, *(_by_tag(value) for value in values)] for tag, values in rows.items()]).markdown()


def _by_tag(found: Measured | None) -> str:
    return f"{_value(found)} of {found.count:,}" if found else content.NOT_MEASURED


def _latency(run: Run) -> str:
    p50, p95 = run.latency.p50, run.latency.p95
    return "no call answered" if p50 is None or p95 is None else f"{content.seconds(p50)} to {content.seconds(p95)}"


def _differences(runs: Sequence[Run], differences: Mapping[str, list[Difference]]) -> list[list[str]]:
    by_run = [{found.metric: found for found in differences[run.name]} for run in runs[1:]]
    metrics = [metric for metric in runs[0].metrics if any(metric in found for found in by_run)]
    return [[content.heading(metric), *(_difference(found.get(metric)) for found in by_run)] for metric in metrics]


def _difference(found: Difference | None) -> str:
    if found is None:
        return "not compared"
    mean, low, high = map(content.signed, found.interval[:3])
    text = f"{content.MARKS[found.verdict]}: {mean} ({low} to {high})"
    return text + (f"; both answered: {content.MARKS[found.answered.verdict]}" if found.answered else "")


def _price(run: Run) -> str:
    amount, how, sources = content.price(run)
    return f"{run.name}: {amount}; {'; '.join((how, *sources))}"


def _list(lines: Sequence[str]) -> str:
    return Table(("",), [(line,) for line in lines]).markdown()
