"""What came of the questions of a run beside its scores: answers that are none or a part, and who gave them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tandem.models.chat import CUT, FILTERED, is_another

from .runs import Reply, Run

SHOWN = 3


class Outcomes(NamedTuple):
    """How many of the replies are none, or a part; an answer may be in several counts."""

    count: int
    failed: int
    """Calls without an answer."""
    empty: int
    """Answers without text, which are neither an answer nor a refusal."""
    thought: int
    """Of these, those in which the model only thought."""
    cut: int
    """Answers that end at the limit of tokens, with text or without."""
    filtered: int
    """Answers that the service filtered, with text or without."""

    @property
    def sentence(self) -> str:
        """What is to be said of it; empty if nothing is."""
        thought = f" (in {self.thought} the model only thought)" if self.thought else ""
        found = {
            f"have no text{thought}": self.empty,
            "were cut at the limit of tokens": self.cut,
            "were filtered by the service": self.filtered,
        }
        answers = self.count - self.failed
        return "; ".join(f"{count} of {answers} answers {what}" for what, count in found.items() if count)


def outcomes(replies: Iterable[Reply]) -> Outcomes:
    """Count them."""
    every = list(replies)
    came = [reply for reply in every if reply.error is None]
    empty = [reply for reply in came if reply.missing]
    ended = Counter(reply.ended for reply in came)
    thought = sum(reply.thought for reply in empty)
    return Outcomes(len(every), len(every) - len(came), len(empty), thought, ended[CUT], ended[FILTERED])


def answered_by(replies: Iterable[Reply]) -> Counter[str]:
    """The models that the answers name, with their fingerprint, and how many answers each gave."""
    return Counter(
        f"{reply.answered_by} ({reply.fingerprint})" if reply.fingerprint else reply.answered_by
        for reply in replies
        if reply.answered_by
    )


def others(replies: Sequence[Reply]) -> list[str]:
    """Sentences about who answered, where that isn't who was asked, or isn't one."""
    pairs = Counter((reply.model, reply.answered_by) for reply in replies if reply.model and reply.answered_by)
    said = [
        f"{count} of {len(replies)} answers are of {named}, which isn't what was asked for ({asked}): does the server "
        "ignore the model's name, or fall back to another?"
        for (asked, named), count in pairs.most_common(SHOWN)
        if is_another(asked or "", named or "")
    ]
    if len(who := answered_by(replies)) > 1:
        shown = ", ".join(f"{name}: {count}" for name, count in who.most_common(SHOWN))
        said.append(f"The answers are of {len(who)} models ({shown}): `--fresh` asks all of them again.")
    return said


def notes(replies: Sequence[Reply]) -> list[str]:
    """All that is to be said beside the scores of a run."""
    found = outcomes(replies)
    if not (sentence := found.sentence):
        return others(replies)
    remedies = ["What has no text is neither an answer nor a refusal, and is asked again"] if found.empty else []
    remedies += ["`--max-tokens` sets the limit"] if found.cut else []
    return [". ".join([sentence, *remedies]) + ".", *others(replies)]


def one_model(*runs: Run) -> str:
    """The model that gave all answers of runs that each asked for another one; empty if there is none."""
    gave = {tuple(answered_by(run.replies)) for run in runs}
    asked = {(run.target.get("url"), run.target.get("id")) for run in runs}
    names = gave.pop()
    return names[0] if not gave and len(names) == 1 and len(asked) == len(runs) else ""
