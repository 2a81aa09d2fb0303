"""The report as one HTML page that needs nothing else: no script, no file, no connection."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tandem

from ..comparison import Difference
from ..runs import Measured, Run
from . import answers
from .charts import TICKS, Point, ruler, strip, two_by_two
from .content import (
    CORRECTNESS,
    FORMAT,
    MARKS,
    NOT_MEASURED,
    about,
    alike,
    cautions,
    check,
    counted,
    escape,
    failures,
    findings,
    heading,
    label,
    listed,
    lost,
    meaning,
    measured,
    metric_groups,
    not_compared,
    price,
    question_set,
    seconds,
    signed,
    spoke,
)

STYLE = Path(__file__).with_name("report.css")
SCALES = (0.1, 0.25, 0.5, 0.75, 1.0)  # how far a plot of differences goes from 0
UNIT = (0.0, 1.0)


def render(runs: Sequence[Run], differences: Mapping[str, list[Difference]]) -> str:
    """The page for 1 to 6 runs on the same questions; `differences` to the first run, by the names of the others.

    The same input gives the same bytes. Raises `ValueError` for runs that can't be shown together.
    """
    check(runs)
    title = f"Evaluation of {listed([run.name for run in runs])}"
    parts = [
        _head(title, runs[0]),
        "\n".join(f'<p class="lede">{escape(sentence)}</p>' for sentence in findings(runs, differences)),
        "\n".join(_note(sentence) for sentence in cautions(runs, differences)),
        _section("Content and form", _overview(runs)),
        _section("Metrics", _metrics(runs)),
        _section("Who answered", _calls(runs)),
        _section(f"Differences from {runs[0].name}", _differences(runs, differences)) if runs[1:] else "",
        _section("Latency", _latency(runs)),
        _section("Price of 1,000 questions", _prices(runs)),
        _section("Questions", answers.worst(runs) + "\n" + answers.questions(runs)),
        _section("Configuration", _configuration(runs)),
        f"<footer>Written by Tandem {tandem.__version__}.</footer>",
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        # Even if something of an answer were markup, nothing would be fetched or run.
        """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>"""
        f"<title>{escape(title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style></head>\n"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def _head(title: str, run: Run) -> str:
    about = f"{question_set(run)}; digest <code>{escape(run.digest[:12])}</code>"
    return f"<header><h1>{escape(title)}</h1><p>{about}</p></header>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{content}</section>"


def _table(kind: str, heads: Sequence[str], *groups: Sequence[str]) -> str:
    """Groups of rows under one head; it scrolls by itself where the page is too narrow."""
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    bodies = "".join(["<tbody>" + "\n".join(rows) + "</tbody>\n" for rows in groups])
    return (
        '<div class="wide" tabindex="0" role="group" aria-label="Table, may scroll">'
        f'<table class="{kind}"><thead><tr>{cells}</tr></thead>\n{bodies}</table></div>'
    )


def _group(title: str, columns: int) -> str:
    return f'<tr class="group"><th colspan="{columns}" scope="rowgroup">{escape(title)}</th></tr>'


def _name(run: Run, runs: Sequence[Run]) -> str:
    return f'<th scope="row" class="c{runs.index(run) + 1}">{escape(run.name)}</th>'


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _overview(runs: Sequence[Run]) -> str:
    by_content, by_form = alike(CORRECTNESS, runs), alike(FORMAT, runs)
    both = [run for run in by_content if run in by_form]
    if both:
        points = [Point(run.name, runs.index(run), run.metrics[CORRECTNESS], run.metrics[FORMAT]) for run in both]
        picture = two_by_two(points, heading(CORRECTNESS), heading(FORMAT))
        how = "A mark is the mean of a run, its arms are the 95 % intervals; further right and further up is better. "
        how += "The lines at 0.50 divide the picture, they are no threshold."
        missing = _lacking(runs, both, f"{label(CORRECTNESS)} and {label(FORMAT)}, measured as for the others")
        return f"<figure>{picture}<figcaption>{_legend(runs)}{_note(how)}{missing}</figcaption></figure>"
    shown = CORRECTNESS if by_content else FORMAT if by_form else None
    if shown is None:
        return _note(f"Not measured: {listed([label(CORRECTNESS), label(FORMAT)])}.")
    ones = by_content or by_form
    rows = [
        f"<tr>{_name(run, runs)}<td>{_unit_strip(run.metrics[shown], runs.index(run))}</td>"
        f"<td>{measured(run.metrics[shown])}</td></tr>"
        for run in ones
    ]
    rule = ruler([(tick, f"{tick:.2f}") for tick in TICKS], UNIT, "From 0 to 1")
    rows.append(f"<tr><td></td><td>{rule}</td><td></td></tr>")
    other = label(FORMAT if shown == CORRECTNESS else CORRECTNESS)
    how = f"{other[0].upper()}{other[1:]} was not measured, so there is one axis: {label(shown)}."
    lacking = _lacking(runs, ones, f"{label(shown)}, measured as for the others")
    return _table("plot", ("Run", heading(shown), "Mean (95 % interval)"), rows) + _note(how) + lacking


def _legend(runs: Sequence[Run]) -> str:
    names = (
        f'<p><span class="c{at}">{escape(run.name)}</span> <small>{escape(about(run))}</small></p>'
        for at, run in enumerate(runs, 1)
    )
    return "".join(names)


def _lacking(runs: Sequence[Run], shown: Sequence[Run], what: str) -> str:
    missing = [run.name for run in runs if run not in shown]
    return _note(f"Not in the picture: {listed(missing)}, without {what}.") if missing else ""


def _unit_strip(found: Measured, place: int) -> str:
    return strip(place, (found.low, found.value, found.high), UNIT, measured(found))


def _metrics(runs: Sequence[Run]) -> str:
    groups = [
        [_group(group, len(runs) + 1), *(_metric(metric, runs) for metric in metrics)]
        for group, metrics in metric_groups(runs).items()
    ]
    heads = ["Metric", *(f'<span class="c{place}">{escape(run.name)}</span>' for place, run in enumerate(runs, 1))]
    how = "The mean over n questions with its 95 % bootstrap interval, each on a line from 0 to 1; more is better. "
    how += "A failed call counts as 0 and is among the n."
    return _table("metrics", heads, *groups) + _note(how)


def _metric(metric: str, runs: Sequence[Run]) -> str:
    cells = "".join(_value(run.metrics.get(metric), place) for place, run in enumerate(runs))
    return f'<tr><th scope="row">{escape(heading(metric))}<small>{escape(meaning(metric))}</small></th>{cells}</tr>'


def _value(found: Measured | None, place: int) -> str:
    if found is None:
        return f'<td class="none">{NOT_MEASURED}</td>'
    failed = f", {found.failed:,} failed" if found.failed else ""
    return (
        f"<td><b>{found.value:.2f}</b> <small>{found.low:.2f} to {found.high:.2f}</small>{_unit_strip(found, place)}"
        f"<small>n {found.count:,}{failed}</small></td>"
    )


def _calls(runs: Sequence[Run]) -> str:
    rows = []
    for run in runs:
        reasons = "".join(
            f"<div>{counted(count, 'call')}: {answers.folded(reason)}</div>" for reason, count in failures(run)
        )
        total = f"{lost(run):,} of {counted(len(run.replies), 'call')}"
        rows.append(f"<tr>{_name(run, runs)}<td>{escape(spoke(run))}</td><td>{total}</td><td>{reasons}</td></tr>")
    return _table("text", ("Run", "Answered by", "Failed", "Reasons"), rows)


def _differences(runs: Sequence[Run], differences: Mapping[str, list[Difference]]) -> str:
    first, *others = runs
    reasons = "".join(_note(reason) for run in others for reason in not_compared(first, run))
    found = [difference for run in others for difference in differences[run.name]]
    if not found:
        return _note("No metric was measured alike in two runs.") + reasons
    widest = max(max(abs(each.interval.low), abs(each.interval.high)) for each in found)
    far = next((scale for scale in SCALES if widest <= scale), SCALES[-1])
    rule = ruler(((-far, signed(-far)), (0.0, "0"), (far, signed(far))), (-far, far), "Differences")
    groups = [
        [
            _group(heading(metric), 5),
            *(
                _difference(run, runs, each, far)
                for run in others
                for each in differences[run.name]
                if each.metric == metric
            ),
        ]
        for metric in dict.fromkeys(each.metric for each in found)
    ]
    heads = ("Run", f"Difference, better to the right{rule}", "Mean (95 % interval)", "Verdict", "")
    how = f"Each run's mean less that of {first.name}, over the questions that both were measured on. A hollow mark: "
    how += f"not sure. Each of the {counted(len(found), 'verdict')} is made on its own: where runs are really alike, "
    how += "about one in twenty still looks better or worse by chance."
    return _table("plot", heads, *groups) + _note(how) + reasons


def _difference(run: Run, runs: Sequence[Run], found: Difference, far: float) -> str:
    mean, low, high = found.interval
    said = f"{signed(mean)} ({signed(low)} to {signed(high)})"
    cells = (
        strip(runs.index(run), (low, mean, high), (-far, far), said),
        f"<b>{signed(mean)}</b> <small>{signed(low)} to {signed(high)}; {found.before:.2f} → {found.after:.2f}</small>",
        f'<span class="{found.verdict.replace(" ", "-")}">{MARKS[found.verdict]}</span>',
        f"<small>n {found.count:,}</small>",
    )
    return f"<tr>{_name(run, runs)}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _latency(runs: Sequence[Run]) -> str:
    most = max((run.latency.p95 for run in runs if run.latency.p95 is not None), default=None)
    if not most:
        return _note("No call answered.")
    rows = []
    for run in runs:
        found = run.latency
        line, times = "", "no call answered"
        if found.p50 is not None and found.p95 is not None:
            times = f"{seconds(found.p50)} to {seconds(found.p95)}"
            line = strip(runs.index(run), (found.p50, found.p50, found.p95), (0.0, most), times)
        answered = f"<small>{found.count - found.failed:,} of {found.count:,} answered</small>"
        rows.append(f"<tr>{_name(run, runs)}<td>{line}</td><td>{times}</td><td>{answered}</td></tr>")
    rule = ruler(((0.0, "0 s"), (most, seconds(most))), (0.0, most), "Seconds")
    how = "The mark is p50, the end of its line p95, over the calls that answered."
    return _table("plot", ("Run", f"Seconds{rule}", "p50 to p95", ""), rows) + _note(how)


def _prices(runs: Sequence[Run]) -> str:
    rows = []
    for run in runs:
        amount, how, sources = price(run)
        listing = "".join(f"<div>{escape(source)}</div>" for source in sources)
        known = run.price is not None and run.price.usd_per_1000 is not None
        cell = f"<b>{amount}</b>" if known else f'<span class="none">{amount}</span>'
        rows.append(f"<tr>{_name(run, runs)}<td>{cell}</td><td>{escape(how)}</td><td>{listing}</td></tr>")
    return _table("text", ("Run", "US dollars", "How it was counted", "Sources"), rows)


def _configuration(runs: Sequence[Run]) -> str:
    blocks = []
    for place, run in enumerate(runs, start=1):
        facts: dict[str, Any] = {f"target: {key}": value for key, value in run.target.items()}
        facts |= {f"setting: {key}": value for key, value in run.settings.items()}
        facts |= {"question set": run.digest, "started": run.started_at, "finished": run.finished_at}
        rows = "".join(f"<dt>{escape(key)}</dt><dd>{escape(_plain(value))}</dd>" for key, value in facts.items())
        blocks.append(f'<div><h3 class="c{place}">{escape(run.name)}</h3><dl>{rows}</dl></div>')
    return f'<div class="runs">{"".join(blocks)}</div>'


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "none" if value is None else json.dumps(value, ensure_ascii=False, default=str)
