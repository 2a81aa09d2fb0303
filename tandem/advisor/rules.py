"""The rules that decide between prompt, retrieval and tuning: one table, each rule with its source.

Retrieval is advised where one of its rules applies, tuning where one of its own does; the rest explain and warn.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from tandem.reporting.money import money

from .costs import Costs, Way
from .facts import CHANGES, METRICS, PROMPT_PAGES, TOKENS_A_PAGE, Facts, Interval

ROWS = 100
GOALS = {"some": Decimal("0.80"), "strict": Decimal("0.95")}
"""Format adherence that a demand asks for at least."""
WAKES_SECONDS = 30
DEARER = 5
"""Times retrieval, from which on a prompt with all documents is warned of."""

LEWIS = "Lewis et al. 2020, arXiv:2005.11401 (abstract): provenance and updating are open problems for weights alone"
OVADIA = "Ovadia et al. 2023, arXiv:2312.05934 (abstract): RAG beats fine-tuning at known and new facts"
PAGES = "Anthropic, Contextual Retrieval, 2024-09: up to 200,000 tokens, some 500 pages, go into the prompt"
OPENAI = "OpenAI, Supervised fine-tuning guide: gains are seen from 50 to 100 examples; evaluations come first"
LEARN = "Microsoft Learn, Compare and combine optimization strategies: prompt first, RAG to know, tuning for format"
SLEEP = "Amazon OpenSearch Service developer guide, serverless-scale-to-zero: wakes in 10 to 30 s"
ZERO = "Amazon SageMaker developer guide, endpoint-auto-scaling-zero-instances"
OURS = "Tandem's own: intervals that don't overlap, so that noise isn't called progress"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`because` gives the reason in this case, or nothing where the rule doesn't apply."""

    key: str
    points: str
    """What it speaks for: `retrieval`, `tuning` or `no tuning`."""
    says: str
    source: str
    because: Callable[[Facts], str]


@dataclass(frozen=True, kw_only=True)
class Care:
    """A rule that warns and decides nothing; it may look at the prices too."""

    key: str
    says: str
    source: str
    because: Callable[[Facts, Costs], str]
    points: str = "care"
    """Or `first`: what is said before everything else."""


class Reason(NamedTuple):
    """A rule that applies, and why."""

    rule: Rule | Care
    text: str


def deciding(facts: Facts) -> tuple[Reason, ...]:
    """Every rule that applies but those that only warn, in the order of the table."""
    return tuple(Reason(rule, text) for rule in RULES if (text := rule.because(facts)))


def reasons(facts: Facts, costs: Costs) -> tuple[Reason, ...]:
    """Every rule that applies, in the order of the table, but what comes first."""
    warned = [Reason(care, text) for care in CARES if (text := care.because(facts, costs))]
    first = [reason for reason in warned if reason.rule.points == "first"]
    return (*first, *deciding(facts), *(reason for reason in warned if reason not in first))


def wants(what: str, facts: Facts) -> bool:
    """Whether a rule speaks for `retrieval` or for `tuning`."""
    return any(rule.points == what and rule.because(facts) for rule in RULES)


def untuned(facts: Facts, metric: str) -> Interval | None:
    """The best that was measured without tuning; None until retrieval was, where there is something to retrieve."""
    measured = facts.found(metric, "base", "rag")
    told = facts.found(metric, "rag") or not facts.corpus_pages
    return max(measured, key=lambda found: found.high) if measured and told else None


def tuned(facts: Facts, metric: str) -> Interval | None:
    """The best that was measured with tuning."""
    return max(facts.found(metric, "tuned", "hybrid"), key=lambda found: found.low, default=None)


def share(found: Interval) -> str:
    """A measured share with its bounds."""
    return f"{found.value} ({found.low} to {found.high})"


def _citations(facts: Facts) -> str:
    return "Answers must name their sources; a passage can be cited, a weight can't." if facts.citations else ""


def _changing(facts: Facts) -> str:
    if CHANGES.index(facts.knowledge_changes) < CHANGES.index("monthly"):
        return ""
    return f"Knowledge changes ({facts.knowledge_changes}): an index follows a document in minutes, a model in a run."


def _corpus(facts: Facts) -> str:
    if facts.corpus_pages <= PROMPT_PAGES:
        return ""
    return f"{facts.corpus_pages:,} pages don't fit into a prompt, and tuning teaches facts badly."


def _knowledge_gap(facts: Facts) -> str:
    base, rag = (facts.found("correctness", target) for target in ("base", "rag"))
    if base and rag and rag[0].low > base[0].high:
        return f"Measured: retrieval lifts correctness from {share(base[0])} to {share(rag[0])}."
    return ""


def _closed(facts: Facts, metric: str) -> str:
    """The gap in a metric that tuning was measured to close."""
    before, after = untuned(facts, metric), tuned(facts, metric)
    if before and after and after.low > before.high and not (metric == "format_adherence" and facts.format == "none"):
        return f"{metric.replace('_', ' ')} is {share(after)} with tuning and {share(before)} without"
    return ""


def _measured_gap(facts: Facts) -> str:
    gaps = [gap for metric in METRICS if (gap := _closed(facts, metric))]
    return f"Measured: a gap that retrieval doesn't close: {'; '.join(gaps)}." if gaps else ""


def _wanting(facts: Facts) -> str:
    """Why the format asks for tuning, before anything tuned was compared."""
    before = untuned(facts, "format_adherence")
    if facts.format == "none" or (before and tuned(facts, "format_adherence")):
        return ""
    if before and before.high < GOALS[facts.format]:
        return f"Measured: format adherence without tuning is {share(before)}, below {GOALS[facts.format]}"
    if not before and facts.format == "strict":
        return "The format is strict, which passages in a prompt don't change"
    return ""


def _format_gap(facts: Facts) -> str:
    why = _wanting(facts)
    return f"{why}; {facts.labelled_rows:,} labelled rows are enough to try." if why and _enough(facts) else ""


def _few_rows(facts: Facts) -> str:
    why = _wanting(facts)
    if not why or _enough(facts):
        return ""
    return f"{why}; but {facts.labelled_rows:,} labelled rows are fewer than {ROWS}."


def _enough(facts: Facts) -> bool:
    return facts.labelled_rows >= ROWS


def _no_gap(facts: Facts) -> str:
    before, after = untuned(facts, "format_adherence"), tuned(facts, "format_adherence")
    if facts.format == "none" or not before or _closed(facts, "format_adherence") or _wanting(facts):
        return ""
    if after:
        return f"Measured: format adherence with tuning, {share(after)}, isn't surely above {share(before)} without."
    goal = GOALS[facts.format]
    if before.low >= goal:
        return f"Measured: format adherence is {share(before)} without tuning; {goal} is asked for."
    return f"Undecided: format adherence without tuning is {share(before)}, around the {goal} that is asked for."


def _prompt_first(facts: Facts) -> str:
    if facts.format != "some" or untuned(facts, "format_adherence"):
        return ""
    return "Style wishes go into the prompt first; tuning comes where that is measured to fall short."


def _start_with_rag(facts: Facts) -> str:
    if not wants("retrieval", facts) or wants("tuning", facts):
        return ""
    return "Start with RAG; tuning is added where the evaluation shows a gap that retrieval can't close."


def _nothing(facts: Facts) -> str:
    if wants("retrieval", facts) or wants("tuning", facts):
        return ""
    return "Nothing asks for more than a prompt."


def _retrieval_worse(facts: Facts, _: Costs) -> str:
    for without, with_it in (("base", "rag"), ("tuned", "hybrid")):
        before, after = (facts.found("correctness", target) for target in (without, with_it))
        if before and after and after[0].high < before[0].low:
            return (
                f"Measured: retrieval makes answers worse: correctness is {share(after[0])} with it and "
                f"{share(before[0])} without. Mend that before anything else: whether the documents hold the answers, "
                "what is found of them, and what of it reaches the prompt."
            )
    return ""


def _prompt_price(facts: Facts, costs: Costs) -> str:
    prompt, rag = costs.of(Way.PROMPT).by_token, costs.of(Way.RAG).by_token
    if not facts.corpus_pages or wants("retrieval", facts) or wants("tuning", facts):
        return ""
    if not prompt or prompt.unpriced or not rag or not rag.usd or prompt.usd < DEARER * rag.usd:
        return ""
    best = f"no price row of {facts.hosted_model}"
    if costs.cached:
        best = f"{money(costs.cached.usd)} at best, if each question finds them there; filling it is NOT PRICED"
    return (
        f"{facts.corpus_pages:,} pages in every prompt cost {money(prompt.usd)} a month, {prompt.usd / rag.usd:.0f} "
        f"times retrieval's {money(rag.usd)}, where search's compute units, NOT PRICED, come on top. With the model's "
        f"prompt cache: {best}. Measure whether retrieval answers as well."
    )


def _in_the_prompt(facts: Facts, _: Costs) -> str:
    if not facts.corpus_pages or wants("retrieval", facts):
        return ""
    tokens = facts.corpus_pages * TOKENS_A_PAGE
    return f"{facts.corpus_pages:,} pages that seldom change, some {tokens:,} tokens, go into every prompt."


def _own_weights(facts: Facts, _: Costs) -> str:
    if facts.privacy != "own-weights":
        return ""
    return (
        "Only weights of your own may answer: no hosted model by the token. No stack file has that as it is: the "
        "generator, which is also what a hybrid falls back to, and the embedder are Bedrock's; settle that first."
    )


def _account(facts: Facts, _: Costs) -> str:
    if facts.privacy == "hosted" or not wants("tuning", facts):
        return ""
    return "Rows must not leave the account: not `backend: openai` or `together` (docs/managed-fine-tuning.md)."


def _wakes(facts: Facts, _: Costs) -> str:
    if facts.latency_seconds >= WAKES_SECONDS or not wants("retrieval", facts):
        return ""
    return (
        f"Search that sleeps wakes in 10 to 30 s, and {facts.latency_seconds} s are allowed: ask it something every "
        "few minutes, or let the first question wait."
    )


def _cold(facts: Facts, _: Costs) -> str:
    if facts.privacy == "own-weights" or not wants("tuning", facts):
        return ""
    met = "a hybrid stack answers with the hosted model meanwhile" if wants("retrieval", facts) else "callers try again"
    return f"An endpoint with `endpointMode: zero` refuses requests for minutes while it wakes: {met}."


RULES = (
    Rule(key="citations", points="retrieval", says="answers must name their sources", source=LEWIS, because=_citations),
    Rule(
        key="changing", points="retrieval", says="knowledge changes monthly or faster", source=LEWIS, because=_changing
    ),
    Rule(
        key="corpus",
        points="retrieval",
        says=f"more than {PROMPT_PAGES} pages",
        source=f"{OVADIA}; {PAGES}",
        because=_corpus,
    ),
    Rule(
        key="knowledge-gap",
        points="retrieval",
        says="correctness with retrieval is measured above the base's",
        source=OURS,
        because=_knowledge_gap,
    ),
    Rule(
        key="measured-gap",
        points="tuning",
        says=(
            "correctness, or format adherence where a format is asked for, is measured higher with tuning than with "
            "retrieval alone"
        ),
        source=OURS,
        because=_measured_gap,
    ),
    Rule(
        key="format-gap",
        points="tuning",
        says=(
            f"a strict format that nobody measured, or format adherence measured below {GOALS['strict']} (strict) or "
            f"{GOALS['some']} (some) without tuning; and {ROWS} labelled rows"
        ),
        source=f"{LEARN}; {OPENAI}; the two goals are Tandem's own",
        because=_format_gap,
    ),
    Rule(
        key="few-rows",
        points="no tuning",
        says=f"the same with fewer than {ROWS} labelled rows",
        source=OPENAI,
        because=_few_rows,
    ),
    Rule(
        key="no-gap",
        points="no tuning",
        says="measured, and no gap in format adherence is sure",
        source=OURS,
        because=_no_gap,
    ),
    Rule(
        key="prompt-first",
        points="no tuning",
        says="some style wishes that nobody measured",
        source=LEARN,
        because=_prompt_first,
    ),
    Rule(
        key="start-with-rag",
        points="no tuning",
        says="retrieval and no gap beyond it",
        source=f"{LEARN}; {OVADIA}",
        because=_start_with_rag,
    ),
    Rule(
        key="nothing-needed",
        points="no tuning",
        says="no rule speaks for retrieval or tuning",
        source=LEARN,
        because=_nothing,
    ),
)

CARES = (
    Care(
        key="retrieval-worse",
        says="correctness with retrieval is measured below that without it",
        source=OURS,
        because=_retrieval_worse,
        points="first",
    ),
    Care(
        key="prompt-price",
        says=f"documents in every prompt cost {DEARER} times retrieval or more",
        source="the price rows; how many times is Tandem's own",
        because=_prompt_price,
    ),
    Care(
        key="in-the-prompt",
        says=f"documents of up to {PROMPT_PAGES} pages without retrieval",
        source=PAGES,
        because=_in_the_prompt,
    ),
    Care(
        key="own-weights",
        says="only weights of your own may answer",
        source="the stack files",
        because=_own_weights,
    ),
    Care(
        key="account",
        says="tuning, and rows must not leave the account",
        source="docs/managed-fine-tuning.md",
        because=_account,
    ),
    Care(
        key="wakes",
        says=f"retrieval, and less than {WAKES_SECONDS} s for an answer",
        source=SLEEP,
        because=_wakes,
    ),
    Care(
        key="cold",
        says="tuning, and a hosted model may answer",
        source=f"{ZERO}; docs/fine-tuning.md",
        because=_cold,
    ),
)
