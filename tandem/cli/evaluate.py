"""`tandem eval`: the same questions for every target, how well each answers, and how sure a difference is."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer
from tandem_contract import __version__
from tandem_contract.errors import TandemError, Unavailable

from tandem.cli import exits
from tandem.cli.calibrate import calibrate
from tandem.cli.options import EnvironmentOption, JsonOption, TokenOption, put_json
from tandem.clients.targets import FORMS, Options, Subject, check_embedder, embedder, open_target
from tandem.evaluation.runs import FOLDER

if TYPE_CHECKING:
    from rich.console import Console

    from tandem.evaluation.comparison import Difference
    from tandem.evaluation.questions import Question
    from tandem.evaluation.runner import Kept
    from tandem.evaluation.runs import Reply, Run
    from tandem.evaluation.similarity import Embed

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help=f"Name of a run in {FOLDER}, or its folder.")]

app = typer.Typer(name="eval", no_args_is_help=True, help="Evaluate targets on the same questions, and compare them.")
app.command()(calibrate)


class Wanted(NamedTuple):
    """A run before it is one."""

    name: str
    folder: Path
    set_name: str
    questions: "tuple[Question, ...]"
    digest: str
    identity: dict[str, Any]
    """All that decides the target's answers."""
    settings: dict[str, Any]


@app.command("import")
def import_(
    source: Annotated[
        Path,
        typer.Argument(
            exists=True, metavar="FILE", help="Rows of a data set, SQuAD, HotpotQA, a table, or a folder of BEIR."
        ),
    ],
    to: Annotated[Path, typer.Option(metavar="FILE", help="Question set to write.")],
    document: Annotated[str | None, typer.Option(metavar="KEY", help="Document that answers all of them.")] = None,
) -> None:
    """Make a question set of one of another format, or of the rows of a data set, the answers as the references."""
    from tandem.evaluation.pairs import read
    from tandem.evaluation.questions import encoded, load_others
    from tandem.evaluation.runs import write

    if to.exists():
        raise TandemError(f"{to} is there already: give another --to, or remove it.")
    if others := load_others(source, document):
        questions, found = others
        write(to, encoded(questions))
        refuse = sum(not question.answerable for question in questions)
        typer.echo(f"{len(questions)} questions of {found.name}, {refuse} of them to be refused, written to {to}")
        for note in found.notes:
            typer.echo(note, err=True)
        return
    pairs = read(source, document)
    if not pairs.questions:
        raise TandemError(f"{source} has no row with one question, and a question set has no conversations.")
    write(to, encoded(pairs.questions))
    typer.echo(f"{len(pairs.questions)} questions written to {to}")
    if left_out := pairs.several_turns:
        more = ", ..." if len(left_out) > 3 else ""
        places = f"{', '.join(left_out[:3])}{more}"
        typer.echo(f"left out: {len(left_out)} rows with several questions or calls of tools ({places})", err=True)
    if systems := pairs.systems:
        what = f"a system message, {systems[0]!r}" if len(systems) == 1 else f"{len(systems)} system messages"
        typer.echo(f"the rows have {what}: what a model should be told is given by `eval run --system`", err=True)


@app.command()
def run(
    questions: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Question set, JSONL.")],
    target: Annotated[str, typer.Option(help=f"What to ask: {FORMS}.")],
    name: Annotated[str, typer.Option(help="Name of the run.")],
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="System message, for a model alone.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Longest answer of a model alone; by default 300.")
    ] = None,
    form: Annotated[
        Path | None,
        typer.Option("--format", exists=True, dir_okay=False, help="JSON or YAML: {regex: ...} or {json_schema: ...}."),
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Retrieved documents that recall and nDCG look at.")] = 5,
    similarity: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Embedder of Bedrock: measure similarity too.")
    ] = None,
    metric: Annotated[
        Literal["squad"] | None, typer.Option(help="Words as SQuAD's own script has them, to hold against its numbers.")
    ] = None,
    refusal: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Regex: an answer in which it is found refuses.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Calls at once.")] = 4,
    seconds: Annotated[float, typer.Option(min=1, help="Longest wait for an answer, with retries.")] = 60.0,
    key_variable: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment variable with the URL's key, which isn't stored.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask everything again, and then replace the run of this name.")
    ] = False,
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where runs and answers are kept.")] = FOLDER,
    region: Annotated[
        str | None, typer.Option(help="Region of models and prices; by default the stack's, or AWS_REGION.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N questions.")] = None,
    token: TokenOption = None,
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a question set to a target, and measure the answers. Interrupted, the same command goes on."""
    from tandem.cli.evaluation_view import show_run
    from tandem.evaluation import questions as sets
    from tandem.evaluation import runner, runs
    from tandem.evaluation.refusals import check_pattern
    from tandem.evaluation.scoring import blind_spots, by_text
    from tandem.reporting.tables import console

    terminal = console(stderr=True)
    options = Options(
        system,
        max_tokens,
        key_variable,
        token,
        region,
        environment,
        seconds,
        concurrency,
        partial(terminal.print, soft_wrap=True),
    )
    shape, subject, *_ = _all(
        lambda: _format(form),
        lambda: open_target(target, options),
        lambda: check_embedder(similarity) if similarity else None,
        lambda: _check_name(name),
        lambda: check_pattern(refusal) if refusal is not None else None,
    )
    embed = embedder(similarity, options, subject.region) if similarity else None
    settings = {"k": k, "format": shape, "similarity": similarity, "metric": metric, "refusal": refusal}
    settings |= {"concurrency": concurrency, "seconds": seconds}
    asked = tuple(sets.load(questions, subject.documents)[:limit])
    for blind in blind_spots(asked) if metric else ():
        options.say(f"SQuAD's script {blind}")
    if again := len(asked) - len(by_text(asked)):
        options.say(f"{again} of {len(asked)} questions ask another one again, and count once with it.")
    wanted = Wanted(name, to / name, questions.stem, asked, runs.digest(asked), subject.identity, settings)
    cache = runner.Kept(to / runs.CACHE, wanted.identity)
    # Until a fresh run stands, its answers are apart: the old ones are lost to no target that is gone.
    kept = runner.Kept(to / runs.CACHE / f"fresh-{name}", wanted.identity) if fresh else cache
    if not fresh and (wanted.folder / "run.json").exists():
        _check_same(wanted)
    missing = len({question.question for question in asked if not kept.get(question.question)})
    began, started_at = time.monotonic(), _now()
    replies = _ask(wanted, subject, kept, missing, options, terminal)
    answered = time.monotonic()
    with terminal.status("measuring"):
        done = _measured(wanted, subject, replies, started_at, embed)
    runs.save(done, _versions())
    if fresh:
        kept.move_to(cache)
    if as_json:
        metrics = {name: asdict(found) for name, found in done.metrics.items()}
        about = {"name": done.name, "folder": str(done.folder), "questions": len(asked), "asked": missing}
        price = done.price and asdict(done.price)
        put_json(about | {"metrics": metrics, "latency": done.latency._asdict(), "price": price})
        return
    show_run(done, {"asking": answered - began, "measuring": time.monotonic() - answered}, missing)


@app.command()
def compare(
    before: RunArgument,
    after: RunArgument,
    metric: Annotated[list[str] | None, typer.Option(help="Compare this one; may be given again.")] = None,
    common: Annotated[bool, typer.Option("--common", help="Compare the questions that both runs have.")] = False,
    fail_on_worse: Annotated[bool, typer.Option("--fail-on-worse", help="Exit 3 if a metric is surely worse.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs question by question: better, worse or not sure, by exact tests at 5 %."""
    from tandem.cli.evaluation_view import show_comparison
    from tandem.evaluation import comparison
    from tandem.evaluation.outcomes import outcomes

    first, second = _run(before), _run(after)
    differences = comparison.compare(first, second, common)
    left_out = comparison.left_out(first, second)
    _say_if_one_model(first, second)
    if metric:
        differences, left_out = _chosen(metric, differences, left_out), {}
    if as_json:
        content = {
            "before": first.name,
            "after": second.name,
            "outcomes": {"before": outcomes(first.replies)._asdict(), "after": outcomes(second.replies)._asdict()},
            "differences": [_as_json(found) for found in differences],
            "left_out": left_out,
        }
        put_json(content)
    else:
        show_comparison(first, second, differences, left_out)
    if fail_on_worse and (worse := [found for found in differences if found.verdict == comparison.WORSE]):
        names = [f"{found.metric}{' by failed calls' if found.by_failures else ''}" for found in worse]
        typer.secho(f"Worse: {', '.join(names)}.", fg=typer.colors.RED, err=True)
        raise typer.Exit(exits.CROSSED)


def _as_json(found: "Difference") -> dict[str, Any]:
    content = asdict(found) | {"interval": found.interval._asdict()}
    content["failed"] = dict(zip(("before", "after"), found.failed, strict=True))
    return content | {"answered": _as_json(found.answered) if found.answered else None}


def _say_if_one_model(*runs: "Run") -> None:
    from tandem.evaluation.outcomes import one_model

    if name := one_model(*runs):
        text = f"{name} gave the answers of both runs, which asked for different models: what differs is chance."
        typer.secho(text, fg=typer.colors.YELLOW, err=True)


def _chosen(metrics: list[str], differences: "list[Difference]", left_out: Mapping[str, str]) -> "list[Difference]":
    known = [found.metric for found in differences]
    if unknown := [name for name in metrics if name not in known]:
        why = "; ".join(f"{name}: {left_out.get(name, 'no such metric')}" for name in unknown)
        raise TandemError(f"--metric can't be compared ({why}); compared are {', '.join(known) or 'none'}.")
    return [found for found in differences if found.metric in metrics]


@app.command()
def report(
    chosen: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs on one question set, the base first.")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="Page to write.")] = Path("report.html"),
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it as Markdown too.")] = None,
) -> None:
    """Write a page that shows runs beside each other: quality, time, price, and every answer."""
    from tandem.evaluation.comparison import compare
    from tandem.evaluation.reports import html
    from tandem.evaluation.reports import markdown as md
    from tandem.evaluation.runs import write

    shown = [_run(name) for name in chosen]
    differences: Mapping[str, list[Difference]] = {other.name: compare(shown[0], other) for other in shown[1:]}
    write(to, html.render(shown, differences))
    typer.echo(f"written to {to}")
    if markdown:
        write(markdown, md.render(shown, differences))
        typer.echo(f"written to {markdown}")


def _ask(
    wanted: Wanted, subject: Subject, kept: "Kept", missing: int, options: Options, terminal: "Console"
) -> "list[Reply]":
    """The replies of the target; those that it gave before it changed under way are of no use, and forgotten."""
    from tandem.cli.evaluation_view import progress
    from tandem.evaluation import runner

    try:
        with progress(terminal, missing) as tell:
            replies = runner.run(wanted.questions, subject.ask, concurrency=options.concurrency, kept=kept, tell=tell)
    except KeyboardInterrupt:
        options.say("Interrupted: what was answered is kept, calls under way end, and the same command goes on.")
        raise typer.Exit(exits.INTERRUPTED) from None
    if subject.identify() != wanted.identity:
        kept.forget(*wanted.questions)
        raise TandemError("The target changed while it was asked, so that the answers are of both: run it again.")
    return replies


def _measured(
    wanted: Wanted, subject: Subject, replies: "list[Reply]", started_at: str, embed: "Embed | None"
) -> "Run":
    from tandem.evaluation import refusals, runs, scoring, spread

    documents, k, form = subject.documents is not None, wanted.settings["k"], wanted.settings["format"]
    as_squad = wanted.settings["metric"] == "squad"
    replies = refusals.judged(replies, wanted.settings["refusal"])
    try:
        scores = scoring.score(
            wanted.questions, replies, documents=documents, k=k, form=form, embed=embed, as_squad=as_squad
        )
    except Unavailable as error:
        raise TandemError(f"{error}; the answers are kept: the same command goes on.") from error
    return runs.Run(
        name=wanted.name,
        folder=wanted.folder,
        target=wanted.identity,
        settings=wanted.settings | {"region": subject.region},
        set_name=wanted.set_name,
        questions=wanted.questions,
        digest=wanted.digest,
        replies=tuple(replies),
        scores=scores,
        metrics=scoring.measured(wanted.questions, scores, replies),
        latency=spread.latency(None if reply.error else reply.seconds for reply in replies),
        price=subject.price(replies),
        started_at=started_at,
        finished_at=_now(),
    )


def _all(*steps: Callable[[], Any]) -> list[Any]:
    """What each step gives; raises `TandemError` with the mistakes of all."""
    given, mistakes = [], []
    for step in steps:
        try:
            given.append(step())
        except TandemError as error:
            mistakes.append(str(error))
    if mistakes:
        raise TandemError("\n".join(mistakes))
    return given


def _check_name(name: str) -> None:
    from tandem.evaluation.runs import CACHE, NAME

    if not NAME.fullmatch(name) or name == CACHE:
        raise TandemError(f"--name is {name!r}: give letters, digits, dots, dashes and underscores; not {CACHE!r}.")


def _run(name: str) -> "Run":
    from tandem.evaluation import runs

    return runs.load(runs.find(name))


def _format(path: Path | None) -> dict[str, Any] | None:
    """The form in a file, which no answer was held against yet."""
    from tandem import yaml_file
    from tandem.measures.metrics import check_format

    if path is None:
        return None
    content = yaml_file.read(path, 'a mapping: give {"regex": ...} or {"json_schema": ...}')
    try:
        form = json.loads(json.dumps(content))
    except (TypeError, ValueError) as error:
        raise TandemError(f"--format {path}: {error}: a text that looks like a day needs quotes.") from error
    try:
        check_format(form)
    except TandemError as error:
        raise TandemError(f"--format {path}: {error}") from error
    return form


def _check_same(wanted: Wanted) -> None:
    """Refuse to replace a run by one of something else."""
    from tandem.evaluation.runs import replaced

    remedy = "give another --name, or --fresh, which replaces it"
    try:
        target, digest, count = replaced(wanted.folder)
    except TandemError as error:
        raise TandemError(f"{error}. Or {remedy}.") from error
    keys = {**target, **wanted.identity}
    what = [f"target's {key}" for key in keys if target.get(key) != wanted.identity.get(key)]
    if digest != wanted.digest:
        what.append(f"questions ({count} there, {len(wanted.questions)} here)")
    if what:
        raise TandemError(
            f"There is a run {wanted.name!r} in {wanted.folder} with another {', '.join(what)}: {remedy}."
        )


def _versions() -> dict[str, str]:
    import platform

    return {"tandem": __version__, "python": platform.python_version()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
