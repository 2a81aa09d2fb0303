"""The part of the page with every question and answer, and the questions that a run does worst on."""

from collections.abc import Iterator, Sequence

from ..questions import Question
from ..runs import Reply, Run
from .content import CORRECTNESS, FORMAT, clipped, counted, escape, label

SHOWN = 240
"""Characters of a text before it is folded."""
WORST = 5
REFUSAL = "refusal_accuracy"


def questions(runs: Sequence[Run]) -> str:
    """All questions, folded: what each run answered, how good that was, what it cites, and why there is no answer."""
    metrics = (CORRECTNESS, FORMAT, REFUSAL)
    places = [_places(run) for run in runs]
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Run", "Scores", "Answer", "Cited documents"))
    bodies = [
        _question(number, question, runs, [found[question] for found in places], metrics)
        for number, question in enumerate(runs[0].questions, start=1)
    ]
    return (
        f"<details><summary>All {counted(len(bodies), 'question')} with every answer</summary>\n"
        f'<table class="answers"><thead><tr>{heads}</tr></thead>\n' + "\n".join(bodies) + "\n</table></details>"
    )


def worst(runs: Sequence[Run]) -> str:
    """For each run the answerable questions that it does worst on, folded; a question links to all its answers."""
    numbers = {question: number for number, question in enumerate(runs[0].questions, start=1)}
    return "\n".join(_worst(run, numbers) for run in runs if CORRECTNESS in run.metrics)


def folded(text: str) -> str:
    """A text whose end is unfolded, if it is long; nothing of it is left out."""
    if len(text) <= SHOWN * 1.25:
        return escape(text)
    cut = max(text.rfind(" ", SHOWN // 2, SHOWN), text.rfind("\n", SHOWN // 2, SHOWN))
    cut = cut + 1 if cut > 0 else SHOWN
    return f"<details><summary>{escape(text[:cut])}</summary>{escape(text[cut:])}</details>"


def _places(run: Run) -> dict[Question, int]:
    """Runs on the same questions may have them in another order."""
    return {question: place for place, question in enumerate(run.questions)}


def _question(
    number: int, question: Question, runs: Sequence[Run], places: Sequence[int], metrics: Sequence[str]
) -> str:
    facts = [("Reference", question.reference or ""), ("Documents", ", ".join(question.documents))]
    facts += [("Tags", ", ".join(question.tags)), ("", "" if question.answerable else "Unanswerable: to be refused")]
    about = "".join(f"<div>{f'{name}: ' if name else ''}{folded(text)}</div>" for name, text in facts if text)
    rows = "\n".join(
        _answer(at, run, place, question, metrics) for at, (run, place) in enumerate(zip(runs, places, strict=True), 1)
    )
    return (
        f'<tbody id="q{number}"><tr><th colspan="4" scope="rowgroup">'
        f"<code>{escape(question.id)}</code> {folded(question.question)}{about}</th></tr>\n{rows}</tbody>"
    )


def _answer(at: int, run: Run, place: int, question: Question, metrics: Sequence[str]) -> str:
    reply = run.replies[place]
    scores = "<br/>".join(_scores(run, metrics, place))
    cited = "".join(_document(document, question) for document in reply.cited)
    name = f'<th scope="row" class="c{at}">{escape(run.name)}</th>'
    return f"<tr>{name}<td>{scores}</td><td>{_said(reply)}</td><td>{cited}</td></tr>"


def _scores(run: Run, metrics: Sequence[str], place: int) -> Iterator[str]:
    wanted = {FORMAT: "form kept", REFUSAL: "answered" if run.questions[place].answerable else "refused"}
    for metric in metrics:
        value = run.scores[metric][place] if metric in run.scores else None
        if value is not None:
            yield f"{'✓' if value else '✗'} {wanted[metric]}" if metric in wanted else f"{value:.2f} {label(metric)}"


def _said(reply: Reply) -> str:
    if reply.error is not None:
        return f"<strong>Failed:</strong> {folded(reply.error)}"
    text = folded(reply.text) if reply.text else "<em>No text</em>"
    return f"<em>Refused:</em> {text}" if reply.refused else text


def _document(document: str, question: Question) -> str:
    return f"<div>{'✓ ' if document in question.documents else ''}{escape(document)}</div>"


def _worst(run: Run, numbers: dict[Question, int]) -> str:
    scored = [(score, place) for place, score in enumerate(run.scores[CORRECTNESS]) if score is not None]
    lowest = sorted(scored)[:WORST]
    rows = "".join(_low(run, place, score, numbers[run.questions[place]]) for score, place in lowest)
    title = f"{run.name}: the {counted(len(lowest), 'question')} lowest in {label(CORRECTNESS)}"
    return (
        f"<details><summary>{escape(title)}</summary>"
        f'<table class="worst"><thead><tr><th scope="col">Score</th><th scope="col">Question</th>'
        f'<th scope="col">Answer</th></tr></thead><tbody>{rows}</tbody></table></details>'
    )


def _low(run: Run, place: int, score: float, number: int) -> str:
    question, reply = run.questions[place], run.replies[place]
    answer = f"Failed: {reply.error}" if reply.error is not None else reply.text or "No text"
    return (
        f'<tr><td>{score:.2f}</td><td><a href="#q{number}">{escape(question.id)}</a> '
        f"{escape(clipped(question.question, 120))}</td><td>{escape(clipped(answer, 160))}</td></tr>"
    )
