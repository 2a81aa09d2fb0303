"""Summary of a run: counts of cited labelled documents and of refused questions that have no answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from .questions import Question
from .runs import Reply


@dataclass(frozen=True)
class Summary:
    """Counts over the replies of a run; `first` are the answers whose first citation is a labelled document.

    `answerable` have a labelled document. `unlabelled` are answerable too, but name none; `answered` are those of them
    that were not refused.
    """

    answerable: int
    cited: int
    first: int
    unanswerable: int
    refused: int
    unlabelled: int = 0
    answered: int = 0

    def __str__(self) -> str:
        text = (
            f"{self.cited} of {self.answerable} cite the labelled document ({self.first} in first place), "
            f"{self.refused} of {self.unanswerable} refused"
        )
        return f"{text}, {self.answered} of {self.unlabelled} without a label answered" if self.unlabelled else text


def right(question: Question, reply: Reply) -> bool:
    """Whether a labelled document is cited, an unanswerable question refused, an unlabelled one answered."""
    if reply.error:
        return False
    if question.documents:
        return not set(question.documents).isdisjoint(reply.cited)
    return reply.refused != question.answerable


def summarize(questions: Sequence[Question], replies: Sequence[Reply]) -> Summary:
    """Count what was cited and what was refused."""
    labelled, unlabelled, unanswerable = [], [], []
    for question, reply in zip(questions, replies, strict=True):
        kind = labelled if question.documents else unlabelled if question.answerable else unanswerable
        kind.append((question, reply))
    return Summary(
        answerable=len(labelled),
        cited=sum(right(*pair) for pair in labelled),
        first=sum(any(key in question.documents for key in reply.cited[:1]) for question, reply in labelled),
        unanswerable=len(unanswerable),
        refused=sum(right(*pair) for pair in unanswerable),
        unlabelled=len(unlabelled),
        answered=sum(right(*pair) for pair in unlabelled),
    )
