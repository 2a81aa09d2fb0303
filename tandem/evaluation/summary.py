"""Summary of a run: counts of labelled documents that were found and cited, and of questions refused."""

from collections.abc import Sequence
from dataclasses import dataclass

from .questions import Question
from .runs import Reply


@dataclass(frozen=True)
class Summary:
    """Counts over the replies of a run.

    `answerable` have a labelled document. `unlabelled` are answerable too, but name none; `answered` are those of them
    that were not refused.
    """

    answerable: int
    found: int
    """With a labelled document among the passages that were found."""
    first: int
    """Of these, with a labelled document as the first passage."""
    withheld: int
    """Of these, refused for all that."""
    citing: int
    """Answers to answerable ones that cite a document."""
    cited: int
    """Of these, those that cite a labelled one."""
    unanswerable: int
    refused: int
    unlabelled: int = 0
    answered: int = 0

    def __str__(self) -> str:
        text = (
            f"{self.found} of {self.answerable} have the labelled document among the passages ({self.first} in first "
            f"place, {self.withheld} refused); {self.citing} cite, {self.cited} of them the labelled document; "
            f"{self.refused} of {self.unanswerable} refused"
        )
        return f"{text}; {self.answered} of {self.unlabelled} without a label answered" if self.unlabelled else text


def right(question: Question, reply: Reply) -> bool:
    """Whether a labelled document is among the passages of an answer, an unanswerable question refused, an unlabelled
    one answered."""
    if reply.error:
        return False
    if question.documents:
        return not reply.refused and _is_found(question, reply)
    return not reply.missing and reply.refused != question.answerable


def summarize(questions: Sequence[Question], replies: Sequence[Reply]) -> Summary:
    """Count what was found, cited and refused."""
    labelled, unlabelled, unanswerable = [], [], []
    for question, reply in zip(questions, replies, strict=True):
        kind = labelled if question.documents else unlabelled if question.answerable else unanswerable
        kind.append((question, reply))
    found = [pair for pair in labelled if _is_found(*pair)]
    citing = [(question, reply) for question, reply in labelled if reply.cited]
    return Summary(
        answerable=len(labelled),
        found=len(found),
        first=sum(_passages(reply)[0] in question.documents for question, reply in found),
        withheld=sum(reply.refused for _, reply in found),
        citing=len(citing),
        cited=sum(not set(question.documents).isdisjoint(reply.cited) for question, reply in citing),
        unanswerable=len(unanswerable),
        refused=sum(right(*pair) for pair in unanswerable),
        unlabelled=len(unlabelled),
        answered=sum(right(*pair) for pair in unlabelled),
    )


def _is_found(question: Question, reply: Reply) -> bool:
    return not reply.error and not set(question.documents).isdisjoint(_passages(reply))


def _passages(reply: Reply) -> Sequence[str]:
    """Documents in rank order; of a stack that doesn't say, those that are cited."""
    return reply.cited if reply.retrieved is None else reply.retrieved
